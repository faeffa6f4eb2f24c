"""What S3's operations have in common: what is kept with an object, and what is not had yet."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from sm_local.service.errors import not_implemented
from sm_local.service.listing import ObjectInfo

__all__ = ["ATTRIBUTES", "modified", "quoted", "refuse"]

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
