"""The built-in formats: JSON, JSON lines, CSV, npy, text, bytes and streams.

Their serializers take lists, dicts and scalars, and what numpy, scipy, pandas and others make of
them. Nothing is ever pickled or unpickled.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import IO, Any

from sm_core.codecs import Codec, Deserializer, Serializer, charset
from sm_core.errors import CodecError
from sm_core.npy import read_npy
from sm_core.values import array_of, is_numeric, plain

__all__ = [
    "BUILTIN",
    "bytes_deserializer",
    "bytes_serializer",
    "csv_deserializer",
    "csv_serializer",
    "json_deserializer",
    "json_serializer",
    "jsonlines_deserializer",
    "jsonlines_serializer",
    "npy_deserializer",
    "npy_serializer",
    "stream_deserializer",
    "stream_serializer",
    "string_deserializer",
    "string_serializer",
]

#: What a value of CSV may be; None is an empty one.
_CELLS = frozenset({str, int, float, bool, type(None)})

_json = json.JSONEncoder(default=plain, allow_nan=False)


def _to_json(payload: Any) -> str:
    try:
        return _json.encode(payload)
    except ValueError as error:
        if "JSON compliant" not in str(error):
            raise
        raise ValueError(
            "JSON has no NaN and no infinity; replace them, or send another content type"
        ) from error


def _from_json(body: IO[bytes], content_type: str) -> Any:
    return json.loads(_text(body, content_type))


def _to_json_lines(payload: Any) -> str:
    if isinstance(payload, str):
        return payload
    if payload is not None and not isinstance(payload, (list, tuple, dict, int, float)):
        payload = plain(payload)
    return "\n".join(map(_to_json, payload if isinstance(payload, (list, tuple)) else [payload]))


def _from_json_lines(body: IO[bytes], content_type: str) -> list[Any]:
    # Not `splitlines`, which ends lines at characters that JSON's strings may hold.
    lines = _text(body, content_type).split("\n")
    return [json.loads(line) for line in lines if line.strip()]


def _to_csv(payload: Any) -> str:
    if isinstance(payload, str):
        return payload
    array = array_of(payload)
    if is_numeric(array):
        return _number_lines(array)
    lines: list[str] = []
    # With this end of line, values that hold either of its characters are quoted.
    writer = csv.writer(SimpleNamespace(write=lines.append), lineterminator="\r\n")
    writer.writerows(map(_cells, _rows(array)))
    return "\n".join(line.removesuffix("\r\n") for line in lines)


def _number_lines(array: Any) -> str:
    """Each number in the shortest form that gives it back in the array's own dtype."""
    if array.ndim > 2:
        raise ValueError(f"it has {array.ndim} dimensions, and CSV has two")
    # Python has floats of one width only: numpy writes the others.
    others = array.dtype.kind == "f" and array.dtype.itemsize != 8
    numbers = (array.astype(str) if others else array).tolist()
    if array.ndim == 0:
        return str(numbers)
    rows = numbers if array.ndim == 2 else [numbers]
    return "\n".join([",".join(map(str, row)) for row in rows])


def _rows(payload: Any) -> Sequence[Any]:
    if isinstance(payload, (int, float)):
        return [[payload]]
    if isinstance(payload, Mapping):
        raise TypeError("it has no rows and columns")
    if not isinstance(payload, (list, tuple)):
        payload = plain(payload)
    if not isinstance(payload, (list, tuple)):
        return [[payload]]
    rows = [plain(row) if hasattr(row, "tolist") else row for row in payload]
    nested = [isinstance(row, (list, tuple)) for row in rows]
    if all(nested):
        return rows
    if any(nested):
        raise ValueError("rows and scalars are mixed")
    return [rows]


def _cells(row: Sequence[Any]) -> Sequence[Any]:
    return row if _CELLS.issuperset(map(type, row)) else [_cell(value) for value in row]


def _cell(value: Any) -> Any:
    if not isinstance(value, (str, int, float)) and value is not None:
        shown = type(value).__name__
        value = value if isinstance(value, (list, tuple, dict)) else plain(value)
        if isinstance(value, (list, tuple, dict)):
            raise ValueError(f"a value of a row is a {shown}")
    return value


def _from_csv(body: IO[bytes], content_type: str) -> list[list[str]]:
    text = _text(body, content_type)
    return [row for row in csv.reader(io.StringIO(text, newline="")) if row]


def _to_npy(payload: Any) -> bytes:
    np = _numpy()
    array = array_of(payload)
    if getattr(array, "mask", None) is not None and np.any(array.mask):
        raise ValueError("npy cannot say which values are masked; fill them first: array.filled()")
    array = np.asarray(array)
    if array.dtype.hasobject:
        raise ValueError("its dtype is object, which npy could only hold as a pickle")
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _from_npy(body: IO[bytes], content_type: str) -> Any:
    _numpy()
    return read_npy(body.read())


def _numpy() -> Any:
    try:
        import numpy as np
    except ImportError as error:
        raise CodecError(f"npy needs numpy: pip install numpy ({error})") from error
    return np


def _text(body: IO[bytes], content_type: str) -> str:
    named = charset(content_type)
    # With a byte order mark, as some programs write it, or without.
    return body.read().decode("utf-8-sig" if named == "utf-8" else named)


def _only_text(payload: Any) -> str:
    if not isinstance(payload, str):
        raise TypeError("only text is sent as text")
    return payload


def _only_bytes(payload: Any) -> bytes:
    raise TypeError("only bytes and files are sent as they are")


def _joined(payload: Any) -> bytes:
    if isinstance(payload, (str, dict)) or not isinstance(payload, Iterable):
        raise TypeError("a stream is a file, or pieces of bytes")
    return b"".join(payload)


#: Lists, dicts, scalars, numpy, scipy and pandas values as JSON text.
json_serializer = Serializer("application/json", _to_json)
#: JSON text as lists, dicts and scalars.
json_deserializer = Deserializer("application/json", _from_json)
#: The items of a list, or the rows of an array or frame, as one line of JSON each.
jsonlines_serializer = Serializer("application/jsonlines", _to_json_lines)
#: Lines of JSON as a list of their values.
jsonlines_deserializer = Deserializer("application/jsonlines", _from_json_lines)
#: One or two dimensions of values as CSV without a header; text is taken as CSV already.
csv_serializer = Serializer("text/csv", _to_csv)
#: CSV as a list of rows of strings.
csv_deserializer = Deserializer("text/csv", _from_csv)
#: Arrays, and what numpy makes arrays of, in numpy's npy format; never pickled.
npy_serializer = Serializer("application/x-npy", _to_npy)
#: npy as a numpy array; pickled ones are refused.
npy_deserializer = Deserializer("application/x-npy", _from_npy)
#: Bytes, and files, as they are.
bytes_serializer = Serializer("application/octet-stream", _only_bytes)
#: The response's bytes.
bytes_deserializer = Deserializer(None, lambda body, content_type: body.read())
#: Text as it is, in UTF-8.
string_serializer = Serializer("text/plain", _only_text)
#: The response's text, by its charset, else UTF-8.
string_deserializer = Deserializer(None, _text)
#: What a file holds, or an iterable of bytes gives, as it is.
stream_serializer = Serializer("application/octet-stream", _joined)
#: The response's stream, unread; the caller closes it.
stream_deserializer = Deserializer(None, lambda body, content_type: body)

BUILTIN: Iterable[Codec] = (
    Codec(
        content_type="application/json",
        serializer=json_serializer,
        deserializer=json_deserializer,
        aliases=("text/json",),
    ),
    Codec(
        content_type="application/jsonlines",
        serializer=jsonlines_serializer,
        deserializer=jsonlines_deserializer,
        aliases=("application/jsonl", "application/x-jsonlines", "application/x-ndjson"),
    ),
    Codec(
        content_type="text/csv",
        serializer=csv_serializer,
        deserializer=csv_deserializer,
        aliases=("application/csv",),
    ),
    Codec(
        content_type="application/x-npy",
        serializer=npy_serializer,
        deserializer=npy_deserializer,
    ),
    Codec(
        content_type="application/octet-stream",
        serializer=bytes_serializer,
        deserializer=bytes_deserializer,
    ),
    Codec(
        content_type="text/plain",
        serializer=string_serializer,
        deserializer=string_deserializer,
    ),
)
