"""S3's operations on objects."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import closing
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote

from sm_local.service.blobs import Blob, BlobWriter
from sm_local.service.errors import ServiceError, not_implemented, precondition_failed
from sm_local.service.listing import ObjectInfo, Page
from sm_local.service.objects import Objects
from sm_local.service.s3_buckets import OWNER
from sm_local.service.scalars import http_date
from sm_local.service.wire import FileSlice, blocks

__all__ = ["Downloads", "Listings", "Writes", "attributes", "put_stream", "quoted"]

#: What is kept with an object and comes back with it.
_ATTRIBUTES = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "Expires",
    "Metadata",
    "WebsiteRedirectLocation",
)
#: What changes the meaning of a request so much that to ignore it would be wrong.
_REFUSED = (
    "GrantWriteACP",
    "IfMatch",
    "ObjectLockLegalHoldStatus",
    "ObjectLockMode",
    "PartNumber",
    "SSECustomerAlgorithm",
    "SSECustomerKey",
    "Tagging",
    "WriteOffsetBytes",
)
_DEFAULT_TYPE = "binary/octet-stream"
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_MAX_KEYS = 1000


class Downloads:
    """Handlers that read an object."""

    def __init__(self, objects: Objects) -> None:
        """Work on `objects`."""
        self._objects = objects

    async def get(self, given: dict[str, Any]) -> dict[str, Any]:
        """GetObject."""
        _refuse(given, "PartNumber", "SSECustomerKey", "VersionId")
        info, file = await asyncio.to_thread(self._objects.open, given["Bucket"], given["Key"])
        try:
            output, start, length = _described(info, given)
        except BaseException:
            file.close()
            raise
        return output | {"Body": FileSlice(file=file, offset=start, length=length)}

    async def head(self, given: dict[str, Any]) -> dict[str, Any]:
        """HeadObject."""
        _refuse(given, "PartNumber", "SSECustomerKey", "VersionId")
        info = await asyncio.to_thread(self._objects.require, given["Bucket"], given["Key"])
        # A range means nothing where no bytes are sent (RFC 9110, section 14.2).
        output, _, _ = _described(info, {**given, "Range": None})
        return output


class Writes:
    """Handlers that make or remove an object in one request."""

    def __init__(self, objects: Objects) -> None:
        """Work on `objects`."""
        self._objects = objects

    async def put(self, given: dict[str, Any]) -> dict[str, Any]:
        """PutObject."""
        _refuse(given, *_REFUSED)
        bucket = given["Bucket"]
        await asyncio.to_thread(self._objects.require_bucket, bucket)
        blob = await put_stream(self._objects, given)
        info = await asyncio.to_thread(
            self._objects.put,
            bucket,
            given["Key"],
            blob,
            absent=must_be_absent(given),
            attributes=attributes(given),
        )
        return {"ETag": quoted(info.etag)}

    async def delete(self, given: dict[str, Any]) -> dict[str, Any]:
        """DeleteObject, which succeeds whether there was one or not."""
        _refuse(given, "IfMatch", "VersionId")
        await asyncio.to_thread(self._objects.require_bucket, given["Bucket"])
        await asyncio.to_thread(self._objects.delete, given["Bucket"], given["Key"])
        return {}


class Listings:
    """Handlers that list a bucket."""

    def __init__(self, objects: Objects) -> None:
        """Work on `objects`."""
        self._objects = objects

    async def list(self, given: dict[str, Any]) -> dict[str, Any]:
        """ListObjectsV2."""
        limit = min(given.get("MaxKeys", _MAX_KEYS), _MAX_KEYS)
        if limit < 0:
            raise _invalid("max-keys", limit, "it must not be negative")
        token = given.get("ContinuationToken")
        page = await asyncio.to_thread(
            self._objects.page,
            given["Bucket"],
            prefix=given.get("Prefix", ""),
            delimiter=given.get("Delimiter", ""),
            after=given.get("StartAfter") if token is None else _from_token(token),
            limit=limit,
        )
        return _listed(page, given, limit)


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
    kept = {name: given[name] for name in _ATTRIBUTES if given.get(name)}
    expires = kept.get("Expires")
    if isinstance(expires, datetime):
        kept["Expires"] = http_date(expires)
    return {"ContentType": _DEFAULT_TYPE} | kept


def must_be_absent(given: Mapping[str, Any]) -> bool:
    """Whether the upload must not replace an object.

    Raises:
        ServiceError: NotImplemented for another condition than that.
    """
    condition = given.get("IfNoneMatch")
    if condition not in (None, "*"):
        raise not_implemented("If-None-Match of an upload with anything but *")
    return condition is not None


def quoted(etag: str) -> str:
    """An ETag as it stands in headers and XML."""
    return f'"{etag}"'


def _refuse(given: Mapping[str, Any], *members: str) -> None:
    """Raises: ServiceError: NotImplemented, naming the first of `members` that is given."""
    for name in members:
        # "null" is the version of every object in a bucket without versions.
        if given.get(name) and (name, given[name]) != ("VersionId", "null"):
            raise not_implemented(f"S3's {name}")


def _described(info: ObjectInfo, given: Mapping[str, Any]) -> tuple[dict[str, Any], int, int]:
    """(members of the output, offset, length) of what is asked for."""
    _check_conditions(info, given)
    start, length = _range(given.get("Range"), info.size)
    output: dict[str, Any] = {
        **info.attributes,
        "AcceptRanges": "bytes",
        "ContentLength": length,
        "ETag": quoted(info.etag),
        "LastModified": _time(info),
    }
    if length < info.size:
        output["ContentRange"] = f"bytes {start}-{start + length - 1}/{info.size}"
    for name in _ATTRIBUTES:
        if f"Response{name}" in given:
            output[name] = given[f"Response{name}"]
    return output, start, length


def _check_conditions(info: ObjectInfo, given: Mapping[str, Any]) -> None:
    """RFC 9110, section 13.2.2."""
    modified = _time(info).replace(microsecond=0)
    if "IfMatch" in given:
        if not _matches(info, given["IfMatch"]):
            raise precondition_failed("If-Match")
    elif "IfUnmodifiedSince" in given and modified > given["IfUnmodifiedSince"]:
        raise precondition_failed("If-Unmodified-Since")
    if "IfNoneMatch" in given:
        unchanged = _matches(info, given["IfNoneMatch"])
    else:
        unchanged = "IfModifiedSince" in given and modified <= given["IfModifiedSince"]
    if unchanged:
        raise ServiceError("NotModified", "Not Modified", status=304)


def _matches(info: ObjectInfo, condition: str) -> bool:
    tags = [tag.strip().removeprefix("W/").strip('"') for tag in condition.split(",")]
    return "*" in tags or info.etag in tags


def _range(header: str | None, size: int) -> tuple[int, int]:
    """(offset, length); a header of another form than one range counts for nothing, as in S3."""
    match = _RANGE.fullmatch(header or "")
    if match is None or match.groups() == ("", ""):
        return 0, size
    first, last = match.groups()
    if not first:
        start, end = max(size - int(last), 0), size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return 0, size
    if start >= end:
        raise ServiceError(
            "InvalidRange",
            "The requested range is not satisfiable",
            status=416,
            members={"RangeRequested": header, "ActualObjectSize": size},
        )
    return start, end - start


def _listed(page: Page, given: Mapping[str, Any], limit: int) -> dict[str, Any]:
    def shown(text: str | None) -> str | None:
        if text is None or given.get("EncodingType") != "url":
            return text
        return quote(text, safe="/")

    truncated = page.last is not None and limit > 0
    return {
        "Name": given["Bucket"],
        "Prefix": shown(given.get("Prefix", "")),
        "Delimiter": shown(given.get("Delimiter")),
        "StartAfter": shown(given.get("StartAfter")),
        "EncodingType": given.get("EncodingType"),
        "ContinuationToken": given.get("ContinuationToken"),
        "MaxKeys": limit,
        "KeyCount": len(page.objects) + len(page.prefixes),
        "IsTruncated": truncated,
        "NextContinuationToken": _to_token(page.last) if truncated and page.last else None,
        "Contents": [
            {
                "Key": shown(info.key),
                "LastModified": _time(info),
                "ETag": quoted(info.etag),
                "Size": info.size,
                "StorageClass": "STANDARD",
                "Owner": OWNER if given.get("FetchOwner") else None,
            }
            for info in page.objects
        ],
        "CommonPrefixes": [{"Prefix": shown(prefix)} for prefix in page.prefixes],
    }


def _to_token(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode("ascii")


def _from_token(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise _invalid(
            "continuation-token", token, "The continuation token provided is incorrect"
        ) from error


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


def _time(info: ObjectInfo) -> datetime:
    return datetime.fromtimestamp(info.modified, timezone.utc)


def _invalid(name: str, value: object, reason: str) -> ServiceError:
    return ServiceError(
        "InvalidArgument", reason, members={"ArgumentName": name, "ArgumentValue": value}
    )
