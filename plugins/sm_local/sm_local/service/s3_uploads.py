"""S3's operations on uploads in parts."""

from __future__ import annotations

import asyncio
from typing import Any

from sm_local.service.errors import ServiceError
from sm_local.service.objects import Objects
from sm_local.service.s3_common import quoted, refuse
from sm_local.service.s3_writes import attributes, check_upload, must_be_absent, put_stream
from sm_local.service.uploads import MAX_PART_NUMBER, Uploads

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
        identifier = await asyncio.to_thread(self._uploads.create, bucket, key, attributes(given))
        return {"Bucket": bucket, "Key": key, "UploadId": identifier}

    async def put_part(self, given: dict[str, Any]) -> dict[str, Any]:
        """UploadPart."""
        bucket, key, identifier = given["Bucket"], given["Key"], given["UploadId"]
        number = given["PartNumber"]
        if not 1 <= number <= MAX_PART_NUMBER:
            raise ServiceError(
                "InvalidArgument",
                f"Part number must be an integer between 1 and {MAX_PART_NUMBER}, inclusive",
                members={"ArgumentName": "partNumber", "ArgumentValue": number},
            )
        await asyncio.to_thread(self._uploads.require, bucket, key, identifier)
        blob = await put_stream(self._objects, given)
        await asyncio.to_thread(
            self._uploads.put_part, bucket, key, identifier, number=number, blob=blob
        )
        return {"ETag": quoted(blob.md5)}

    async def complete(self, given: dict[str, Any]) -> dict[str, Any]:
        """CompleteMultipartUpload."""
        bucket, key = given["Bucket"], given["Key"]
        refuse(given, "IfMatch")
        parts = given.get("MultipartUpload", {}).get("Parts", [])
        if not all({"PartNumber", "ETag"} <= part.keys() for part in parts):
            raise ServiceError(
                "MalformedXML", "The XML you provided lacks a part's PartNumber or ETag"
            )
        info = await asyncio.to_thread(
            self._uploads.complete,
            bucket,
            key,
            given["UploadId"],
            wanted=[(part["PartNumber"], part["ETag"].strip('"')) for part in parts],
            absent=must_be_absent(given),
        )
        return {
            "Location": f"/{bucket}/{key}",
            "Bucket": bucket,
            "Key": key,
            "ETag": quoted(info.etag),
        }

    async def abort(self, given: dict[str, Any]) -> dict[str, Any]:
        """AbortMultipartUpload."""
        await asyncio.to_thread(
            self._uploads.abort, given["Bucket"], given["Key"], given["UploadId"]
        )
        return {}
