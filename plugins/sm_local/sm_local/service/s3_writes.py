"""S3's operations that make or remove an object, and what uploads in parts share with them."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import closing
from datetime import datetime
from typing import Any

from sm_local.service.blobs import Blob, BlobWriter
from sm_local.service.errors import ServiceError, not_implemented
from sm_local.service.objects import Objects
from sm_local.service.s3_common import ATTRIBUTES, quoted, refuse
from sm_local.service.scalars import http_date
from sm_local.service.wire import BLOCK, blocks

__all__ = ["Writes", "attributes", "check_upload", "must_be_absent", "put_stream"]

#: What changes the meaning of an upload so much that to ignore it would be wrong.
_NOT_YET = (
    "IfMatch",
    "ObjectLockLegalHoldStatus",
    "ObjectLockMode",
    "SSECustomerAlgorithm",
    "SSECustomerKey",
    "Tagging",
    "WriteOffsetBytes",
)
_DEFAULT_TYPE = "binary/octet-stream"
_MAX_KEY_BYTES = 1024
#: Objects that one DeleteObjects names.
_MAX_DELETED = 1000


class Writes:
    """Handlers that make or remove an object in one request."""

    def __init__(self, objects: Objects) -> None:
        """Work on `objects`."""
        self._objects = objects

    async def put(self, given: dict[str, Any]) -> dict[str, Any]:
        """PutObject."""
        check_upload(given)
        bucket = given["Bucket"]
        await asyncio.to_thread(self._objects.require_bucket, bucket)
        blob = await put_stream(self._objects, given)
        checksum = await asyncio.to_thread(self._checksum, blob, given.get("ChecksumSHA256"))
        info = await asyncio.to_thread(
            self._objects.put,
            bucket,
            given["Key"],
            blob,
            absent=must_be_absent(given),
            attributes=attributes(given) | checksum,
        )
        return {"ETag": quoted(info.etag), **checksum}

    async def delete(self, given: dict[str, Any]) -> dict[str, Any]:
        """DeleteObject, which succeeds whether there was one or not."""
        refuse(given, "IfMatch", "VersionId")
        await asyncio.to_thread(self._objects.require_bucket, given["Bucket"])
        await asyncio.to_thread(self._objects.delete, given["Bucket"], given["Key"])
        return {}

    async def delete_many(self, given: dict[str, Any]) -> dict[str, Any]:
        """DeleteObjects: every key counts as deleted, whether there was an object or not."""
        await asyncio.to_thread(self._objects.require_bucket, given["Bucket"])
        wanted = given.get("Delete", {}).get("Objects", [])
        if not 1 <= len(wanted) <= _MAX_DELETED or not all("Key" in each for each in wanted):
            raise ServiceError(
                "MalformedXML",
                "The XML you provided was not well-formed or did not validate against our published"
                f" schema: it must have 1 to {_MAX_DELETED} objects, each with its key",
            )
        deleted: list[dict[str, Any]] = []
        errors: list[dict[str, Any]] = []
        for each in wanted:
            try:
                refuse(each, "VersionId", "ETag", "LastModifiedTime", "Size")
            except ServiceError as error:
                errors.append({"Key": each["Key"], "Code": error.code, "Message": error.message})
                continue
            await asyncio.to_thread(self._objects.delete, given["Bucket"], each["Key"])
            deleted.append({"Key": each["Key"]})
        if given.get("Delete", {}).get("Quiet"):
            deleted = []
        return {"Deleted": deleted, "Errors": errors}

    def _checksum(self, blob: Blob, expected: str | None) -> dict[str, str]:
        """The SHA-256 of a blob, to be kept with the object, if the client sent it.

        Raises:
            ServiceError: it is another one; nothing is left of the blob.
        """
        if expected is None:
            return {}
        digest = hashlib.sha256()
        with self._objects.blobs.path(blob.name).open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
        if base64.b64encode(digest.digest()).decode() == expected:
            return {"ChecksumSHA256": expected}
        self._objects.blobs.remove(blob.name)
        raise ServiceError(
            "BadDigest", "The SHA256 you specified did not match the calculated checksum."
        )


async def put_stream(objects: Objects, given: Mapping[str, Any]) -> Blob:
    """The body of a request as a finished blob, in constant memory.

    Args:
        objects: whose blob it is to be.
        given: the input: Body, and ContentMD5 where it is to be checked.

    Raises:
        ServiceError: the body is not what was announced; nothing is left of it.
    """
    expected = _md5(given.get("ContentMD5"))
    stream: AsyncIterator[bytes] = given["Body"]
    with closing(await asyncio.to_thread(objects.writer)) as writer:
        await _written(stream, writer)
        blob = await asyncio.to_thread(writer.finish)
    if expected is not None and blob.md5 != expected:
        await asyncio.to_thread(objects.blobs.remove, blob.name)
        raise ServiceError(
            "BadDigest",
            "The Content-MD5 you specified did not match what we received.",
            members={"ExpectedDigest": expected, "CalculatedDigest": blob.md5},
        )
    return blob


async def _written(stream: AsyncIterator[bytes], writer: BlobWriter) -> None:
    """Write all that comes; one block is hashed and written while the next one is received."""
    loop = asyncio.get_running_loop()
    writing: asyncio.Future[None] | None = None
    try:
        async for block in blocks(stream):
            if writing is not None:
                await writing
            writing = loop.run_in_executor(None, writer.write, block)
    finally:
        # Whatever happened, the writer must not be closed while a thread uses it.
        if writing is not None:
            await writing


def attributes(given: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept with the object, of the input of an upload."""
    kept = {name: given[name] for name in ATTRIBUTES if given.get(name)}
    expires = kept.get("Expires")
    if isinstance(expires, datetime):
        kept["Expires"] = http_date(expires)
    return {"ContentType": _DEFAULT_TYPE} | kept


def check_upload(given: Mapping[str, Any]) -> None:
    """Refuse what cannot be uploaded.

    Raises:
        ServiceError: KeyTooLongError, or NotImplemented for a member that S3 has.
    """
    refuse(given, *_NOT_YET)
    size = len(given["Key"].encode())
    if size > _MAX_KEY_BYTES:
        raise ServiceError(
            "KeyTooLongError",
            "Your key is too long",
            members={"Size": size, "MaxSizeAllowed": _MAX_KEY_BYTES},
        )


def must_be_absent(given: Mapping[str, Any]) -> bool:
    """Whether the upload must not replace an object.

    Raises:
        ServiceError: NotImplemented for another condition than that.
    """
    condition = given.get("IfNoneMatch")
    if condition not in (None, "*"):
        raise not_implemented("If-None-Match of an upload with anything but *")
    return condition is not None


def _md5(header: str | None) -> str | None:
    """Content-MD5 in hexadecimal."""
    if header is None:
        return None
    try:
        digest = base64.b64decode(header, validate=True)
    except binascii.Error:
        digest = b""
    if len(digest) != 16:
        raise ServiceError(
            "InvalidDigest",
            "The Content-MD5 you specified was invalid.",
            members={"Content-MD5": header},
        )
    return digest.hex()
