"""``Session``: whose account, which region, which back end; and the calls that others build on."""

from __future__ import annotations

import difflib
import os
import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sm_core.backends import Backend
from sm_core.clients import WAYS_OUT, Clients, translated_errors
from sm_core.errors import ConfigurationError, PluginError, RequestError, UnknownBackendError
from sm_core.folders import check_holds_data
from sm_core.naming import default_bucket_name
from sm_core.uploads import upload_tree, uploaded_uri

if TYPE_CHECKING:
    import boto3

    from sm_core.plugins import PluginManager

__all__ = ["Session", "session_for"]

#: Chooses the back end where the code does not.
BACKEND_VARIABLE = "SMCORE_BACKEND"

#: Where requests go if nothing says otherwise.
DEFAULT_BACKEND = "aws"

#: Back ends of this project's own plugins, the distributions that bring them and their instance
#: types, so that a missing one can be named with the command that installs it.
_KNOWN_DISTRIBUTIONS = {"local": "sm-local"}
_KNOWN_INSTANCE_TYPES = {"local": "local", "local_gpu": "local"}


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
            ConfigurationError: a session or client is given while SMCORE_BACKEND names another
                back end than AWS, so that it is not clear where requests should go.
        """
        clients = {"sagemaker": sagemaker_client, "sagemaker-runtime": sagemaker_runtime_client}
        given = {name: client for name, client in clients.items() if client is not None}
        chosen = os.environ.get(BACKEND_VARIABLE) or DEFAULT_BACKEND
        if backend is None and chosen != DEFAULT_BACKEND and (boto_session or given):
            raise ConfigurationError(
                f"{BACKEND_VARIABLE}={chosen} sends requests to the back end {chosen!r}, but this "
                "Session was given a boto3 session or client of its own: leave that out, unset "
                "the variable, or say which it is with backend="
            )
        self.backend: Backend = _backend(backend or chosen)
        self._clients = Clients(self.backend, boto_session=boto_session, given=given)
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
            raise ConfigurationError(f"no AWS region is configured. {WAYS_OUT}")
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
        """The full ARN of `role`, a name or an ARN.

        Raises:
            ConfigurationError: no role is given and the back end has no default, or it cannot be
                looked up.
        """
        role = role or self.backend.default_role
        if role is None:
            raise ConfigurationError(
                "role is missing: give the name or ARN of an IAM role that SageMaker may assume"
            )
        if role.startswith("arn:"):
            return role
        try:
            with translated_errors():
                answer = self.client("iam").get_role(RoleName=role.rpartition("/")[2])
        except RequestError as error:
            if error.code not in ("NoSuchEntity", "AccessDenied", "ValidationError"):
                raise
            raise ConfigurationError(
                f"the role {role!r} cannot be looked up ({error}); check the name, or give the "
                "role's full ARN"
            ) from error
        return str(answer["Role"]["Arn"])

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
        with self._lock:
            if bucket in self._buckets:
                return
        expected = {} if owner is None else {"ExpectedBucketOwner": owner}
        try:
            with translated_errors():
                self.client("s3").head_bucket(Bucket=bucket, **expected)
        except RequestError as error:
            if error.code in ("403", "AccessDenied"):
                raise _not_yours(bucket, error) from error
            if error.code not in ("404", "NoSuchBucket"):
                raise
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
            if error.code in ("BucketAlreadyExists", "AccessDenied"):
                raise _not_yours(bucket, error) from error
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
            RequestError: the upload was refused.
        """
        source = Path(os.path.expanduser(path))
        check_holds_data(source)
        bucket = bucket or self.default_bucket()
        prefix = key_prefix.strip("/")
        with translated_errors():
            upload_tree(self.client("s3"), source, bucket=bucket, prefix=prefix)
        return uploaded_uri(source, bucket=bucket, prefix=prefix)


def session_for(session: Session | None, instance_type: str | None) -> Session:
    """The user's Session, or a new one on the back end that `instance_type` belongs to.

    Raises:
        ConfigurationError: `instance_type` belongs to another back end than the Session's.
        UnknownBackendError: a plugin that is not installed would know it.
    """
    if instance_type is None or (session and instance_type in session.backend.instance_types):
        return session or Session()
    wanted = _backend_of(instance_type)
    if session is None:
        return Session(backend=wanted)
    if wanted is not None:
        raise ConfigurationError(
            f"instance type {instance_type!r} belongs to the back end {wanted!r}, but the Session "
            f"is on {session.backend.name!r}: give Session(backend={wanted!r}), or leave "
            "sagemaker_session out"
        )
    return session


def _not_yours(bucket: str, error: RequestError) -> ConfigurationError:
    return ConfigurationError(
        f"bucket {bucket!r} is not yours to use ({error}); name another one in output_path= or "
        "code_location="
    )


def _backends() -> dict[str, dict[str, Backend]]:
    from sm_core.plugins import client_plugins

    return _collected(client_plugins())


@cache
def _collected(plugins: PluginManager) -> dict[str, dict[str, Backend]]:
    """Back ends by name, and of each name by the plugin that brings it."""
    backends: dict[str, dict[str, Backend]] = {}
    for plugin, backend in plugins.collect("sm_backends", Backend):
        backends.setdefault(backend.name, {})[plugin] = backend
    return backends


def _backend(name: str) -> Backend:
    backends = _backends()
    if name not in backends:
        raise UnknownBackendError(_unknown_backend(name))
    (backend, *others) = backends[name].values()
    if others:
        raise PluginError(
            f"several plugins bring the back end {name!r}: {', '.join(backends[name])}; "
            "uninstall all but one of them"
        )
    return backend


def _unknown_backend(name: str) -> str:
    from sm_core.plugins import client_plugins

    text = f"no installed plugin brings the back end {name!r}"
    distribution = _KNOWN_DISTRIBUTIONS.get(name)
    broken = [load for load in client_plugins().broken() if load.distribution == distribution]
    if broken:
        return f"{text}: {broken[0].describe()}"
    if distribution is not None:
        return f"{text}; install it with: pip install {distribution}"
    names = sorted(_backends())
    near = difflib.get_close_matches(name, [*names, *_KNOWN_DISTRIBUTIONS], n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    return f"{text}{hint} There are: {', '.join(names)}"


def _backend_of(instance_type: str) -> str | None:
    """The back end that alone knows `instance_type`, if there is one."""
    for name, brought in _backends().items():
        if any(instance_type in backend.instance_types for backend in brought.values()):
            return name
    return _KNOWN_INSTANCE_TYPES.get(instance_type)
