"""The codec of RecordIO-protobuf for the core's registry.

Whoever looks up any codec gets to see this one, so that numpy and protobuf wait for its first use.
"""

from __future__ import annotations

from typing import IO, Any

from sm_core.codecs import Body, Codec, Deserializer, Serializer

__all__ = ["CODEC", "CONTENT_TYPE"]

CONTENT_TYPE = "application/x-recordio-protobuf"


def _encode(payload: Any) -> Body:
    from sm_amazon_algos.recordio import numpy_to_record_serializer

    body: Body = numpy_to_record_serializer(payload)
    return body


def _decode(body: IO[bytes], content_type: str) -> Any:
    from sm_amazon_algos.recordio import read_records

    return read_records(body)


CODEC = Codec(
    content_type=CONTENT_TYPE,
    serializer=Serializer(CONTENT_TYPE, _encode),
    deserializer=Deserializer(CONTENT_TYPE, _decode),
)
