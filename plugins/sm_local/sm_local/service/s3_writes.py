"""S3's operations that make or remove an object, and what uploads in parts share with them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sm_local.service.checksums import FULL_OBJECT
from sm_local.service.conditions import Condition
from sm_local.service.errors import ServiceError
from sm_local.service.objects import Objects
from sm_local.service.s3_bodies import receive
from sm_local.service.s3_common import ATTRIBUTES, quoted, refuse
from sm_local.service.s3_tagging import tags_of
from sm_local.service.scalars import http_date

__all__ = ["Writes", "attributes", "check_upload"]

#: What changes the meaning of an upload so much that to ignore it would be wrong.
_NOT_YET = (
    "ObjectLockLegalHoldStatus",
    "ObjectLockMode",
    "SSECustomerAlgorithm",
    "SSECustomerKey",
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
        kept, condition = attributes(given), Condition.of(given)
        received = await receive(self._objects, given)
        checksum = received.members
        if checksum:
            checksum["ChecksumType"] = FULL_OBJECT
        info = await asyncio.to_thread(
            self._objects.put,
            bucket,
            given["Key"],
            received.blob,
            condition=condition,
            attributes=kept | checksum,
        )
        return {"ETag": quoted(info.etag), **checksum}

    async def delete(self, given: dict[str, Any]) -> dict[str, Any]:
        """DeleteObject, which succeeds whether there was one or not."""
        refuse(given, "IfMatchLastModifiedTime", "IfMatchSize", "VersionId")
        await asyncio.to_thread(self._objects.require_bucket, given["Bucket"])
        await asyncio.to_thread(
            self._objects.delete,
            given["Bucket"],
            given["Key"],
            condition=Condition(etag=given.get("IfMatch")),
        )
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
                refuse(each, "VersionId", "LastModifiedTime", "Size")
                await asyncio.to_thread(
                    self._objects.delete,
                    given["Bucket"],
                    each["Key"],
                    condition=Condition(etag=each.get("ETag")),
                )
            except ServiceError as error:
                errors.append({"Key": each["Key"], "Code": error.code, "Message": error.message})
                continue
            deleted.append({"Key": each["Key"]})
        if given.get("Delete", {}).get("Quiet"):
            deleted = []
        return {"Deleted": deleted, "Errors": errors}


def attributes(given: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept with the object, of the input of an upload.

    Raises:
        ServiceError: its tags are none.
    """
    kept = {name: given[name] for name in ATTRIBUTES if given.get(name)}
    expires = kept.get("Expires")
    if isinstance(expires, datetime):
        kept["Expires"] = http_date(expires)
    encodings = [each.strip() for each in kept.get("ContentEncoding", "").split(",")]
    if "aws-chunked" in encodings:
        # How the body travelled is nothing that the object has.
        kept["ContentEncoding"] = ",".join(each for each in encodings if each != "aws-chunked")
    if not kept.get("ContentEncoding"):
        kept.pop("ContentEncoding", None)
    return {"ContentType": _DEFAULT_TYPE} | kept | tags_of(given)


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
