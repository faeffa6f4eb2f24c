"""``KMeansModel``, ``PCAModel``, ``LinearLearnerModel``: trained models that can be deployed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sm_core.model import Model

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from sm_core.declarations import AlgorithmModelOptions

__all__ = ["KMeansModel", "LinearLearnerModel", "PCAModel"]


class AlgorithmModel(Model):
    """What the models of Amazon's algorithms have in common: they need no code."""

    positional = ("model_data", "role", "sagemaker_session")

    if TYPE_CHECKING:

        def __init__(self, *args: Any, **options: Unpack[AlgorithmModelOptions]) -> None: ...


class KMeansModel(AlgorithmModel):
    """Tells the nearest cluster and its distance."""

    framework_name = "kmeans"


class PCAModel(AlgorithmModel):
    """Projects onto the components."""

    framework_name = "pca"


class LinearLearnerModel(AlgorithmModel):
    """Tells scores, and for classifiers labels."""

    framework_name = "linear-learner"
