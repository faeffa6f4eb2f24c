"""Buckets: looked for once, created where the user's data is to go, and only if they are ours."""

from __future__ import annotations

import threading
import time

from sm_core.clients import translated_errors
from sm_core.connection import Connection
from sm_core.errors import ConfigurationError, RequestError

__all__ = ["Buckets"]

#: Seconds to wait for a bucket that another process is creating.
_PATIENCE = 5


class Buckets:
    """The buckets that a connection uses."""

    def __init__(self, connection: Connection) -> None:
        """
        Args:
            connection: whose S3.
        """
        self._connection = connection
        self._lock = threading.Lock()
        #: Each with the account that it was found to belong to; None where nobody asked.
        self._there: set[tuple[str, str | None]] = set()

    def ensure(self, bucket: str, *, owner: str | None = None) -> None:
        """Create `bucket` in the connection's region unless it exists.

        Args:
            bucket: its name.
            owner: account that it must belong to; None for any that lets this one use it. Anybody
                can create a bucket whose name can be guessed.

        Raises:
            ConfigurationError: it belongs to somebody else, or access is denied.
        """
        with self._lock:
            if (bucket, owner) in self._there:
                return
        if not self._is_there(bucket, owner):
            self._create(bucket, owner)
        with self._lock:
            self._there.add((bucket, owner))

    def _is_there(self, bucket: str, owner: str | None) -> bool:
        expected = {} if owner is None else {"ExpectedBucketOwner": owner}
        try:
            with translated_errors():
                self._connection.client("s3").head_bucket(Bucket=bucket, **expected)
        except RequestError as error:
            if error.code in ("403", "AccessDenied"):
                raise _not_yours(bucket, error) from error
            if error.code not in ("404", "NoSuchBucket"):
                raise
            return False
        return True

    def _create(self, bucket: str, owner: str | None) -> None:
        region = self._connection.region
        # us-east-1 is the one region that must not be named as a constraint.
        place = {"CreateBucketConfiguration": {"LocationConstraint": region}}
        try:
            with translated_errors():
                self._connection.client("s3").create_bucket(
                    Bucket=bucket, **({} if region == "us-east-1" else place)
                )
        except RequestError as error:
            if error.code in ("BucketAlreadyExists", "AccessDenied"):
                raise _not_yours(bucket, error) from error
            quicker = error.code in ("BucketAlreadyOwnedByYou", "OperationAborted")
            if not (quicker and self._appears(bucket, owner)):
                raise

    def _appears(self, bucket: str, owner: str | None) -> bool:
        """Whether the bucket that somebody else makes is there soon; it may not be ours."""
        for _ in range(_PATIENCE):
            if self._is_there(bucket, owner):
                return True
            time.sleep(1)
        return False


def _not_yours(bucket: str, error: RequestError) -> ConfigurationError:
    return ConfigurationError(
        f"bucket {bucket!r} is not yours to use ({error}); name another one in output_path= or "
        "code_location="
    )
