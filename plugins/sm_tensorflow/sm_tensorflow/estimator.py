"""``TensorFlow``: the estimator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sm_core.declarations import EstimatorOptions
from sm_core.estimator import Estimator

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["TensorFlow", "TensorFlowOptions"]


class TensorFlowOptions(EstimatorOptions, total=False):
    """Keyword arguments of `TensorFlow`; meanings stand beside `sm_tensorflow.options.OPTIONS`."""

    training_steps: int | None
    evaluation_steps: int | None
    checkpoint_path: str | None
    model_dir: str | bool | None


class TensorFlow(Estimator):
    """Trains TensorFlow scripts: ``TensorFlow(entry_point, role, train_instance_count, …)``.

    The script defines a model function and the input functions, or runs by itself.
    """

    framework_name = "tensorflow"
    positional = (
        "entry_point",
        "role",
        "train_instance_count",
        "train_instance_type",
        "training_steps",
        "evaluation_steps",
    )

    training_steps: int | None
    evaluation_steps: int | None
    checkpoint_path: str | None
    model_dir: str | bool | None

    if TYPE_CHECKING:

        def __init__(self, *args: Any, **options: Unpack[TensorFlowOptions]) -> None: ...
