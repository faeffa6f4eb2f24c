"""Bodies of uploads to S3: received in constant memory and compared with their checksums.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import closing
from typing import Any

import attrs

from sm_local.service.blobs import Blob, BlobWriter
from sm_local.service.checksums import (
    ALGORITHMS,
    Checksum,
    Running,
    algorithm,
    bad_digest,
    invalid_value,
    value_of,
)
from sm_local.service.errors import ServiceError
from sm_local.service.objects import Objects
from sm_local.service.partchecksums import Plan
from sm_local.service.wire import Request, StreamedBody, blocks

__all__ = ["Received", "check_document", "given_checksum", "receive"]

_PREFIX = "x-amz-checksum-"
#: Of a document in XML: as much as its reader takes.
_MAX_DOCUMENT = 8 << 20


@attrs.frozen(kw_only=True)
class Received:
    """A body that has come whole.

    Attributes:
        blob: with its bytes.
        checksum: of which the client, or the upload in parts, wants it; None for none.
        value: in base64, checked where the client sent one; None for no checksum.
    """

    blob: Blob
    checksum: Checksum | None = None
    value: str | None = None

    @property
    def members(self) -> dict[str, str]:
        """Of the output: the checksum, if there is one."""
        if self.checksum is None or self.value is None:
            return {}
        return {self.checksum.member: self.value}


@attrs.frozen(kw_only=True)
class _Expected:
    """What a body is compared with: a header, or one that follows the body."""

    checksum: Checksum
    value: str | None
    trailers: Mapping[str, str]

    def compare(self, running: Running) -> str:
        """The value in base64.

        Raises:
            ServiceError: BadDigest, or InvalidRequest for a trailer that is none.
        """
        value = base64.b64encode(running.digest()).decode()
        trailer = self.trailers.get(self.checksum.header)
        wanted = self.value if trailer is None else value_of(self.checksum, trailer)
        if wanted not in (None, value):
            raise bad_digest(self.checksum)
        return value


async def receive(
    objects: Objects, given: Mapping[str, Any], *, plan: Plan | None = None
) -> Received:
    """The body of an upload as a finished blob.

    Args:
        objects: whose blob it is to be.
        given: the input: Body; ContentMD5 and a checksum where it is to be compared.
        plan: of the upload that it is a part of, for which its checksum is reckoned even if the
            client sent none.

    Raises:
        ServiceError: the body is not what was announced; nothing is left of it.
    """
    expected_md5 = _md5(given.get("ContentMD5"))
    body: StreamedBody = given["Body"]
    expected = _expected(given, body)
    if plan is not None:
        plan.check_part(None if expected is None else expected.checksum)
        expected = expected or _Expected(checksum=plan.checksum, value=None, trailers={})
    running = None if expected is None else expected.checksum.start()
    with closing(await asyncio.to_thread(objects.writer, running)) as writer:
        await _written(body.stream, writer)
        if expected_md5 not in (None, writer.md5):
            raise _bad_md5(expected_md5, writer.md5)
        if expected is None or running is None:
            return Received(blob=await asyncio.to_thread(writer.finish))
        value = expected.compare(running)
        blob = await asyncio.to_thread(writer.finish)
        return Received(blob=blob, checksum=expected.checksum, value=value)


def given_checksum(given: Mapping[str, Any]) -> tuple[Checksum, str] | None:
    """The checksum that an input has in its headers, as (which, value).

    Raises:
        ServiceError: InvalidRequest for several or for what is none; NotImplemented for one that
            only AWS has.
    """
    found = [
        (algorithm(name.removeprefix("Checksum")), text)
        for name, text in given.items()
        if name.startswith("Checksum") and name not in ("ChecksumAlgorithm", "ChecksumType")
    ]
    if len(found) > 1:
        raise ServiceError(
            "InvalidRequest",
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
        )
    return found[0] if found else None


async def check_document(request: Request) -> None:
    """Compare a body of XML with Content-MD5 and the checksum in the headers.

    Raises:
        ServiceError: BadDigest, InvalidDigest or InvalidRequest.
    """
    body = await request.body(_MAX_DOCUMENT)
    wanted_md5 = _md5(request.headers.get("content-md5"))
    found_md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
    if wanted_md5 not in (None, found_md5):
        raise _bad_md5(wanted_md5, found_md5)
    for checksum in ALGORITHMS.values():
        text = request.headers.get(checksum.header) or request.trailers.get(checksum.header)
        if text is not None:
            running = checksum.start()
            running.update(body)
            if value_of(checksum, text) != base64.b64encode(running.digest()).decode():
                raise bad_digest(checksum)


def _expected(given: Mapping[str, Any], body: StreamedBody) -> _Expected | None:
    named = given.get("ChecksumAlgorithm")
    found = given_checksum(given)
    trailing = _trailing(body)
    if found is not None and trailing is not None:
        raise ServiceError(
            "InvalidRequest",
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
        )
    if named is not None and found is None and trailing is None:
        raise ServiceError(
            "InvalidRequest",
            "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or"
            " x-amz-trailer headers were found.",
        )
    if found is None and trailing is None:
        return None
    checksum = found[0] if found is not None else trailing
    assert checksum is not None
    if named is not None and algorithm(named) is not checksum:
        raise invalid_value("x-amz-sdk-checksum-algorithm")
    value = None if found is None else value_of(checksum, found[1])
    return _Expected(checksum=checksum, value=value, trailers=body.trailers)


def _trailing(body: StreamedBody) -> Checksum | None:
    """The checksum that is to follow the body."""
    if any(not name.startswith(_PREFIX) for name in body.announced):
        raise ServiceError(
            "InvalidRequest", "The value specified in the x-amz-trailer header is not supported"
        )
    if len(body.announced) > 1:
        raise ServiceError(
            "InvalidRequest",
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
        )
    return algorithm(body.announced[0].removeprefix(_PREFIX)) if body.announced else None


async def _written(stream: AsyncIterator[bytes], writer: BlobWriter) -> None:
    """Write all that comes: a block is hashed, and stored, while the next one is received."""
    loop = asyncio.get_running_loop()
    writing: asyncio.Future[list[None]] | None = None
    try:
        async for block in blocks(stream):
            if writing is not None:
                await writing
            halves = (writer.hash, writer.store)
            writing = asyncio.gather(*(loop.run_in_executor(None, half, block) for half in halves))
    finally:
        # Whatever happened, the writer must not be closed while a thread uses it.
        if writing is not None:
            await writing


def _md5(header: str | None) -> str | None:
    """Content-MD5 in hexadecimal."""
    if header is None:
        return None
    try:
        digest = base64.b64decode(header, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != 16:
        raise ServiceError(
            "InvalidDigest",
            "The Content-MD5 you specified was invalid.",
            members={"Content-MD5": header},
        )
    return digest.hex()


def _bad_md5(expected: str | None, calculated: str) -> ServiceError:
    return ServiceError(
        "BadDigest",
        "The Content-MD5 you specified did not match what we received.",
        members={"ExpectedDigest": expected, "CalculatedDigest": calculated},
    )
