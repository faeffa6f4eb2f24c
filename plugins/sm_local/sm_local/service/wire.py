"""HTTP as the service sees it: requests, responses, and who is calling."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, BinaryIO
from urllib.parse import unquote, unquote_plus

import attrs

from sm_local.service.errors import ServiceError

__all__ = ["BLOCK", "Caller", "FileSlice", "Request", "Response", "StreamedBody", "blocks"]

#: Bytes that are moved between a socket and a file at a time.
BLOCK = 256 << 10
#: Bytes of a body after which it is moved in pieces of the second size: those few that are so large
#: may take more memory, to be received, hashed and stored with fewer pauses.
_LARGE = (16 << 20, 1 << 20)


@attrs.frozen(kw_only=True)
class Caller:
    """Whose key pair signed a request.

    Attributes:
        access_key_id: the key pair.
        owner: "user" for the home's main key pair, else what `Keys.issue` was told.
    """

    access_key_id: str
    owner: str

    @property
    def is_user(self) -> bool:
        """Whether this is the person at the machine, and not a job or an endpoint."""
        return self.owner == "user"


@attrs.frozen(kw_only=True)
class StreamedBody:
    """The body of a request that is read once, block by block.

    Attributes:
        stream: the bytes.
        announced: lower-case names of the headers that follow it.
        trailers: those headers, when the stream is at its end.
    """

    stream: AsyncIterator[bytes]
    announced: tuple[str, ...] = ()
    trailers: Mapping[str, str] = attrs.field(factory=dict)


@attrs.define(kw_only=True)
class Request:
    """One HTTP request; its body is a stream that can be read once.

    Attributes:
        method: upper case.
        path: percent-decoded.
        raw_path: as sent, without the query.
        query: percent-decoded pairs, in the order sent; "" where a name has no value.
        headers: by lower-case name; repeated ones joined by commas.
        stream: the body, checked while it is read: it raises `ServiceError` at its end when the
            body is not the one that was signed, and ends early never silently.
        trailers: headers that came after the body, filled when the stream is at its end.
        request_id: what the answer's request-id headers say.
    """

    method: str
    path: str
    raw_path: str
    query: list[tuple[str, str]]
    headers: Mapping[str, str]
    stream: AsyncIterator[bytes]
    trailers: dict[str, str] = attrs.field(factory=dict)
    request_id: str = ""
    _whole: bytes | None = attrs.field(default=None, alias="whole")

    @classmethod
    def from_asgi(
        cls, scope: Mapping[str, Any], stream: AsyncIterator[bytes], *, request_id: str = ""
    ) -> Request:
        """The request that an ASGI server describes; what is not UTF-8 becomes another text."""
        raw_path = scope["raw_path"].decode("latin-1")
        headers: dict[str, str] = {}
        for raw_name, raw_value in scope["headers"]:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]},{value}" if name in headers else value
        pairs = (part.partition("=") for part in scope["query_string"].decode("latin-1").split("&"))
        return cls(
            method=scope["method"],
            path=unquote(raw_path),
            raw_path=raw_path,
            query=[(unquote_plus(key), unquote_plus(value)) for key, _, value in pairs if key],
            headers=headers,
            stream=stream,
            request_id=request_id,
        )

    def argument(self, name: str) -> str | None:
        """The first value of `name` in the query, or None."""
        return next((value for key, value in self.query if key == name), None)

    @property
    def announced(self) -> tuple[str, ...]:
        """Lower-case names of the headers that ``x-amz-trailer`` says will follow the body."""
        names = self.headers.get("x-amz-trailer", "").split(",")
        return tuple(name.strip().lower() for name in names if name.strip())

    @property
    def streamed(self) -> StreamedBody:
        """The body to be read block by block."""
        return StreamedBody(stream=self.stream, announced=self.announced, trailers=self.trailers)

    async def body(self, limit: int) -> bytes:
        """The whole body.

        Args:
            limit: bytes that it may have at most.

        Raises:
            ServiceError: it is larger (413), or is not the one that was signed.
        """
        if self._whole is None:
            self._whole = await _collect(self.stream, limit)
        if len(self._whole) > limit:
            raise _too_large(limit)
        return self._whole


@attrs.frozen(kw_only=True)
class FileSlice:
    """A part of an open file as the body of a response; whoever sends it closes the file.

    Open, and not just named: the object may be replaced or deleted while it is sent.
    """

    file: BinaryIO
    offset: int
    length: int

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes, read off the event loop."""
        left = self.length
        await asyncio.to_thread(self.file.seek, self.offset)
        while left:
            block = await asyncio.to_thread(self.file.read, min(BLOCK, left))
            if not block:
                raise OSError(f"{self.file.name} ends {left} bytes early")
            left -= len(block)
            yield block


@attrs.define(kw_only=True)
class Response:
    """One HTTP response.

    Attributes:
        status: of HTTP.
        headers: without ``content-length``, which follows from the body (of an iterator: chunked,
            unless it is given here).
        body: the bytes, something that yields them, or a part of a file.
    """

    status: int = 200
    headers: dict[str, str] = attrs.field(factory=dict)
    body: bytes | AsyncIterator[bytes] | FileSlice = b""


async def blocks(stream: AsyncIterator[bytes], size: int = BLOCK) -> AsyncIterator[bytes]:
    """The same bytes in pieces of at least `size` (the last one: what is left).

    Pieces of a long stream grow.
    """
    held: list[bytes] = []
    count = moved = 0
    async for chunk in stream:
        held.append(chunk)
        count += len(chunk)
        if count >= size:
            yield b"".join(held)
            moved += count
            held, count = [], 0
            if moved >= _LARGE[0]:
                size = max(size, _LARGE[1])
    if held:
        yield b"".join(held)


async def _collect(stream: AsyncIterator[bytes], limit: int) -> bytes:
    body = bytearray()
    async for chunk in stream:
        body += chunk
        if len(body) > limit:
            raise _too_large(limit)
    return bytes(body)


def _too_large(limit: int) -> ServiceError:
    return ServiceError(
        "RequestEntityTooLargeException",
        f"the body of the request is larger than {limit} bytes",
        status=413,
    )
