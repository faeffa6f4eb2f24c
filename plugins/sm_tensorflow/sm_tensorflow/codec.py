"""Request bodies and responses of TensorFlow's containers: JSON, CSV and protobuf."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

from sm_core.codecs import Body, Deserializer, Serializer
from sm_core.formats import csv_serializer, json_deserializer, json_serializer

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = [
    "PROTOBUF",
    "TensorFlowSerializer",
    "is_request",
    "response_class",
    "tf_csv_serializer",
    "tf_deserializer",
    "tf_json_deserializer",
    "tf_json_serializer",
    "tf_proto_deserializer",
    "tf_proto_serializer",
    "tf_serializer",
]

PROTOBUF = "application/octet-stream"
#: Requests → what answers them.
_RESPONSES = {
    "PredictRequest": "PredictResponse",
    "ClassificationRequest": "ClassificationResponse",
    "RegressionRequest": "RegressionResponse",
    "MultiInferenceRequest": "MultiInferenceResponse",
    "GetModelMetadataRequest": "GetModelMetadataResponse",
}


class TensorFlowSerializer(Serializer):
    """Makes request bodies of TensorFlow's messages too. Calling it with nothing returns it."""

    def __call__(self, payload: Any = None) -> Any:
        """The body for `payload`; without one, the serializer itself.

        Raises:
            CodecError: the payload has no form in this content type.
        """
        return self if payload is None else super().__call__(payload)


def is_request(value: Any) -> bool:
    """Whether `value` is one of TensorFlow Serving's requests, of this package's class or not."""
    return type(value).__name__ in _RESPONSES and hasattr(value, "SerializeToString")


def response_class(request: Any) -> type[Message]:
    """The class of the message that answers `request`."""
    from sm_tensorflow import messages

    found: type[Message] = getattr(messages, _RESPONSES[type(request).__name__])
    return found


def _to_json(payload: Any) -> Body:
    if not hasattr(payload, "SerializeToString") and not _holds_messages(payload):
        return json_serializer(payload)
    return json_serializer(_plain(payload))


def _holds_messages(payload: Any) -> bool:
    if isinstance(payload, dict):
        payload = list(payload.values())
    return isinstance(payload, (list, tuple)) and any(
        hasattr(each, "SerializeToString") for each in payload
    )


def _plain(payload: Any) -> Any:
    """Messages as what protobuf's JSON makes of them."""
    if isinstance(payload, dict):
        return {name: _plain(each) for name, each in payload.items()}
    if isinstance(payload, (list, tuple)):
        return [_plain(each) for each in payload]
    if not hasattr(payload, "SerializeToString"):
        return payload
    from google.protobuf import json_format

    return json_format.MessageToDict(payload)


def _to_csv(payload: Any) -> Body:
    from sm_tensorflow.tensors import array_of_tensor, is_tensor

    if is_tensor(payload):
        payload = array_of_tensor(payload)
        if payload.dtype == object:
            payload = [[cell.decode() for cell in row] for row in payload.reshape(-1, 1).tolist()]
    return csv_serializer(payload)


def _to_protobuf(payload: Any) -> bytes:
    if not hasattr(payload, "SerializeToString"):
        raise TypeError(
            "only messages are sent as protobuf: a PredictRequest, ClassificationRequest, "
            "RegressionRequest or MultiInferenceRequest"
        )
    encoded: bytes = payload.SerializeToString()
    return encoded


def _from_protobuf(body: IO[bytes], content_type: str) -> Message:
    """The message in a response that does not tell which it is: the first that it can be.

    Regressions cannot be told from classifications in this way; a `TensorFlowPredictor` knows what
    it asked.
    """
    from google.protobuf.message import DecodeError

    from sm_tensorflow import messages

    data = body.read()
    for name in _RESPONSES.values():
        response: Message = getattr(messages, name)()
        try:
            response.ParseFromString(data)
        except DecodeError:
            continue
        if not _has_unknown(response, data):
            return response
    raise ValueError("it is none of TensorFlow Serving's responses")


def _has_unknown(message: Message, data: bytes) -> bool:
    """Whether some of the fields in `data` are none of the message's."""
    known = type(message)()
    known.CopyFrom(message)
    known.DiscardUnknownFields()
    return known.ByteSize() != message.ByteSize() or message.ByteSize() != len(data)


#: Lists, arrays, dicts and TensorFlow's messages as JSON.
tf_json_serializer = TensorFlowSerializer("application/json", _to_json)
#: Rows of values, and tensors, as CSV.
tf_csv_serializer = TensorFlowSerializer("text/csv", _to_csv)
#: TensorFlow's messages as they are, in protobuf's own format.
tf_proto_serializer = TensorFlowSerializer(PROTOBUF, _to_protobuf)
#: Another name of `tf_proto_serializer`.
tf_serializer = tf_proto_serializer
#: JSON as Python values.
tf_json_deserializer = json_deserializer
#: Responses in protobuf's own format as messages; by a `TensorFlowPredictor`, of the
#: very class that answers what it asked.
tf_proto_deserializer = Deserializer(PROTOBUF, _from_protobuf)
#: Another name of `tf_proto_deserializer`.
tf_deserializer = tf_proto_deserializer
