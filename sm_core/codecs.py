"""Serializers and deserializers, and the registry of codecs keyed by content type.

A *serializer* is a callable of one payload that returns the request body, with an attribute
``content_type``; a *deserializer* is a callable ``(body, content_type)`` that returns a Python
value, with an attribute ``accept``. A `Codec` joins one of each for a content type.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from types import SimpleNamespace
from typing import IO, TYPE_CHECKING, Any

import attrs

from sm_core.errors import CodecError

if TYPE_CHECKING:
    from sm_core.plugins import PluginManager

__all__ = [
    "BUILTIN",
    "Codec",
    "Deserializer",
    "Serializer",
    "bytes_deserializer",
    "codec_for",
    "csv_deserializer",
    "csv_serializer",
    "decode_by_content_type",
    "json_deserializer",
    "json_serializer",
    "media_type",
    "npy_deserializer",
    "npy_serializer",
    "stream_deserializer",
    "string_deserializer",
]

Body = bytes | str | IO[bytes]

#: What decoding raises for bytes that are no text, a charset that there is not, a list nested
#: without end, an array that cannot be.
_UNDECODABLE = (ValueError, LookupError, TypeError, csv.Error, MemoryError, RecursionError)


@attrs.frozen
class Serializer:
    """Makes a request body of a payload.

    Attributes:
        content_type: content type of the bodies it makes.
    """

    content_type: str
    _encode: Callable[[Any], Body]

    def __call__(self, payload: Any) -> Body:
        """The body for `payload`.

        Raises:
            CodecError: the payload has no form in this content type.
        """
        try:
            return self._encode(payload)
        except (TypeError, ValueError, csv.Error) as error:
            raise CodecError(
                f"a {type(payload).__name__} cannot be sent as {self.content_type}: {error}"
            ) from error


@attrs.frozen
class Deserializer:
    """Makes a Python value of a response.

    Attributes:
        accept: content type to ask the endpoint for; None to ask for none.
    """

    accept: str | None
    _decode: Callable[[IO[bytes], str], Any]

    def __call__(self, body: IO[bytes], content_type: str) -> Any:
        """The value in `body`, whose type the response gave as `content_type`.

        Raises:
            CodecError: the body is not valid in this content type.
        """
        try:
            return self._decode(body, content_type)
        except _UNDECODABLE as error:
            raise CodecError(
                f"the response, of content type {content_type!r}, cannot be decoded: {error}"
            ) from error


@attrs.frozen(kw_only=True)
class Codec:
    """How payloads of one content type are encoded and decoded.

    Attributes:
        content_type: media type without parameters, lower case.
        serializer: makes request bodies.
        deserializer: makes values of responses.
    """

    content_type: str
    serializer: Serializer
    deserializer: Deserializer


def media_type(content_type: str) -> str:
    """The content type without its parameters, lower case."""
    return content_type.partition(";")[0].strip().lower()


def codec_for(content_type: str) -> Codec:
    """The codec of `content_type`.

    Raises:
        CodecError: no plugin brings one; names those there are.
    """
    codec = _registry().get(media_type(content_type))
    if codec is None:
        known = ", ".join(sorted(_registry()))
        raise CodecError(
            f"there is no codec for content type {content_type!r}; there are: {known}. "
            "Give a deserializer, for example sm_core.bytes_deserializer"
        )
    return codec


def decode_by_content_type(body: IO[bytes], content_type: str) -> Any:
    """Decode a response by its own Content-Type."""
    return codec_for(content_type).deserializer(body, content_type)


def _registry() -> dict[str, Codec]:
    from sm_core.plugins import client_plugins

    return _collected(client_plugins())


@cache
def _collected(plugins: PluginManager) -> dict[str, Codec]:
    # The core's own come first, so that those of plugins win.
    return {
        media_type(codec.content_type): codec for _, codec in plugins.collect("sm_codecs", Codec)
    }


def _plain(value: Any) -> Any:
    """Lists and scalars of numpy, scipy and pandas values, known by their methods alone."""
    for method in ("toarray", "to_numpy"):
        convert = getattr(value, method, None)
        if convert is not None:
            value = convert()
    convert = getattr(value, "tolist", None)
    if convert is not None:
        return convert()
    if isinstance(value, (set, frozenset)):
        return list(value)
    raise TypeError(f"a {type(value).__name__} is neither a list nor a number, nor makes one")


def _to_json(payload: Any) -> str:
    try:
        return json.dumps(payload, default=_plain, allow_nan=False)
    except ValueError as error:
        if "JSON compliant" not in str(error):
            raise
        raise ValueError(
            "JSON has no NaN and no infinity; replace them, or send another content type"
        ) from error


def _from_json(body: IO[bytes], content_type: str) -> Any:
    return json.loads(body.read().decode(_charset(content_type)))


def _rows(payload: Any) -> list[Sequence[Any]]:
    if isinstance(payload, (bool, int, float)):
        return [[payload]]
    if not isinstance(payload, (list, tuple)):
        payload = _plain(payload)
    if not isinstance(payload, (list, tuple)):
        return [[payload]]
    rows = [_plain(row) if hasattr(row, "tolist") else row for row in payload]
    nested = [isinstance(row, (list, tuple)) for row in rows]
    if all(nested):
        return rows
    if any(nested):
        raise ValueError("rows and scalars are mixed")
    return [rows]


def _to_csv(payload: Any) -> Body:
    if isinstance(payload, (str, bytes, bytearray)):
        return payload if isinstance(payload, str) else bytes(payload)
    lines: list[str] = []
    # With this end of line, values that hold either of its characters are quoted.
    writer = csv.writer(SimpleNamespace(write=lines.append), lineterminator="\r\n")
    for row in _rows(payload):
        for value in row:
            if hasattr(value, "__len__") and not isinstance(value, str):
                raise ValueError(f"a value of a row is a {type(value).__name__}")
        writer.writerow(row)
    return "\n".join(line.removesuffix("\r\n") for line in lines)


def _from_csv(body: IO[bytes], content_type: str) -> list[list[str]]:
    text = body.read().decode(_charset(content_type))
    return [row for row in csv.reader(io.StringIO(text)) if row]


def _to_npy(payload: Any) -> bytes:
    np = _numpy()
    array = np.asarray(payload.toarray() if hasattr(payload, "toarray") else payload)
    if array.dtype.hasobject:
        raise ValueError("its dtype is object, which npy could only hold as a pickle")
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _from_npy(body: IO[bytes], content_type: str) -> Any:
    # Not ``numpy.load``, which takes other formats too.
    return _numpy().lib.format.read_array(io.BytesIO(body.read()), allow_pickle=False)


def _numpy() -> Any:
    try:
        import numpy as np
    except ImportError as error:
        raise CodecError(f"npy needs numpy: pip install numpy ({error})") from error
    return np


def _charset(content_type: str) -> str:
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip('"')
    return "utf-8"


#: Lists, dicts, scalars, numpy, scipy and pandas values as JSON text.
json_serializer = Serializer("application/json", _to_json)
#: JSON text as lists, dicts and scalars.
json_deserializer = Deserializer("application/json", _from_json)
#: One or two dimensions of values as CSV without a header.
csv_serializer = Serializer("text/csv", _to_csv)
#: CSV as a list of rows of strings.
csv_deserializer = Deserializer("text/csv", _from_csv)
#: Arrays, and what numpy makes arrays of, in numpy's npy format; never pickled.
npy_serializer = Serializer("application/x-npy", _to_npy)
#: npy as a numpy array; pickled ones are refused.
npy_deserializer = Deserializer("application/x-npy", _from_npy)
#: The response's bytes.
bytes_deserializer = Deserializer(None, lambda body, content_type: body.read())
#: The response's text, by its charset, else UTF-8.
string_deserializer = Deserializer(
    None, lambda body, content_type: body.read().decode(_charset(content_type))
)
#: The response's stream, unread; the caller closes it.
stream_deserializer = Deserializer(None, lambda body, content_type: body)


def _octets(payload: Any) -> Body:
    if isinstance(payload, (bytes, bytearray)):
        return bytes(payload)
    if hasattr(payload, "read"):
        stream: IO[bytes] = payload
        return stream
    raise TypeError("only bytes and files are sent as they are")


def _text(payload: Any) -> Body:
    if not isinstance(payload, str):
        raise TypeError("only text is sent as text")
    return payload


BUILTIN: Iterable[Codec] = (
    Codec(
        content_type="application/json",
        serializer=json_serializer,
        deserializer=json_deserializer,
    ),
    Codec(content_type="text/csv", serializer=csv_serializer, deserializer=csv_deserializer),
    Codec(
        content_type="application/x-npy",
        serializer=npy_serializer,
        deserializer=npy_deserializer,
    ),
    Codec(
        content_type="application/octet-stream",
        serializer=Serializer("application/octet-stream", _octets),
        deserializer=bytes_deserializer,
    ),
    Codec(
        content_type="text/plain",
        serializer=Serializer("text/plain", _text),
        deserializer=string_deserializer,
    ),
)
