"""What S3's operations have in common: what is kept with an object, and what is not had yet."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from sm_local.service.checksums import FULL_OBJECT, KEPT
from sm_local.service.errors import ServiceError, not_implemented
from sm_local.service.listing import ObjectInfo
from sm_local.service.uploads import MAX_PART_NUMBER

__all__ = [
    "ATTRIBUTES",
    "TAGS",
    "checksum_of",
    "described",
    "modified",
    "part_number",
    "quoted",
    "refuse",
]

#: What is kept with an object and comes back with it.
ATTRIBUTES = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "Expires",
    "Metadata",
    "WebsiteRedirectLocation",
)


#: The attribute that an object's tags are kept as: (key, value) pairs.
TAGS = "Tagging"


def described(info: ObjectInfo) -> dict[str, Any]:
    """What everybody is told of an object, and how many tags it has."""
    told = {
        name: value for name, value in info.attributes.items() if name != TAGS and name not in KEPT
    }
    tags = info.attributes.get(TAGS)
    return told | {"TagCount": len(tags)} if tags else told


def checksum_of(info: ObjectInfo) -> dict[str, str]:
    """Member and value of an object's checksum, and its type; nothing where it has none."""
    found = {name: info.attributes[name] for name in KEPT if name in info.attributes}
    # Those of before there were others had no type.
    return {"ChecksumType": FULL_OBJECT} | found if found else {}


def part_number(given: Mapping[str, Any]) -> int:
    """The number of the part that is uploaded.

    Raises:
        ServiceError: InvalidArgument.
    """
    number: int = given["PartNumber"]
    if not 1 <= number <= MAX_PART_NUMBER:
        raise ServiceError(
            "InvalidArgument",
            f"Part number must be an integer between 1 and {MAX_PART_NUMBER}, inclusive",
            members={"ArgumentName": "partNumber", "ArgumentValue": number},
        )
    return number


def quoted(etag: str) -> str:
    """An ETag as it stands in headers and XML."""
    return f'"{etag}"'


def modified(info: ObjectInfo) -> datetime:
    """When an object was made."""
    return datetime.fromtimestamp(info.modified, timezone.utc)


def refuse(given: Mapping[str, Any], *members: str) -> None:
    """Raises: ServiceError: NotImplemented, naming the first of `members` that is given."""
    for name in members:
        # "null" is the version of every object in a bucket without versions.
        if given.get(name) and (name, given[name]) != ("VersionId", "null"):
            raise not_implemented(f"S3's {name}")
