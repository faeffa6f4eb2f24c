"""Requests and responses, and the frames in which server and worker exchange them.

A frame is a status (0 in a request), the length of the head and that of the body, then both. The
head has a line ``name:value`` for each HTTP header, in latin-1, as HTTP has them.
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

__all__ = [
    "BODILESS",
    "CUSTOM_ATTRIBUTES",
    "Answer",
    "FrameReader",
    "Request",
    "Response",
    "request_frame",
    "response_frame",
    "text_response",
    "wait_for_request",
]

#: Header of a request or response with an opaque text for the other side.
CUSTOM_ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"

_PREFIX = struct.Struct("!HIQ")
#: Bytes of most requests and more.
_PIECE = 64 * 1024
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
#: Headers of the connection, which are not the model's to set.
_RESERVED = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})
#: Statuses whose responses end with their headers: a client takes a body for the next response.
BODILESS = (204, 304)


class Request(NamedTuple):
    """One request to ``/invocations``.

    Attributes:
        body: as it came.
        content_type: the Content-Type header; "" if there was none.
        accept: the Accept header; "" if there was none.
        headers: all of them, names in lower case; several of one name are joined by commas.
    """

    body: bytes
    content_type: str = ""
    accept: str = ""
    headers: Mapping[str, str] = _NO_HEADERS


class Response(NamedTuple):
    """What goes back.

    Attributes:
        body: as it goes.
        content_type: of the body.
        status: of HTTP.
        headers: more of them. The request's custom attributes come back unless some are here.
    """

    body: bytes
    content_type: str
    status: int = 200
    headers: Mapping[str, str] = _NO_HEADERS


def text_response(status: int, text: str) -> Response:
    """A reason, for people."""
    return Response(text.encode("utf-8", "backslashreplace"), "text/plain; charset=utf-8", status)


def request_frame(headers: Iterable[tuple[bytes, bytes]], body: bytes) -> bytes:
    """The frame of a request with the headers of an ASGI scope."""
    head = b"\n".join([b"%b:%b" % pair for pair in headers])
    return b"%b%b%b" % (_PREFIX.pack(0, len(head), len(body)), head, body)


def response_frame(response: Response) -> bytes:
    """The frame of a response.

    Raises:
        ValueError: the status or a header is none of HTTP's, or the status has no body; names it.
    """
    if not 200 <= response.status <= 599:
        raise ValueError(f"the response's status is {response.status}; it must be 200 to 599")
    if response.body and response.status in BODILESS:
        raise ValueError(f"a response with status {response.status} cannot have a body")
    headers = {"content-type": response.content_type, **response.headers}
    lines = [_checked_line(name, value) for name, value in headers.items()]
    head = "\n".join(lines).encode("latin-1")
    prefix = _PREFIX.pack(response.status, len(head), len(response.body))
    return b"%b%b%b" % (prefix, head, response.body)


@lru_cache(256)
def _checked_line(name: str, value: str) -> str:
    if not _NAME.fullmatch(name) or name.lower() in _RESERVED:
        raise ValueError(f"a response cannot have a header {name!r}")
    if not _VALUE.fullmatch(value):
        raise ValueError(
            f"the response's header {name} has characters that HTTP forbids: {value!r}"
        )
    return f"{name.lower()}:{value}"


def wait_for_request(connection: socket.socket) -> Request | None:
    """The next request, in a worker; None when the server is done with it."""
    # The server asks again only after the answer: nothing but this request can come.
    data = connection.recv(_PIECE)
    if 0 < len(data) < _PREFIX.size:
        data += _receive(connection, _PREFIX.size - len(data))
    if len(data) < _PREFIX.size:
        return None
    _, head_size, body_size = _PREFIX.unpack_from(data)
    start = _PREFIX.size + head_size
    if len(data) < start:
        data += _receive(connection, start - len(data))
    body = data[start:]
    if len(body) < body_size:
        body += _receive(connection, body_size - len(body))
    if len(body) < body_size:
        return None
    headers: dict[str, str] = {}
    for line in data[_PREFIX.size : start].decode("latin-1").split("\n"):
        name, _, value = line.partition(":")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return Request(body, headers.get("content-type", ""), headers.get("accept", ""), headers)


def _receive(connection: socket.socket, size: int) -> bytes:
    """`size` bytes; fewer at the end of the stream."""
    data = connection.recv(size, socket.MSG_WAITALL)
    while len(data) < size:
        # A signal has interrupted the wait.
        more = connection.recv(size - len(data), socket.MSG_WAITALL)
        if not more:
            break
        data += more
    return data


class Answer(NamedTuple):
    """A response as the server passes it on: status, ASGI headers, body."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class FrameReader:
    """Puts the frames of responses together from what arrives of them."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Answer | None:
        """Take what arrived; the response if that completes it."""
        self._buffer += data
        if len(self._buffer) < _PREFIX.size:
            return None
        status, head_size, body_size = _PREFIX.unpack_from(self._buffer)
        start = _PREFIX.size + head_size
        if len(self._buffer) < start + body_size:
            return None
        frame = bytes(self._buffer)
        self._buffer.clear()
        head = frame[_PREFIX.size : start]
        lines = [line.partition(b":") for line in head.split(b"\n")]
        return Answer(status, [(name, value) for name, _, value in lines], frame[start:])
