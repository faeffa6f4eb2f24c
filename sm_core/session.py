"""``Session``: whose account, which region, which back end; and the calls that others build on."""

from __future__ import annotations

import difflib
import os
import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sm_core.backends import Backend
from sm_core.clients import Clients, translated_errors
from sm_core.errors import (
    ConfigurationError,
    InputError,
    PluginError,
    RequestError,
    UnknownBackendError,
)
from sm_core.jobs import TrainingJob
from sm_core.requests import TrainingJobRequest, to_aws
from sm_core.uploads import upload_tree

if TYPE_CHECKING:
    import boto3

__all__ = ["Session", "backend_for_instance_type"]

#: Chooses the back end where the code does not.
BACKEND_VARIABLE = "SMCORE_BACKEND"

#: Back ends of this project's own plugins and the distributions that bring them.
_KNOWN_DISTRIBUTIONS = {"local": "sm-local"}


class Session:
    """Holds the boto3 clients that everything else uses, and answers what needs only them.

    Nothing is looked up at construction: region, credentials and account are asked for when a call
    first needs them.
    """

    def __init__(
        self,
        boto_session: boto3.Session | None = None,
        sagemaker_client: Any = None,
        *,
        sagemaker_runtime_client: Any = None,
        backend: str | None = None,
    ) -> None:
        """
        Args:
            boto_session: session to make clients from; None for the back end's own.
            sagemaker_client: ready client of SageMaker.
            sagemaker_runtime_client: ready client of SageMaker Runtime.
            backend: name of the back end; None for the variable SMCORE_BACKEND, else ``aws``.

        Raises:
            UnknownBackendError: no installed plugin brings the back end.
        """
        self.backend: Backend = _backend(backend or os.environ.get(BACKEND_VARIABLE) or "aws")
        given = {"sagemaker": sagemaker_client, "sagemaker-runtime": sagemaker_runtime_client}
        self._clients = Clients(
            self.backend,
            boto_session=boto_session,
            given={name: client for name, client in given.items() if client is not None},
        )
        self._lock = threading.Lock()
        self._account: str | None = None
        self._buckets: set[str] = set()

    @classmethod
    def local(cls) -> Session:
        """A Session on the local service: no AWS account, no Docker, no network.

        Raises:
            UnknownBackendError: sm-local is not installed.
        """
        return cls(backend="local")

    def __repr__(self) -> str:
        return f"Session(backend={self.backend.name!r})"

    @property
    def boto_session(self) -> boto3.Session:
        """The boto3 session that all clients come from."""
        return self._clients.boto_session

    def client(self, service: str) -> Any:
        """The client of `service`, as boto3 names it; request hooks see its calls."""
        return self._clients.get(service)

    @property
    def sagemaker_client(self) -> Any:
        """The client of SageMaker."""
        return self.client("sagemaker")

    @property
    def sagemaker_runtime_client(self) -> Any:
        """The client of SageMaker Runtime."""
        return self.client("sagemaker-runtime")

    @property
    def region(self) -> str:
        """The AWS region.

        Raises:
            ConfigurationError: none is configured.
        """
        region = self._clients.region()
        if region is None:
            raise ConfigurationError(
                "no AWS region is configured: set AWS_DEFAULT_REGION, configure a profile, give a "
                "boto_session of your own, or work on this machine with Session.local()"
            )
        return region

    def account_id(self) -> str:
        """The AWS account's number; asked for once."""
        with self._lock:
            if self._account is None:
                with translated_errors():
                    identity = self.client("sts").get_caller_identity()
                self._account = str(identity["Account"])
            return self._account

    def get_caller_identity_arn(self) -> str:
        """ARN of the user or role that the credentials belong to."""
        with translated_errors():
            return str(self.client("sts").get_caller_identity()["Arn"])

    def expand_role(self, role: str | None) -> str:
        """The role's full ARN, from its name or ARN.

        Raises:
            ConfigurationError: no role is given and the back end has no default.
        """
        role = role or self.backend.default_role
        if role is None:
            raise ConfigurationError(
                "role is missing: give the name or ARN of an IAM role that SageMaker may assume"
            )
        if role.startswith("arn:"):
            return role
        with translated_errors():
            return str(self.client("iam").get_role(RoleName=role.rpartition("/")[2])["Role"]["Arn"])

    def default_bucket(self) -> str:
        """The bucket ``sagemaker-<region>-<account>``, created if it is not there.

        Raises:
            ConfigurationError: the bucket belongs to somebody else.
        """
        bucket = f"sagemaker-{self.region}-{self.account_id()}"
        self.ensure_bucket(bucket)
        return bucket

    def ensure_bucket(self, bucket: str) -> None:
        """Create `bucket` in the Session's region unless it exists.

        Raises:
            ConfigurationError: it belongs to somebody else, or access is denied.
        """
        with self._lock:
            if bucket in self._buckets:
                return
        try:
            with translated_errors():
                self.client("s3").head_bucket(Bucket=bucket)
        except RequestError as error:
            if error.code not in ("404", "NoSuchBucket"):
                raise ConfigurationError(
                    f"bucket {bucket!r} is not yours to use ({error}); name another one in "
                    "output_path= or code_location="
                ) from error
            self._create_bucket(bucket)
        with self._lock:
            self._buckets.add(bucket)

    def _create_bucket(self, bucket: str) -> None:
        # us-east-1 is the one region that must not be named as a constraint.
        place = {"CreateBucketConfiguration": {"LocationConstraint": self.region}}
        try:
            with translated_errors():
                self.client("s3").create_bucket(
                    Bucket=bucket, **({} if self.region == "us-east-1" else place)
                )
        except RequestError as error:
            # Another process was quicker, and the bucket is ours.
            if error.code not in ("BucketAlreadyOwnedByYou", "OperationAborted"):
                raise

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
        """
        source = Path(path).expanduser()
        if not source.exists():
            raise InputError(f"upload_data: {path} does not exist; looked at {source.resolve()}")
        bucket = bucket or self.default_bucket()
        prefix = key_prefix.strip("/")
        with translated_errors():
            upload_tree(self.client("s3"), source, bucket=bucket, prefix=prefix)
        parts = (bucket, prefix, source.name if source.is_file() else "")
        return "s3://" + "/".join(part for part in parts if part)

    def train(self, request: TrainingJobRequest) -> TrainingJob:
        """Submit a training job; returns at once."""
        with translated_errors():
            self.sagemaker_client.create_training_job(**to_aws(request))
        return TrainingJob(request.training_job_name, self)


@cache
def _backends() -> dict[str, Backend]:
    from sm_core.plugins import client_plugins

    backends: dict[str, Backend] = {}
    for brought in client_plugins().hook.sm_backends():
        for backend in brought:
            if backend.name in backends:
                raise PluginError(
                    f"two plugins bring the back end {backend.name!r}; uninstall one of them"
                )
            backends[backend.name] = backend
    return backends


def _backend(name: str) -> Backend:
    backends = _backends()
    if name in backends:
        return backends[name]
    text = f"no installed plugin brings the back end {name!r}"
    distribution = _KNOWN_DISTRIBUTIONS.get(name)
    if distribution is not None:
        from sm_core.plugins import client_plugins

        broken = [load for load in client_plugins().broken() if load.distribution == distribution]
        if broken:
            raise UnknownBackendError(f"{text}: {broken[0].describe()}")
        raise UnknownBackendError(f"{text}; install it with: pip install {distribution}")
    near = difflib.get_close_matches(name, [*backends, *_KNOWN_DISTRIBUTIONS], n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    raise UnknownBackendError(f"{text}{hint} There are: {', '.join(sorted(backends))}")


def backend_for_instance_type(instance_type: str) -> str | None:
    """The back end that alone knows `instance_type`, if there is one.

    Raises:
        UnknownBackendError: a plugin that is not installed would know it.
    """
    for backend in _backends().values():
        if instance_type in backend.instance_types:
            return backend.name
    if instance_type in ("local", "local_gpu"):
        _backend("local")
    return None
