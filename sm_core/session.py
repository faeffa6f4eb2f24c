"""``Session``: whose account, which region, which back end; and the calls that others build on."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path

from sm_core.backends import backend_of
from sm_core.buckets import Buckets
from sm_core.calls import Calls
from sm_core.clients import translated_errors
from sm_core.errors import ConfigurationError
from sm_core.folders import check_holds_data
from sm_core.naming import default_bucket_name
from sm_core.roles import caller_arn, execution_role, expand_role
from sm_core.uploads import upload_tree, uploaded_uri

__all__ = ["Session", "get_execution_role", "session_for"]


class Session(Calls):
    """Holds the boto3 clients that everything else uses, and makes the calls that need only them.

    Nothing is looked up at construction: region, credentials and account are asked for when a call
    first needs them.
    """

    @classmethod
    def local(cls) -> Session:
        """A Session on the local service: no AWS account, no Docker, no network.

        Raises:
            UnknownBackendError: sm-local is not installed.
        """
        return cls(backend="local")

    _buckets = cached_property(Buckets)

    # Whose account

    def get_caller_identity_arn(self) -> str:
        """ARN of the user that the credentials belong to, or of the role that was assumed."""
        return caller_arn(self)

    def get_execution_role(self) -> str:
        """ARN of the role that this program runs under, as notebooks on SageMaker do.

        Raises:
            ConfigurationError: the credentials are a user's, and the back end has no default role.
        """
        return execution_role(self)

    def expand_role(self, role: str | None) -> str:
        """The full ARN of `role`, a name or an ARN; of None, the back end's default role.

        Raises:
            ConfigurationError: no role is given and the back end has no default, or it cannot be
                looked up.
        """
        return expand_role(self, role)

    # Data

    def default_bucket(self) -> str:
        """The bucket ``sagemaker-<region>-<account>``, created if it is not there.

        Raises:
            ConfigurationError: the bucket belongs to somebody else.
        """
        region, account = self.region, self.account_id()
        bucket = default_bucket_name(region, account)
        self.ensure_bucket(bucket, owner=account)
        return bucket

    def ensure_bucket(self, bucket: str, *, owner: str | None = None) -> None:
        """Create `bucket` in the Session's region unless it exists.

        Args:
            bucket: its name.
            owner: account that it must belong to; None for any that lets this one use it. Anybody
                can create a bucket whose name can be guessed.

        Raises:
            ConfigurationError: it belongs to somebody else, or access is denied.
        """
        self._buckets.ensure(bucket, owner=owner)

    def upload_data(
        self, path: str | os.PathLike[str], bucket: str | None = None, *, key_prefix: str = "data"
    ) -> str:
        """Upload a file, or a folder with all below it.

        Args:
            path: local file or folder.
            bucket: where to; None for the default bucket.
            key_prefix: what the objects' keys begin with.

        Returns:
            ``s3://bucket/prefix``, with the file's name where `path` is a file.

        Raises:
            InputError: `path` does not exist, or holds no file.
            RequestError: the upload was refused.
        """
        source = Path(os.path.expanduser(path))
        check_holds_data(source)
        bucket = bucket or self.default_bucket()
        prefix = key_prefix.strip("/")
        with translated_errors():
            upload_tree(self.client("s3"), source, bucket=bucket, prefix=prefix)
        return uploaded_uri(source, bucket=bucket, prefix=prefix)


def get_execution_role(sagemaker_session: Session | None = None) -> str:
    """ARN of the role that this program runs under, as notebooks on SageMaker do.

    Args:
        sagemaker_session: whose credentials; None for a new Session.

    Raises:
        ConfigurationError: the credentials are a user's, and the back end has no default role.
    """
    return (sagemaker_session or Session()).get_execution_role()


def session_for(session: Session | None, instance_type: str | None) -> Session:
    """The user's Session, or a new one on the back end that `instance_type` belongs to.

    Raises:
        ConfigurationError: `instance_type` belongs to another back end than the Session's.
        UnknownBackendError: a plugin that is not installed would know it.
    """
    if instance_type is None or (session and instance_type in session.backend.instance_types):
        return session or Session()
    wanted = backend_of(instance_type)
    if session is None:
        return Session(backend=wanted)
    if wanted is not None:
        raise ConfigurationError(
            f"instance type {instance_type!r} belongs to the back end {wanted!r}, but the Session "
            f"is on {session.backend.name!r}: give Session(backend={wanted!r}), or leave "
            "sagemaker_session out"
        )
    return session
