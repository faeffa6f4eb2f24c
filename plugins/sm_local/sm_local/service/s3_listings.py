"""S3's operations that list a bucket."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from sm_local.service.errors import ServiceError
from sm_local.service.listing import Page
from sm_local.service.objects import Objects
from sm_local.service.s3_buckets import OWNER
from sm_local.service.s3_common import modified, quoted

__all__ = ["Listings"]

_MAX_KEYS = 1000


class Listings:
    """Handlers that list a bucket."""

    def __init__(self, objects: Objects) -> None:
        """Work on `objects`."""
        self._objects = objects

    async def list_first(self, given: dict[str, Any]) -> dict[str, Any]:
        """ListObjects, the first version: pages begin after a key, without a token."""
        limit = min(given.get("MaxKeys", _MAX_KEYS), _MAX_KEYS)
        if limit < 0:
            raise _invalid("max-keys", limit, "it must not be negative")
        page = await asyncio.to_thread(
            self._objects.page,
            given["Bucket"],
            prefix=given.get("Prefix", ""),
            delimiter=given.get("Delimiter", ""),
            after=given.get("Marker") or None,
            limit=limit,
        )
        listed = _listed(page, {**given, "FetchOwner": True}, limit)
        for member in ("StartAfter", "ContinuationToken", "KeyCount", "NextContinuationToken"):
            listed.pop(member)
        url = given.get("EncodingType") == "url"
        last = page.last if listed["IsTruncated"] else None
        return listed | {
            "Marker": quote(given.get("Marker", ""), safe="/") if url else given.get("Marker", ""),
            "NextMarker": quote(last, safe="/") if url and last is not None else last,
        }

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
                "LastModified": modified(info),
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


def _invalid(name: str, value: object, reason: str) -> ServiceError:
    return ServiceError(
        "InvalidArgument", reason, members={"ArgumentName": name, "ArgumentValue": value}
    )
