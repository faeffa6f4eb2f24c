"""``KMeansPredictor``, ``PCAPredictor``, ``LinearLearnerPredictor``: predict with arrays."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import IO, Any, ClassVar

from sm_amazon_algos.codec import CONTENT_TYPE, RecordSerializer
from sm_amazon_algos.matrices import Kind
from sm_amazon_algos.recordio import records_to_numpy
from sm_core.codecs import Body, media_type
from sm_core.errors import CodecError
from sm_core.predictor import Predictor

__all__ = ["KMeansPredictor", "LinearLearnerPredictor", "PCAPredictor"]


class AlgorithmPredictor(Predictor):
    """Sends arrays, sparse matrices, lists, data frames, records and files as records.

    The answer is a list of `Record`, one per row; what was predicted stands in its ``label``.
    """

    #: Type of the numbers that the algorithm takes; None for any.
    numbers: ClassVar[Kind | None] = None

    def default_serializer(self, content_type: str) -> Callable[[Any], Body] | None:
        """Records of the algorithm's own type of numbers, or the codec of another type.

        Args:
            content_type: of the request.
        """
        if media_type(content_type) == CONTENT_TYPE:
            return RecordSerializer(kind=self.numbers)
        return super().default_serializer(content_type)

    def predict(self, data: Any, *, as_numpy: bool = False, **options: Any) -> Any:
        """Send `data`, return the decoded answer.

        Args:
            data: one row or many.
            as_numpy: return arrays by the names of what was predicted, one row per row of `data`,
                rather than records.
            **options: those of `Predictor.predict`.

        Raises:
            CodecError: the payload or the answer does not fit its content type.
            ModelError: the container refused the request or failed; the message is its own.
            RequestError: the endpoint is not there, cannot be reached, or did not answer in time.
        """
        if not as_numpy:
            return super().predict(data, **options)
        reading = copy.copy(self)
        reading.deserializer = _arrays
        return Predictor.predict(reading, data, **{"accept": CONTENT_TYPE, **options})


def _arrays(body: IO[bytes], content_type: str) -> Any:
    if media_type(content_type) != CONTENT_TYPE:
        raise CodecError(
            f"the endpoint answered in {content_type!r}; arrays are made of {CONTENT_TYPE} only, "
            "which is what it is asked for unless predict's accept= says otherwise"
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
