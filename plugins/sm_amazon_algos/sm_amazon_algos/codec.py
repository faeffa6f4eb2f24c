"""RecordIO-protobuf as serializer, deserializer and codec.

Whoever looks up any codec gets to see this one, so that numpy and protobuf wait for its first use.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

from sm_core.codecs import Body, Codec, Deserializer, Serializer
from sm_core.errors import CodecError

if TYPE_CHECKING:
    from sm_amazon_algos.matrices import Kind
    from sm_amazon_algos.records import Record

__all__ = [
    "CODEC",
    "CONTENT_TYPE",
    "RecordDeserializer",
    "RecordSerializer",
    "numpy_to_record_serializer",
    "record_deserializer",
]

CONTENT_TYPE = "application/x-recordio-protobuf"


def _encode(payload: Any, kind: Kind | None) -> Body:
    from sm_amazon_algos.recordio import record_body

    return record_body(payload, kind)


def _decode(body: IO[bytes], content_type: str) -> list[Record]:
    from sm_amazon_algos.recordio import read_records

    return read_records(body)


def _decode_arrays(body: IO[bytes], content_type: str) -> Any:
    from sm_amazon_algos.recordio import records_to_numpy

    found = records_to_numpy(body).features
    if not found:
        raise CodecError("there are no features")
    # The arrays are views of the body; a model may write to what it is given.
    arrays = {name: values.copy() for name, values in found.items()}
    return arrays["values"] if arrays.keys() == {"values"} else arrays


class RecordSerializer(Serializer):
    """Makes request bodies of records.

    Takes arrays and sparse matrices of one row or many, lists of numbers or of rows, data frames
    and records; bytes and files go out as they are. Calling it with nothing returns it, as in
    ``serializer=numpy_to_record_serializer()``.
    """

    def __init__(self, content_type: str = CONTENT_TYPE, *, kind: Kind | None = None) -> None:
        """
        Args:
            content_type: what to declare the bodies as.
            kind: type of the numbers to send; None for the array's own.
        """
        super().__init__(content_type, lambda payload: _encode(payload, kind))

    def __call__(self, payload: Any = None, *, content_type: str | None = None) -> Any:
        """The body for `payload`; without one, the serializer itself, perhaps for another type.

        Raises:
            CodecError: no records can be made of `payload`.
        """
        if payload is not None:
            return super().__call__(payload)
        return self if content_type is None else RecordSerializer(content_type)


class RecordDeserializer(Deserializer):
    """Makes records of a response. Calling it with nothing returns it, as the serializer does."""

    def __init__(self, accept: str = CONTENT_TYPE) -> None:
        """
        Args:
            accept: content type to ask for.
        """
        super().__init__(accept, _decode)

    def __call__(
        self, body: IO[bytes] | None = None, content_type: str = "", *, accept: str | None = None
    ) -> Any:
        """The records in `body`; without one, the deserializer itself.

        Raises:
            CodecError: the body is damaged; says at which byte, and how.
        """
        if body is not None:
            return super().__call__(body, content_type)
        return self if accept is None else RecordDeserializer(accept)


#: Rows to request bodies.
numpy_to_record_serializer = RecordSerializer()
#: Responses to lists of `Record`.
record_deserializer = RecordDeserializer()

CODEC = Codec(
    content_type=CONTENT_TYPE,
    serializer=numpy_to_record_serializer,
    deserializer=record_deserializer,
    array_deserializer=Deserializer(CONTENT_TYPE, _decode_arrays),
)
