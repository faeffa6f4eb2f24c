"""S3's operations that copy what is there: CopyObject and UploadPartCopy."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import datetime, timezone
from typing import Any, BinaryIO
from urllib.parse import unquote

import attrs

from sm_local.service.blobs import Blob
from sm_local.service.checksums import (
    ALGORITHMS,
    FULL_OBJECT,
    KEPT,
    Checksum,
    Running,
    algorithm,
)
from sm_local.service.conditions import Condition, matches
from sm_local.service.errors import ServiceError, not_implemented, precondition_failed
from sm_local.service.listing import ObjectInfo
from sm_local.service.objects import Objects
from sm_local.service.partchecksums import Plan
from sm_local.service.s3_common import (
    TAGS,
    checksum_of,
    modified,
    part_number,
    quoted,
    refuse,
)
from sm_local.service.s3_writes import attributes, check_upload
from sm_local.service.uploads import Uploads
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
        check_upload(given)
        await asyncio.to_thread(self._objects.require_bucket, given["Bucket"])
        info = await asyncio.to_thread(self._copy, given)
        told = {"ETag": quoted(info.etag), "LastModified": modified(info), **checksum_of(info)}
        return {"CopyObjectResult": told}

    async def copy_part(self, given: dict[str, Any]) -> dict[str, Any]:
        """UploadPartCopy."""
        refuse(given, "CopySourceSSECustomerKey", "SSECustomerKey")
        part_number(given)
        blob, told = await asyncio.to_thread(self._copy_part, given)
        now = datetime.now(timezone.utc)
        return {"CopyPartResult": {"ETag": quoted(blob.md5), "LastModified": now, **told}}

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
        given_attributes, condition = attributes(given), Condition.of(given)
        asked = given.get("ChecksumAlgorithm")
        copied = self._bytes(
            given, None, lambda source: _checksum(source, None if asked is None else str(asked))
        )
        kept = given_attributes if replace else _without_checksum(copied.source)
        anew = given.get("TaggingDirective") == "REPLACE"
        tags = (given_attributes if anew else copied.source.attributes).get(TAGS)
        kept = {name: value for name, value in kept.items() if name != TAGS}
        if tags:
            kept[TAGS] = tags
        if copied.told:
            kept = {**kept, **copied.told, "ChecksumType": FULL_OBJECT}
        return self._objects.put(
            given["Bucket"], given["Key"], copied.blob, condition=condition, attributes=kept
        )

    def _copy_part(self, given: Mapping[str, Any]) -> tuple[Blob, dict[str, str]]:
        bucket, key, identifier = given["Bucket"], given["Key"], given["UploadId"]
        plan = Plan.of(self._uploads.require(bucket, key, identifier))
        checksum = None if plan is None else plan.checksum
        copied = self._bytes(given, given.get("CopySourceRange"), lambda _: checksum)
        self._uploads.put_part(
            bucket,
            key,
            identifier,
            number=given["PartNumber"],
            blob=copied.blob,
            checksum=None if checksum is None else copied.told[checksum.member],
        )
        return copied.blob, copied.told

    def _bytes(
        self,
        given: Mapping[str, Any],
        wanted: str | None,
        choose: Callable[[ObjectInfo], Checksum | None],
    ) -> _Copied:
        """The source, and a blob with its bytes, or with those of a range of them."""
        bucket, key = _source(given["CopySource"])
        info, file = self._objects.open(bucket, key)
        with file:
            _check_conditions(info, given)
            checksum = choose(info)
            running = None if checksum is None else checksum.start()
            blob = self._copied(file, _range(wanted, info.size), running)
        told: dict[str, str] = {}
        if checksum is not None and running is not None:
            told[checksum.member] = base64.b64encode(running.digest()).decode()
        return _Copied(source=info, blob=blob, told=told)

    def _copied(self, file: BinaryIO, part: tuple[int, int], running: Running | None) -> Blob:
        start, end = part
        with closing(self._objects.writer(running)) as writer:
            file.seek(start)
            left = end - start
            # Through memory, not in the kernel: the copy's ETag is the MD5 of its bytes.
            while left:
                block = file.read(min(BLOCK, left))
                if not block:
                    raise OSError(f"{file.name} ends {left} bytes early")
                writer.write(block)
                left -= len(block)
            return writer.finish()


@attrs.frozen(kw_only=True)
class _Copied:
    """What was copied: from where, the copy, and member and value of its checksum."""

    source: ObjectInfo
    blob: Blob
    told: dict[str, str]


def _checksum(source: ObjectInfo, asked: str | None) -> Checksum | None:
    """Which one the copy is to have: the one that is asked for, or the source's."""
    if asked is not None:
        return algorithm(asked)
    found = [each for each in ALGORITHMS.values() if each.member in source.attributes]
    return found[0] if found else None


def _without_checksum(info: ObjectInfo) -> dict[str, Any]:
    return {name: value for name, value in info.attributes.items() if name not in KEPT}


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
        if not matches(given["CopySourceIfMatch"], info.etag):
            raise precondition_failed("x-amz-copy-source-If-Match")
    elif changed > given.get("CopySourceIfUnmodifiedSince", changed):
        raise precondition_failed("x-amz-copy-source-If-Unmodified-Since")
    if "CopySourceIfNoneMatch" in given:
        if matches(given["CopySourceIfNoneMatch"], info.etag):
            raise precondition_failed("x-amz-copy-source-If-None-Match")
    elif "CopySourceIfModifiedSince" in given and changed <= given["CopySourceIfModifiedSince"]:
        raise precondition_failed("x-amz-copy-source-If-Modified-Since")


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
