"""S3's operations that read an object: conditions, ranges, headers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Mapping
from typing import Any

from sm_local.service.conditions import matches
from sm_local.service.errors import ServiceError, precondition_failed
from sm_local.service.listing import ObjectInfo
from sm_local.service.objects import Objects
from sm_local.service.s3_common import (
    ATTRIBUTES,
    checksum_of,
    described,
    modified,
    quoted,
    refuse,
)
from sm_local.service.wire import FileSlice

__all__ = ["Downloads"]

_NOT_YET = ("PartNumber", "SSECustomerKey", "VersionId")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class Downloads:
    """Handlers that read an object."""

    def __init__(self, objects: Objects) -> None:
        """Work on `objects`."""
        self._objects = objects

    async def get(self, given: dict[str, Any]) -> dict[str, Any]:
        """GetObject."""
        refuse(given, *_NOT_YET)
        info, file = await asyncio.to_thread(self._objects.open, given["Bucket"], given["Key"])
        try:
            output, start, length = _described(info, given)
        except BaseException:
            file.close()
            raise
        return output | {"Body": FileSlice(file=file, offset=start, length=length)}

    async def head(self, given: dict[str, Any]) -> dict[str, Any]:
        """HeadObject."""
        refuse(given, *_NOT_YET)
        info = await asyncio.to_thread(self._objects.require, given["Bucket"], given["Key"])
        # A range means nothing where no bytes are sent (RFC 9110, section 14.2).
        output, _, _ = _described(info, {**given, "Range": None})
        return output

    async def attributes(self, given: dict[str, Any]) -> dict[str, Any]:
        """GetObjectAttributes; of parts only how many there are."""
        refuse(given, "MaxParts", "PartNumberMarker", "SSECustomerKey", "VersionId")
        info = await asyncio.to_thread(self._objects.require, given["Bucket"], given["Key"])
        wanted = given["ObjectAttributes"]
        return {"LastModified": modified(info), **_known(info, wanted)}


def _known(info: ObjectInfo, wanted: Collection[str]) -> dict[str, Any]:
    """Of what GetObjectAttributes can tell, that which is asked for."""
    known: dict[str, Any] = {
        "Checksum": checksum_of(info) or None,
        "ETag": info.etag,
        "ObjectSize": info.size,
        "StorageClass": "STANDARD",
    }
    count = info.etag.partition("-")[2]
    known["ObjectParts"] = {"TotalPartsCount": int(count)} if count else None
    unknown = sorted(set(wanted) - known.keys())
    if unknown:
        raise ServiceError(
            "InvalidArgument",
            "Invalid attribute name specified.",
            members={"ArgumentName": "x-amz-object-attributes", "ArgumentValue": unknown[0]},
        )
    return {name: value for name, value in known.items() if name in wanted}


def _described(info: ObjectInfo, given: Mapping[str, Any]) -> tuple[dict[str, Any], int, int]:
    """(members of the output, offset, length) of what is asked for."""
    _check_conditions(info, given)
    part = _range(given.get("Range"), info.size)
    start, end = part or (0, info.size)
    output: dict[str, Any] = {
        **described(info),
        "AcceptRanges": "bytes",
        "ContentLength": end - start,
        "ETag": quoted(info.etag),
        "LastModified": modified(info),
    }
    if part is None and given.get("ChecksumMode") == "ENABLED":
        # It is that of the whole object, which who asks for it compares what comes with.
        output |= checksum_of(info)
    if part is not None:
        output["ContentRange"] = f"bytes {start}-{end - 1}/{info.size}"
    for name in ATTRIBUTES:
        if f"Response{name}" in given:
            output[name] = given[f"Response{name}"]
    return output, start, end - start


def _check_conditions(info: ObjectInfo, given: Mapping[str, Any]) -> None:
    """RFC 9110, section 13.2.2."""
    changed = modified(info).replace(microsecond=0)
    if "IfMatch" in given:
        if not matches(given["IfMatch"], info.etag):
            raise precondition_failed("If-Match")
    elif "IfUnmodifiedSince" in given and changed > given["IfUnmodifiedSince"]:
        raise precondition_failed("If-Unmodified-Since")
    if "IfNoneMatch" in given:
        unchanged = matches(given["IfNoneMatch"], info.etag)
    else:
        unchanged = "IfModifiedSince" in given and changed <= given["IfModifiedSince"]
    if unchanged:
        raise ServiceError("NotModified", "Not Modified", status=304)


def _range(header: str | None, size: int) -> tuple[int, int] | None:
    """(begin, end) of what is wanted; None for all, or for a header that is not one range.

    Raises:
        ServiceError: InvalidRange.
    """
    match = _RANGE.fullmatch(header or "")
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        start, end = max(size - int(last), 0), size
    elif last and int(last) < int(first):
        return None
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
    if start >= end:
        raise ServiceError(
            "InvalidRange",
            "The requested range is not satisfiable",
            status=416,
            members={"RangeRequested": header, "ActualObjectSize": size},
        )
    return start, end
