"""The one exception that handlers raise for a caller to read; each protocol renders it."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

__all__ = [
    "ServiceError",
    "access_denied",
    "is_disk_full",
    "no_space",
    "no_such_bucket",
    "no_such_key",
    "not_implemented",
    "precondition_failed",
]

#: What a full disk, a quota and a limit of file sizes answer.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

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


def is_disk_full(error: BaseException) -> bool:
    """Whether `error` says that there is no room for what was to be written."""
    if isinstance(error, sqlite3.OperationalError):
        # SQLITE_FULL; the exception has its number only since Python 3.11.
        return "disk is full" in str(error)
    return isinstance(error, OSError) and error.errno in _FULL


def no_space(home: Path, error: BaseException) -> ServiceError:
    """What every call answers that needs more room than there is; nothing of it is kept.

    Not 500 or 503, which clients take for a reason to try again at once.
    """
    return ServiceError(
        "InsufficientStorage",
        f"there is no room left on the disk of {home} ({error}); nothing of this request was kept."
        " Make room there, or name a folder on another disk in SMCORE_LOCAL_HOME",
        status=507,
    )
