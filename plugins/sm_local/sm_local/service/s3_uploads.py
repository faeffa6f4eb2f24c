"""S3's operations on uploads in parts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from sm_local.service.checksums import ALGORITHMS
from sm_local.service.conditions import Condition
from sm_local.service.errors import ServiceError
from sm_local.service.objects import Objects
from sm_local.service.partchecksums import Expected, Plan
from sm_local.service.s3_bodies import given_checksum, receive
from sm_local.service.s3_common import checksum_of, part_number, quoted
from sm_local.service.s3_writes import attributes, check_upload
from sm_local.service.uploads import Uploads

__all__ = ["MultipartUploads"]


class MultipartUploads:
    """Handlers: members of the input in, members of the output out."""

    def __init__(self, objects: Objects, uploads: Uploads) -> None:
        """Work on `uploads`, with bytes in `objects`."""
        self._objects = objects
        self._uploads = uploads

    async def create(self, given: dict[str, Any]) -> dict[str, Any]:
        """CreateMultipartUpload."""
        check_upload(given)
        bucket, key = given["Bucket"], given["Key"]
        plan = Plan.of(given)
        told = {} if plan is None else plan.members
        identifier = await asyncio.to_thread(
            self._uploads.create, bucket, key, attributes(given) | told
        )
        return {"Bucket": bucket, "Key": key, "UploadId": identifier, **told}

    async def put_part(self, given: dict[str, Any]) -> dict[str, Any]:
        """UploadPart."""
        bucket, key, identifier = given["Bucket"], given["Key"], given["UploadId"]
        number = part_number(given)
        kept = await asyncio.to_thread(self._uploads.require, bucket, key, identifier)
        plan = Plan.of(kept)
        received = await receive(self._objects, given, plan=plan)
        await asyncio.to_thread(
            self._uploads.put_part,
            bucket,
            key,
            identifier,
            number=number,
            blob=received.blob,
            checksum=None if plan is None else received.value,
        )
        return {"ETag": quoted(received.blob.md5), **received.members}

    async def complete(self, given: dict[str, Any]) -> dict[str, Any]:
        """CompleteMultipartUpload."""
        bucket, key = given["Bucket"], given["Key"]
        parts = given.get("MultipartUpload", {}).get("Parts", [])
        if not all({"PartNumber", "ETag"} <= part.keys() for part in parts):
            raise ServiceError(
                "MalformedXML", "The XML you provided lacks a part's PartNumber or ETag"
            )
        condition, expected = Condition.of(given), _expected(given)
        info = await asyncio.to_thread(
            self._uploads.complete,
            bucket,
            key,
            given["UploadId"],
            wanted=[(part["PartNumber"], part["ETag"].strip('"')) for part in parts],
            condition=condition,
            expected=expected,
        )
        return {
            "Location": f"/{bucket}/{key}",
            "Bucket": bucket,
            "Key": key,
            "ETag": quoted(info.etag),
            **checksum_of(info),
        }

    async def abort(self, given: dict[str, Any]) -> dict[str, Any]:
        """AbortMultipartUpload."""
        await asyncio.to_thread(
            self._uploads.abort, given["Bucket"], given["Key"], given["UploadId"]
        )
        return {}


def _expected(given: Mapping[str, Any]) -> Expected:
    """What CompleteMultipartUpload says of checksums and size."""
    members = [checksum.member for checksum in ALGORITHMS.values()]
    return Expected(
        parts={
            part["PartNumber"]: {name: part[name] for name in members if name in part}
            for part in given.get("MultipartUpload", {}).get("Parts", [])
        },
        whole=given_checksum(given),
        kind=given.get("ChecksumType"),
        size=given.get("MpuObjectSize"),
    )
