"""``KMeansPredictor``, ``PCAPredictor``, ``LinearLearnerPredictor``: predict with arrays."""

from __future__ import annotations

import copy
from typing import IO, Any, ClassVar

from sm_amazon_algos.codec import CONTENT_TYPE, RecordSerializer
from sm_amazon_algos.matrices import Kind
from sm_amazon_algos.recordio import records_to_numpy
from sm_core.codecs import media_type
from sm_core.errors import CodecError
from sm_core.predictor import Predictor

__all__ = ["KMeansPredictor", "LinearLearnerPredictor", "PCAPredictor"]


class AlgorithmPredictor(Predictor):
    """Sends arrays, sparse matrices, lists, data frames, records and files as records.

    The answer is a list of `Record`, one per row; what was predicted stands in its ``label``.
    """

    #: Type of the numbers that the algorithm takes; None for any.
    numbers: ClassVar[Kind | None] = None

    def __init__(self, endpoint: str, sagemaker_session: Any = None, **options: Any) -> None:
        """
        Args:
            endpoint: the endpoint's name.
            sagemaker_session: whose; None for a new Session.
            **options: those of `Predictor`.
        """
        options.setdefault("serializer", RecordSerializer(kind=self.numbers))
        super().__init__(endpoint, sagemaker_session, **options)

    def predict(self, data: Any, *, as_numpy: bool = False) -> Any:
        """Send `data`, return the decoded answer.

        Args:
            data: one row or many.
            as_numpy: return arrays by the names of what was predicted, one row per row of `data`,
                rather than records.

        Raises:
            CodecError: the payload or the answer does not fit its content type.
            RequestError: the endpoint is not there, or the container refused or failed; the
                message is the container's own.
        """
        if not as_numpy:
            return super().predict(data)
        reading = copy.copy(self)
        reading.deserializer = _arrays
        return Predictor.predict(reading, data)


def _arrays(body: IO[bytes], content_type: str) -> Any:
    if media_type(content_type) != CONTENT_TYPE:
        raise CodecError(
            f"the endpoint answered in {content_type!r}; arrays are made of {CONTENT_TYPE} only, "
            "which is what it is asked for unless accept= says otherwise"
        )
    return dict(records_to_numpy(body).label)


class KMeansPredictor(AlgorithmPredictor):
    """Labels: ``closest_cluster``, and ``distance_to_cluster``, the Euclidean distance."""

    framework_name = "kmeans"


class PCAPredictor(AlgorithmPredictor):
    """Label: ``projection``, in which the strongest component comes last."""

    framework_name = "pca"


class LinearLearnerPredictor(AlgorithmPredictor):
    """Labels: ``score``, and for classifiers ``predicted_label``. Numbers are sent as float32."""

    framework_name = "linear-learner"
    numbers = "float32"
