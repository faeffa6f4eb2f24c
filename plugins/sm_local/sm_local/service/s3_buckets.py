"""S3's operations on buckets."""

from __future__ import annotations

import asyncio
from datetime import datetime, timezone
from typing import Any

from sm_local.home import ACCOUNT, REGION, RESERVED_BUCKET
from sm_local.service.errors import ServiceError, access_denied, not_implemented
from sm_local.service.objects import Objects

__all__ = ["OWNER", "Buckets"]

#: Whom everything in S3 belongs to.
OWNER = {"ID": ACCOUNT}


class Buckets:
    """Handlers: members of the input in, members of the output out."""

    def __init__(self, objects: Objects) -> None:
        """Work on `objects`."""
        self._objects = objects

    async def create(self, given: dict[str, Any]) -> dict[str, Any]:
        """CreateBucket. Where buckets are in us-east-1, making one twice is no error."""
        if given.get("ObjectLockEnabledForBucket"):
            raise not_implemented("S3's ObjectLockEnabledForBucket")
        name = given["Bucket"]
        configuration = given.get("CreateBucketConfiguration", {})
        made = await asyncio.to_thread(self._objects.create_bucket, name)
        if not made and configuration.get("LocationConstraint", REGION) != REGION:
            raise ServiceError(
                "BucketAlreadyOwnedByYou",
                "Your previous request to create the named bucket succeeded and you already own"
                " it.",
                status=409,
                members={"BucketName": name},
            )
        return {"Location": f"/{name}"}

    async def delete(self, given: dict[str, Any]) -> dict[str, Any]:
        """DeleteBucket, which must be empty."""
        if given["Bucket"] == RESERVED_BUCKET:
            raise access_denied(f"the bucket {RESERVED_BUCKET} is the local service's own")
        await asyncio.to_thread(self._objects.delete_bucket, given["Bucket"])
        return {}

    async def head(self, given: dict[str, Any]) -> dict[str, Any]:
        """HeadBucket."""
        await asyncio.to_thread(self._objects.require_bucket, given["Bucket"])
        return {"BucketRegion": REGION}

    async def location(self, given: dict[str, Any]) -> dict[str, Any]:
        """GetBucketLocation. An empty answer means us-east-1."""
        await asyncio.to_thread(self._objects.require_bucket, given["Bucket"])
        return {}

    async def list(self, given: dict[str, Any]) -> dict[str, Any]:
        """ListBuckets, without the one that clients and service hand things over in."""
        buckets = await asyncio.to_thread(self._objects.buckets)
        prefix = given.get("Prefix", "")
        return {
            "Owner": OWNER,
            "Buckets": [
                {
                    "Name": bucket.name,
                    "CreationDate": datetime.fromtimestamp(bucket.created, timezone.utc),
                }
                for bucket in buckets
                if bucket.name != RESERVED_BUCKET and bucket.name.startswith(prefix)
            ],
        }
