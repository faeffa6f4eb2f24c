"""Bodies in chunks (``aws-chunked``), signed or not, with or without trailing headers.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html have the format::

    <size in hexadecimal>[;chunk-signature=<64 digits>] CRLF <bytes> CRLF    any number of times
    0[;chunk-signature=<64 digits>] CRLF
    [<name>:<value> CRLF ...]                                                with trailers
    [x-amz-trailer-signature:<64 digits> CRLF]                               where they are signed
    CRLF
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Collection, MutableMapping

import attrs

from sm_local.service.errors import ServiceError

__all__ = ["STREAMING", "ChunkSigner", "Decoder"]

#: What ``x-amz-content-sha256`` says of such a body: (chunks are signed, there are trailers).
STREAMING = {
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD": (True, False),
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER": (True, True),
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER": (False, True),
}

_EMPTY = hashlib.sha256().hexdigest()
_SIZE = re.compile(rb"([0-9a-fA-F]{1,16})(?:;chunk-signature=([0-9a-f]{64}))?")
_TRAILER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,256})[ \t]*:[ \t]*([\x20-\x7e\t]*)")
_SIGNATURE = "x-amz-trailer-signature"
#: Bytes that a line of the framing may have, and how many trailers there may be.
_MAX_LINE = 4096
_MAX_TRAILERS = 32


@attrs.define
class ChunkSigner:
    """The chain of signatures that begins with that of the request's headers.

    Attributes:
        key: the signing key of the request's scope.
        date: of the request, ``YYYYMMDDTHHMMSSZ``.
        scope: of the request's credential.
        last: the signature before, in hexadecimal.
    """

    key: bytes
    date: str
    scope: str
    last: str

    def chunk(self, digest: str) -> str:
        """The signature of the next chunk, whose SHA-256 is `digest`."""
        return self._next("AWS4-HMAC-SHA256-PAYLOAD", _EMPTY, digest)

    def trailer(self, text: str) -> str:
        """The signature of the trailers: ``name:value`` and a line feed for each."""
        digest = hashlib.sha256(text.encode("latin-1")).hexdigest()
        return self._next("AWS4-HMAC-SHA256-TRAILER", digest)

    def _next(self, kind: str, *digests: str) -> str:
        text = "\n".join([kind, self.date, self.scope, self.last, *digests])
        self.last = hmac.digest(self.key, text.encode("latin-1"), "sha256").hex()
        return self.last


class Decoder:
    """The bytes of a body in chunks, in constant memory however large a chunk is."""

    def __init__(
        self,
        stream: AsyncIterator[bytes],
        *,
        size: int,
        signer: ChunkSigner | None,
        announced: Collection[str],
        trailers: MutableMapping[str, str],
    ) -> None:
        """Decode `stream`.

        Args:
            stream: the body as it was sent.
            size: bytes that there are to be, without the framing.
            signer: of the chunks; None where they are not signed.
            announced: lower-case names of the trailers that must come.
            trailers: filled when the end is reached.
        """
        self._stream = stream
        self._size = size
        self._signer = signer
        self._announced = frozenset(announced)
        self._trailers = trailers
        self._held = bytearray()

    async def blocks(self) -> AsyncIterator[bytes]:
        """The bytes as they come; who uses them before the end uses what nobody vouches for yet.

        Raises:
            ServiceError: SignatureDoesNotMatch, IncompleteBody, MalformedTrailerError, or
                InvalidRequest for what is no such body.
        """
        left = self._size
        while True:
            size, signature = await self._head()
            if size > left:
                raise _incomplete(f"more bytes than x-amz-decoded-content-length, {self._size}")
            left -= size
            digest = hashlib.sha256()
            async for block in self._bytes(size):
                if self._signer is not None:
                    digest.update(block)
                yield block
            self._check(signature, digest.hexdigest())
            if not size:
                break
            await self._end_of_chunk()
        if left:
            raise _incomplete(f"{left} bytes less than x-amz-decoded-content-length, {self._size}")
        await self._trailing()

    async def _head(self) -> tuple[int, str | None]:
        line = await self._line()
        match = _SIZE.fullmatch(line)
        if match is None or (match[2] is not None) != (self._signer is not None):
            kind = "hexadecimal size" + (";chunk-signature=…" if self._signer else "")
            raise _malformed(f"a chunk begins with {line[:80]!r} instead of {kind}")
        return int(match[1], 16), None if match[2] is None else match[2].decode("ascii")

    async def _bytes(self, size: int) -> AsyncIterator[bytes]:
        while size:
            if not self._held:
                await self._more()
            block = bytes(self._held[:size])
            del self._held[:size]
            size -= len(block)
            yield block

    async def _end_of_chunk(self) -> None:
        while len(self._held) < 2:
            await self._more()
        if self._held[:2] != b"\r\n":
            raise _malformed("the bytes of a chunk are not followed by CR LF")
        del self._held[:2]

    async def _trailing(self) -> None:
        found: dict[str, str] = {}
        signature: str | None = None
        while line := await self._line():
            match = _TRAILER.fullmatch(line.decode("latin-1"))
            if match is None or signature is not None or len(found) >= _MAX_TRAILERS:
                raise _malformed_trailer()
            name, value = match[1].lower(), match[2].strip()
            if name == _SIGNATURE:
                signature = value
            elif name in found or name not in self._announced:
                raise _malformed_trailer()
            else:
                found[name] = value
        if self._held or await anext(self._stream, None) is not None:
            raise _malformed("there are bytes after the last chunk")
        if found.keys() != self._announced:
            raise _malformed_trailer()
        if self._signer is not None and self._announced:
            text = "".join(f"{name}:{found[name]}\n" for name in sorted(found))
            if not hmac.compare_digest(self._signer.trailer(text), signature or ""):
                raise _wrong_signature()
        self._trailers.update(found)

    def _check(self, signature: str | None, digest: str) -> None:
        if self._signer is None:
            return
        if not hmac.compare_digest(self._signer.chunk(digest), signature or ""):
            raise _wrong_signature()

    async def _line(self) -> bytes:
        searched = 0
        while (end := self._held.find(b"\r\n", searched)) < 0:
            if len(self._held) > _MAX_LINE:
                raise _malformed(f"a line of the framing is longer than {_MAX_LINE} bytes")
            searched = max(len(self._held) - 1, 0)
            await self._more()
        if end > _MAX_LINE:
            raise _malformed(f"a line of the framing is longer than {_MAX_LINE} bytes")
        line = bytes(self._held[:end])
        del self._held[: end + 2]
        return line

    async def _more(self) -> None:
        received = await anext(self._stream, None)
        if received is None:
            raise _incomplete("it ends in the midst of a chunk or before the last one")
        self._held += received


def _incomplete(what: str) -> ServiceError:
    return ServiceError(
        "IncompleteBody",
        f"The request body terminated unexpectedly or has another length than announced: {what}",
    )


def _malformed(what: str) -> ServiceError:
    return ServiceError("InvalidRequest", f"The body is not in the form aws-chunked: {what}")


def _malformed_trailer() -> ServiceError:
    return ServiceError(
        "MalformedTrailerError",
        "The request contained trailing data that was not well-formed or did not conform to our"
        " published schema: the trailers must be those that x-amz-trailer announces, each once",
    )


def _wrong_signature() -> ServiceError:
    return ServiceError(
        "SignatureDoesNotMatch",
        "The signature we calculated for a chunk or the trailers of the body does not match the"
        " one provided. Check your AWS Secret Access Key and signing method.",
        status=403,
    )
