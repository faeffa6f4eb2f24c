"""S3's operations that list uploads in parts, and the parts of one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, Final
from urllib.parse import quote

from sm_local.service.errors import ServiceError
from sm_local.service.partchecksums import Plan
from sm_local.service.s3_buckets import OWNER
from sm_local.service.s3_common import quoted
from sm_local.service.uploads import Part, Pending, Uploads

__all__ = ["UploadLists"]

_MOST: Final = 1000


class UploadLists:
    """Handlers: members of the input in, members of the output out."""

    def __init__(self, uploads: Uploads) -> None:
        """List what is in `uploads`."""
        self._uploads = uploads

    async def parts(self, given: dict[str, Any]) -> dict[str, Any]:
        """ListParts."""
        bucket, key, identifier = given["Bucket"], given["Key"], given["UploadId"]
        limit = _limit(given, "MaxParts", "max-parts")
        marker = given.get("PartNumberMarker", 0)
        if isinstance(marker, str):
            marker = int(marker) if marker.isascii() and marker.isdigit() else -1
        if marker < 0:
            raise _invalid("part-number-marker", given["PartNumberMarker"])
        kept = await asyncio.to_thread(self._uploads.require, bucket, key, identifier)
        found = await asyncio.to_thread(self._uploads.parts, bucket, key, identifier)
        left = [part for part in found if part.number > marker]
        shown = left[:limit]
        plan = Plan.of(kept)
        return {
            "Bucket": bucket,
            "Key": key,
            "UploadId": identifier,
            "PartNumberMarker": marker,
            "NextPartNumberMarker": shown[-1].number if shown else 0,
            "MaxParts": limit,
            "IsTruncated": len(left) > len(shown),
            "Parts": [_part(part, plan) for part in shown],
            "Initiator": OWNER,
            "Owner": OWNER,
            "StorageClass": "STANDARD",
            **({} if plan is None else plan.members),
        }

    async def uploads(self, given: dict[str, Any]) -> dict[str, Any]:
        """ListMultipartUploads."""
        limit = _limit(given, "MaxUploads", "max-uploads")
        found = await asyncio.to_thread(self._uploads.pending, given["Bucket"])
        shown, prefixes, last = _page(found, given, limit)

        def text(value: str | None) -> str | None:
            if value is None or given.get("EncodingType") != "url":
                return value
            return quote(value, safe="/")

        return {
            "Bucket": given["Bucket"],
            "KeyMarker": text(given.get("KeyMarker", "")),
            "UploadIdMarker": given.get("UploadIdMarker", ""),
            "NextKeyMarker": text(last[0]) if last else None,
            "NextUploadIdMarker": last[1] if last else None,
            "Prefix": text(given.get("Prefix", "")),
            "Delimiter": text(given.get("Delimiter")),
            "EncodingType": given.get("EncodingType"),
            "MaxUploads": limit,
            "IsTruncated": last is not None,
            "Uploads": [{**_upload(each), "Key": text(each.key)} for each in shown],
            "CommonPrefixes": [{"Prefix": text(prefix)} for prefix in prefixes],
        }


def _part(part: Part, plan: Plan | None) -> dict[str, Any]:
    checksum = {} if plan is None else {plan.checksum.member: part.checksum}
    return {
        "PartNumber": part.number,
        "LastModified": datetime.fromtimestamp(part.modified, timezone.utc),
        "ETag": quoted(part.etag),
        "Size": part.size,
        **checksum,
    }


def _upload(pending: Pending) -> dict[str, Any]:
    plan = Plan.of(pending.attributes)
    return {
        "UploadId": pending.identifier,
        "Key": pending.key,
        "Initiated": datetime.fromtimestamp(pending.created, timezone.utc),
        "StorageClass": "STANDARD",
        "Owner": OWNER,
        "Initiator": OWNER,
        **({} if plan is None else plan.members),
    }


def _page(
    found: list[Pending], given: Mapping[str, Any], limit: int
) -> tuple[list[Pending], list[str], tuple[str, str] | None]:
    """(uploads, common prefixes, where the next page begins: after this key and id)."""
    prefix, delimiter = given.get("Prefix", ""), given.get("Delimiter", "")
    marker, id_marker = given.get("KeyMarker", ""), given.get("UploadIdMarker", "")
    shown: list[Pending] = []
    prefixes: list[str] = []
    last: tuple[str, str] | None = None
    for each in found:
        if not each.key.startswith(prefix) or not _follows(each, marker, id_marker):
            continue
        end = each.key.find(delimiter, len(prefix)) if delimiter else -1
        common = None if end < 0 else each.key[: end + len(delimiter)]
        if common is not None and (common in prefixes[-1:] or marker.startswith(common)):
            continue
        if len(shown) + len(prefixes) >= limit:
            return shown, prefixes, last
        if common is None:
            shown.append(each)
            last = (each.key, each.identifier)
        else:
            prefixes.append(common)
            last = (common, "")
    return shown, prefixes, None


def _follows(pending: Pending, marker: str, id_marker: str) -> bool:
    if pending.key == marker and id_marker:
        return pending.identifier > id_marker
    return not marker or pending.key > marker


def _limit(given: Mapping[str, Any], member: str, name: str) -> int:
    limit: int = given.get(member, _MOST)
    if limit < 0:
        raise _invalid(name, limit)
    return min(limit, _MOST)


def _invalid(name: str, value: object) -> ServiceError:
    return ServiceError(
        "InvalidArgument",
        f"Argument {name} must be an integer between 0 and 2147483647",
        members={"ArgumentName": name, "ArgumentValue": value},
    )
