"""The one exception that handlers raise for a caller to read; each protocol renders it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = [
    "ServiceError",
    "access_denied",
    "no_such_bucket",
    "no_such_key",
    "not_implemented",
    "precondition_failed",
]

_NOTHING: Mapping[str, object] = MappingProxyType({})


class ServiceError(Exception):
    """A request is refused or failed, in AWS's terms.

    Attributes:
        code: AWS's error code (``ValidationException``, ``NoSuchKey``).
        message: what was wrong, for a person.
        status: the HTTP status.
        members: further members of the error (``OriginalStatusCode`` of a ModelError).
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int = 400,
        members: Mapping[str, object] = _NOTHING,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.members = members


def access_denied(message: str) -> ServiceError:
    """The caller is known, but may not do this."""
    return ServiceError("AccessDenied", message, status=403)


def not_implemented(what: str) -> ServiceError:
    """AWS has `what`, the local service does not."""
    return ServiceError("NotImplemented", f"the local service does not have {what} yet", status=501)


def no_such_bucket(name: str) -> ServiceError:
    """What every call about a bucket that is not there answers."""
    return ServiceError(
        "NoSuchBucket",
        "The specified bucket does not exist",
        status=404,
        members={"BucketName": name},
    )


def precondition_failed(condition: str) -> ServiceError:
    """The object is not as the header `condition` demands."""
    return ServiceError(
        "PreconditionFailed",
        "At least one of the pre-conditions you specified did not hold",
        status=412,
        members={"Condition": condition},
    )


def no_such_key(key: str) -> ServiceError:
    """What a call about an object that is not there answers."""
    return ServiceError(
        "NoSuchKey", "The specified key does not exist.", status=404, members={"Key": key}
    )
