"""S3's operations that copy what is there: CopyObject and UploadPartCopy."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime, timezone
from typing import Any
from urllib.parse import unquote

from sm_local.service.blobs import Blob
from sm_local.service.errors import ServiceError, not_implemented, precondition_failed
from sm_local.service.listing import ObjectInfo
from sm_local.service.objects import Objects
from sm_local.service.s3_common import modified, quoted, refuse
from sm_local.service.s3_writes import attributes, check_upload, must_be_absent
from sm_local.service.uploads import MAX_PART_NUMBER, Uploads
from sm_local.service.wire import BLOCK, Request

__all__ = ["Copies", "source_bucket"]

_RANGE = re.compile(r"bytes=(\d+)-(\d+)")
_SOURCE_VERSION = re.compile(r"\?versionId=(.*)", re.DOTALL)


class Copies:
    """Handlers: members of the input in, members of the output out."""

    def __init__(self, objects: Objects, uploads: Uploads) -> None:
        """Copy among `objects`, and into `uploads`."""
        self._objects = objects
        self._uploads = uploads

    async def copy(self, given: dict[str, Any]) -> dict[str, Any]:
        """CopyObject."""
        refuse(given, "CopySourceSSECustomerKey")
        if given.get("TaggingDirective") == "REPLACE":
            raise not_implemented("S3's TaggingDirective REPLACE")
        check_upload(given)
        await asyncio.to_thread(self._objects.require_bucket, given["Bucket"])
        info = await asyncio.to_thread(self._copy, given)
        return {"CopyObjectResult": {"ETag": quoted(info.etag), "LastModified": modified(info)}}

    async def copy_part(self, given: dict[str, Any]) -> dict[str, Any]:
        """UploadPartCopy."""
        refuse(given, "CopySourceSSECustomerKey", "SSECustomerKey")
        number = given["PartNumber"]
        if not 1 <= number <= MAX_PART_NUMBER:
            raise ServiceError(
                "InvalidArgument",
                f"Part number must be an integer between 1 and {MAX_PART_NUMBER}, inclusive",
                members={"ArgumentName": "partNumber", "ArgumentValue": number},
            )
        blob = await asyncio.to_thread(self._copy_part, given)
        now = datetime.now(timezone.utc)
        return {"CopyPartResult": {"ETag": quoted(blob.md5), "LastModified": now}}

    def _copy(self, given: Mapping[str, Any]) -> ObjectInfo:
        bucket, key = _source(given["CopySource"])
        replace = given.get("MetadataDirective") == "REPLACE"
        if (bucket, key) == (given["Bucket"], given["Key"]) and not replace:
            raise ServiceError(
                "InvalidRequest",
                "This copy request is illegal because it is trying to copy an object to itself"
                " without changing the object's metadata, storage class, website redirect location"
                " or encryption attributes.",
            )
        source, blob = self._bytes(given, None)
        kept = attributes(given) if replace else dict(source.attributes)
        if replace and "ChecksumSHA256" in source.attributes:
            kept["ChecksumSHA256"] = source.attributes["ChecksumSHA256"]
        return self._objects.put(
            given["Bucket"], given["Key"], blob, absent=must_be_absent(given), attributes=kept
        )

    def _copy_part(self, given: Mapping[str, Any]) -> Blob:
        bucket, key, identifier = given["Bucket"], given["Key"], given["UploadId"]
        self._uploads.require(bucket, key, identifier)
        _, blob = self._bytes(given, given.get("CopySourceRange"))
        self._uploads.put_part(bucket, key, identifier, number=given["PartNumber"], blob=blob)
        return blob

    def _bytes(self, given: Mapping[str, Any], wanted: str | None) -> tuple[ObjectInfo, Blob]:
        """The source, and a blob with its bytes, or with those of a range of them."""
        bucket, key = _source(given["CopySource"])
        info, file = self._objects.open(bucket, key)
        with file, closing(self._objects.writer()) as writer:
            _check_conditions(info, given)
            start, end = _range(wanted, info.size)
            file.seek(start)
            left = end - start
            # Through memory, not in the kernel: the copy's ETag is the MD5 of its bytes.
            while left:
                block = file.read(min(BLOCK, left))
                if not block:
                    raise OSError(f"{file.name} ends {left} bytes early")
                writer.write(block)
                left -= len(block)
            return info, writer.finish()


def source_bucket(request: Request) -> str | None:
    """The bucket that a request copies from, or None."""
    header = request.headers.get("x-amz-copy-source")
    return None if header is None else unquote(header).removeprefix("/").partition("/")[0]


def _source(header: str) -> tuple[str, str]:
    """Bucket and key of a copy's source: ``bucket/key``, percent-encoded."""
    path, _, query = header.partition("?")
    bucket, _, key = unquote(path).removeprefix("/").partition("/")
    version = _SOURCE_VERSION.fullmatch(f"?{query}")
    if version is not None and version[1] != "null":
        raise not_implemented("S3's versions of objects")
    if not bucket or not key:
        raise ServiceError(
            "InvalidArgument",
            "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
            members={"ArgumentName": "x-amz-copy-source", "ArgumentValue": header},
        )
    return bucket, key


def _check_conditions(info: ObjectInfo, given: Mapping[str, Any]) -> None:
    changed = modified(info).replace(microsecond=0)
    if "CopySourceIfMatch" in given:
        if not _matches(info, given["CopySourceIfMatch"]):
            raise precondition_failed("x-amz-copy-source-If-Match")
    elif changed > given.get("CopySourceIfUnmodifiedSince", changed):
        raise precondition_failed("x-amz-copy-source-If-Unmodified-Since")
    if "CopySourceIfNoneMatch" in given:
        if _matches(info, given["CopySourceIfNoneMatch"]):
            raise precondition_failed("x-amz-copy-source-If-None-Match")
    elif "CopySourceIfModifiedSince" in given and changed <= given["CopySourceIfModifiedSince"]:
        raise precondition_failed("x-amz-copy-source-If-Modified-Since")


def _matches(info: ObjectInfo, condition: str) -> bool:
    tags = [tag.strip().removeprefix("W/").strip('"') for tag in condition.split(",")]
    return "*" in tags or info.etag in tags


def _range(header: str | None, size: int) -> tuple[int, int]:
    """(begin, end) of the bytes to copy."""
    if header is None:
        return 0, size
    match = _RANGE.fullmatch(header)
    if match is None or int(match[1]) > int(match[2]) or int(match[2]) >= size:
        raise ServiceError(
            "InvalidArgument",
            "The x-amz-copy-source-range value must be of the form bytes=first-last where"
            " first and last are the zero-based offsets of the first and last bytes to copy; the"
            f" source has {size}",
            members={"ArgumentName": "x-amz-copy-source-range", "ArgumentValue": header},
        )
    return int(match[1]), int(match[2]) + 1
