"""``TensorFlowPredictor``: predicts with lists, arrays and TensorFlow's messages."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import IO, Any

from sm_core.codecs import Body, Deserializer, decode_by_content_type, media_type
from sm_core.predictor import Predictor
from sm_tensorflow.codec import (
    PROTOBUF,
    is_request,
    response_class,
    tf_csv_serializer,
    tf_json_serializer,
    tf_proto_deserializer,
    tf_proto_serializer,
)

__all__ = ["TensorFlowPredictor"]

_SERIALIZERS = (tf_json_serializer, tf_csv_serializer, tf_proto_serializer)


class TensorFlowPredictor(Predictor):
    """Sends lists, numpy arrays and tensors as JSON, returns the answer as Python values.

    One of TensorFlow Serving's requests (``PredictRequest``, ``ClassificationRequest``…) is sent in
    protobuf's own format, and the message that answers it is returned, unless the predictor was
    given a serializer or the call a content type.
    """

    framework_name = "tensorflow"

    def default_serializer(self, content_type: str) -> Callable[[Any], Body] | None:
        """The serializer of a predictor that is given none; see `Predictor`."""
        own = {each.content_type: each for each in _SERIALIZERS}
        return own.get(content_type) or super().default_serializer(content_type)

    def predict(self, data: Any, **options: Any) -> Any:
        """Send `data`, return the decoded answer.

        Args:
            data: what the serializer takes: numbers, lists, dicts, arrays, ``TensorProto``; or a
                request of TensorFlow Serving.
            **options: ``content_type``, ``accept``, ``custom_attributes``, ``target_variant`` and
                ``inference_id``, as of any predictor.

        Raises:
            CodecError: the payload or the answer does not fit its content type, or the request is
                larger than SageMaker takes.
            ModelError: the container refused the request or failed; the message is its own.
            RequestError: the endpoint is not there, cannot be reached, or did not answer in time.
        """
        if not is_request(data):
            return super().predict(data, **options)
        if self.serializer is self._default:
            options.setdefault("content_type", PROTOBUF)
        if self.deserializer == "auto" or self.deserializer is tf_proto_deserializer:
            if self.deserializer == "auto":
                options.setdefault("accept", PROTOBUF)
            # A predictor of its own for this request: others may be asking at the same time.
            asking = copy.copy(self)
            asking.deserializer = Deserializer(self.accept, partial(_answer, data))
            return Predictor.predict(asking, data, **options)
        return super().predict(data, **options)


def _answer(request: Any, body: IO[bytes], content_type: str) -> Any:
    """The message in `body` that answers `request`; what is not protobuf by its content type."""
    if media_type(content_type) != PROTOBUF:
        return decode_by_content_type(body, content_type)
    return response_class(request).FromString(body.read())
