"""S3's operations on the tags of an object.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl

from sm_local.service.errors import ServiceError
from sm_local.service.objects import Objects
from sm_local.service.s3_common import TAGS, refuse

__all__ = ["ObjectTags", "tags_of"]

_MAX_TAGS: Final = 10
_MAX_KEY: Final = 128
_MAX_VALUE: Final = 256


class ObjectTags:
    """Handlers: members of the input in, members of the output out."""

    def __init__(self, objects: Objects) -> None:
        """Work on `objects`."""
        self._objects = objects

    async def put(self, given: dict[str, Any]) -> dict[str, Any]:
        """PutObjectTagging: all of the object's tags, in place of those it has."""
        refuse(given, "VersionId")
        tags = given.get("Tagging", {}).get("TagSet", [])
        if not all({"Key", "Value"} <= tag.keys() for tag in tags):
            raise ServiceError(
                "MalformedXML",
                "The XML you provided was not well-formed or did not validate against our published"
                " schema: each Tag must have a Key and a Value",
            )
        await self._set(given, _checked([(tag["Key"], tag["Value"]) for tag in tags]))
        return {}

    async def get(self, given: dict[str, Any]) -> dict[str, Any]:
        """GetObjectTagging."""
        refuse(given, "VersionId")
        info = await asyncio.to_thread(self._objects.require, given["Bucket"], given["Key"])
        tags = info.attributes.get(TAGS, [])
        return {"TagSet": [{"Key": key, "Value": value} for key, value in tags]}

    async def delete(self, given: dict[str, Any]) -> dict[str, Any]:
        """DeleteObjectTagging."""
        refuse(given, "VersionId")
        await self._set(given, [])
        return {}

    async def _set(self, given: Mapping[str, Any], tags: list[tuple[str, str]]) -> None:
        await asyncio.to_thread(
            self._objects.set_attribute, given["Bucket"], given["Key"], TAGS, tags or None
        )


def tags_of(given: Mapping[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """What is kept of the header ``x-amz-tagging``: ``name=value&name=value``, percent-encoded.

    Raises:
        ServiceError: InvalidArgument, InvalidTag or BadRequest.
    """
    header = given.get("Tagging")
    if not header:
        return {}
    try:
        pairs = parse_qsl(header, keep_blank_values=True, strict_parsing=True, errors="strict")
    except ValueError as error:
        raise _bad_header(header) from error
    if len({key for key, _ in pairs}) != len(pairs):
        raise _bad_header(header)
    return {TAGS: _checked(pairs)}


def _checked(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    if len(pairs) > _MAX_TAGS:
        raise ServiceError("BadRequest", f"Object tags cannot be greater than {_MAX_TAGS}")
    keys: set[str] = set()
    for key, value in pairs:
        if not 1 <= len(key) <= _MAX_KEY or key.startswith("aws:"):
            raise _invalid_tag("The TagKey you have provided is invalid", TagKey=key)
        if len(value) > _MAX_VALUE:
            raise _invalid_tag(
                "The TagValue you have provided is invalid", TagKey=key, TagValue=value
            )
        if key in keys:
            raise _invalid_tag("Cannot provide multiple Tags with the same key", TagKey=key)
        keys.add(key)
    return list(pairs)


def _invalid_tag(message: str, **members: str) -> ServiceError:
    return ServiceError("InvalidTag", message, members=members)


def _bad_header(header: str) -> ServiceError:
    return ServiceError(
        "InvalidArgument",
        "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters"
        " without tag name duplicates.",
        members={"ArgumentName": "x-amz-tagging", "ArgumentValue": header},
    )
