"""Conditions of requests on an object's ETag (RFC 9110, section 13).

https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

from sm_local.service.errors import no_such_key, not_implemented, precondition_failed

__all__ = ["ALWAYS", "Condition", "matches"]


@attrs.frozen(kw_only=True)
class Condition:
    """What must be so for an object to be replaced.

    Attributes:
        absent: there is none with this key.
        etag: of the object that there is, as a header has it; None for any or none.
    """

    absent: bool = False
    etag: str | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Condition:
        """That of an upload's input.

        Raises:
            ServiceError: NotImplemented for what S3 does not have either.
        """
        absent = given.get("IfNoneMatch")
        if absent not in (None, "*"):
            raise not_implemented("If-None-Match of an upload with anything but *")
        if absent is not None and "IfMatch" in given:
            raise not_implemented("If-Match and If-None-Match of one upload")
        return cls(absent=absent is not None, etag=given.get("IfMatch"))

    def check(self, key: str, etag: str | None) -> None:
        """Insist on it.

        Args:
            key: of the object.
            etag: that it has now, without quotes; None where there is none.

        Raises:
            ServiceError: PreconditionFailed; NoSuchKey where another one was to be there.
        """
        if self.absent and etag is not None:
            raise precondition_failed("If-None-Match")
        if self.etag is None:
            return
        if etag is None:
            raise no_such_key(key)
        if not matches(self.etag, etag):
            raise precondition_failed("If-Match")


ALWAYS: Final = Condition()


def matches(header: str, etag: str) -> bool:
    """Whether an object with `etag`, without quotes, is one of those that a header names."""
    tags = [tag.strip().removeprefix("W/").strip('"') for tag in header.split(",")]
    return "*" in tags or etag in tags
