"""What a request needs from an account: the role's ARN, a bucket, a place for code and data.

`Preparation` looks up, creates and uploads; `DryPreparation` answers the same questions without a
call, for ``training_request()``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sm_core.clients import translated_errors
from sm_core.errors import ConfigurationError

if TYPE_CHECKING:
    from sm_core.session import Session
    from sm_core.source import Source

__all__ = ["DryPreparation", "Preparation"]


class Preparation:
    """Prepares an account for a request, by calls."""

    #: Whether the request is about to be sent.
    sending = True

    def __init__(self, session: Session) -> None:
        self._session = session

    def role_arn(self, role: str | None) -> str:
        """The role's ARN."""
        return self._session.expand_role(role)

    def default_bucket(self) -> str:
        """The account's default bucket, which exists afterwards."""
        return self._session.default_bucket()

    def output_path(self, output_path: str | None) -> str:
        """Where the job's results go; the bucket exists afterwards."""
        if output_path is None:
            return f"s3://{self.default_bucket()}/"
        bucket = urlsplit(output_path).netloc
        if not output_path.startswith("s3://") or not bucket:
            raise ConfigurationError(
                f"output_path {output_path!r} is not of the form 's3://bucket/prefix'"
            )
        self._own(bucket)
        return output_path

    def code_uri(self, source: Source, *, location: str | None, key: str) -> str:
        """Upload the user's code.

        Args:
            source: the code.
            location: bucket, or ``s3://bucket/prefix``; None for the default bucket.
            key: what follows the prefix.

        Returns:
            URI of the archive.
        """
        if source.uri is not None:
            return source.uri
        bucket, prefix = _code_location(location)
        if bucket is None:
            bucket = self.default_bucket()
        else:
            self._own(bucket)
        full = f"{prefix}/{key}" if prefix else key
        self._put(source, bucket, full)
        return f"s3://{bucket}/{full}"

    def data_uri(self, path: Path, channel: str, job_name: str) -> str:
        """Upload a channel's local data; returns its S3 URI."""
        return self._session.upload_data(path, key_prefix=f"{job_name}/input/{channel}")

    def _own(self, bucket: str) -> None:
        self._session.ensure_bucket(bucket)

    def _put(self, source: Source, bucket: str, key: str) -> None:
        with translated_errors():
            self._session.client("s3").put_object(Bucket=bucket, Key=key, Body=source.archive())


class DryPreparation(Preparation):
    """Answers without a call; what only the account could tell must be given in full."""

    sending = False

    def __init__(self, session: Session, role: str | None) -> None:
        super().__init__(session)
        self._role = role or session.backend.default_role

    def role_arn(self, role: str | None) -> str:
        """The role's ARN, or the given name's in the default role's account."""
        full = role or self._role
        if full is not None and full.startswith("arn:"):
            return full
        default = self._session.backend.default_role
        if full is not None and default is not None:
            return f"{default.rpartition('/')[0]}/{full}"
        raise ConfigurationError(
            "a request that is only shown cannot look up the role: give role= as a full ARN"
        )

    def default_bucket(self) -> str:
        """The default bucket's name, by the account in the role's ARN."""
        account = self.role_arn(self._role).split(":")[4]
        return f"sagemaker-{self._session.region}-{account}"

    def data_uri(self, path: Path, channel: str, job_name: str) -> str:
        """Where the data would be."""
        tail = f"/{path.name}" if path.is_file() else ""
        return f"s3://{self.default_bucket()}/{job_name}/input/{channel}{tail}"

    def _own(self, bucket: str) -> None:
        """Leave the bucket alone."""

    def _put(self, source: Source, bucket: str, key: str) -> None:
        """Upload nothing."""


def _code_location(location: str | None) -> tuple[str | None, str]:
    if location is None:
        return None, ""
    parts = urlsplit(location if "://" in location else f"s3://{location}")
    if parts.scheme != "s3" or not parts.netloc:
        raise ConfigurationError(
            f"code_location {location!r} is neither a bucket's name nor 's3://bucket/prefix'"
        )
    return parts.netloc, parts.path.strip("/")
