"""Codecs, keyed by content type: how values become request bodies, and responses values.

A *serializer* is a callable of one payload that returns the request body, with an attribute
``content_type``; a *deserializer* is a callable ``(body, content_type)`` that returns a Python
value, with an attribute ``accept``. A `Codec` joins one of each for a content type. The built-in
ones stand in ``sm_core/formats.py``.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from email.message import Message
from functools import cache
from typing import IO, TYPE_CHECKING, Any

import attrs

from sm_core.errors import CodecError

if TYPE_CHECKING:
    from sm_core.plugins import PluginManager

__all__ = [
    "Body",
    "Codec",
    "Deserializer",
    "Serializer",
    "charset",
    "codec_for",
    "decode_by_content_type",
    "find_codec",
    "media_type",
]

Body = bytes | str | IO[bytes]

#: What encoding raises for a payload that has no form, contains itself, or is too large when dense.
_UNENCODABLE = (ValueError, TypeError, OverflowError, MemoryError, RecursionError, csv.Error)
#: What decoding raises for bytes that are no text, a charset that there is not, a list nested
#: without end, an array that cannot be.
_UNDECODABLE = (ValueError, LookupError, TypeError, csv.Error, MemoryError, RecursionError)


@attrs.frozen
class Serializer:
    """Makes a request body of a payload, by the function `encode`.

    Bytes and files are taken as encoded already.

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
        if isinstance(payload, (bytes, bytearray, memoryview)):
            return bytes(payload)
        if hasattr(payload, "read"):
            stream: IO[bytes] = payload
            return stream
        try:
            return self._encode(payload)
        except _UNENCODABLE as error:
            raise CodecError(
                f"a {type(payload).__name__} cannot be sent as {self.content_type}: {error}"
            ) from error


@attrs.frozen
class Deserializer:
    """Makes a Python value of a response, by the function `decode` of body and content type.

    Attributes:
        accept: content type to ask the endpoint for; None to ask for none.
    """

    accept: str | None
    _decode: Callable[[IO[bytes], str], Any]

    def __call__(self, body: IO[bytes], content_type: str = "") -> Any:
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
        aliases: other content types of the same format.
        array_deserializer: makes what a model takes, arrays say, of a container's requests; None
            where `deserializer` does.
    """

    content_type: str
    serializer: Serializer
    deserializer: Deserializer
    aliases: tuple[str, ...] = ()
    array_deserializer: Deserializer | None = None


def media_type(content_type: str) -> str:
    """The media type in the header `content_type`, without parameters, lower case."""
    return content_type.partition(";")[0].strip().lower()


def charset(content_type: str) -> str:
    """The charset that the header `content_type` names, lower case; UTF-8 where it names none."""
    header = Message()
    header["Content-Type"] = content_type
    return header.get_content_charset("utf-8")


def find_codec(content_type: str) -> Codec | None:
    """The codec of `content_type`, or None. What ends in ``+json`` (RFC 6839) is JSON."""
    name = media_type(content_type)
    codecs = _registry()
    return codecs.get(name) or (codecs["application/json"] if name.endswith("+json") else None)


def codec_for(content_type: str) -> Codec:
    """The codec of `content_type`.

    Raises:
        CodecError: no plugin brings one; names those there are.
    """
    codec = find_codec(content_type)
    if codec is None:
        known = ", ".join(sorted({codec.content_type for codec in _registry().values()}))
        raise CodecError(
            f"there is no codec for content type {content_type!r}; there are: {known}. "
            "Give a serializer and a deserializer, for example sm_core.bytes_deserializer"
        )
    return codec


def decode_by_content_type(body: IO[bytes], content_type: str) -> Any:
    """Decode the response `body` by its own `content_type`; one without a type is bytes.

    Raises:
        CodecError: there is no codec for it, or the body is not valid.
    """
    return codec_for(content_type or "application/octet-stream").deserializer(body, content_type)


def _registry() -> dict[str, Codec]:
    from sm_core.plugins import client_plugins

    return _collected(client_plugins())


@cache
def _collected(plugins: PluginManager) -> dict[str, Codec]:
    # The core's own come first, so that those of plugins win.
    return {
        media_type(name): codec
        for _, codec in plugins.collect("sm_codecs", Codec)
        for name in (*codec.aliases, codec.content_type)
    }
