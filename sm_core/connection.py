"""``Connection``: a back end's boto3 clients, and what they alone tell about an account."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

from sm_core.backends import Backend, find_backend
from sm_core.clients import WAYS_OUT, Clients, translated_errors
from sm_core.errors import ConfigurationError

if TYPE_CHECKING:
    import boto3

__all__ = ["Connection"]

#: Chooses the back end where the code does not.
BACKEND_VARIABLE = "SMCORE_BACKEND"

#: Where requests go if nothing says otherwise.
DEFAULT_BACKEND = "aws"


class Connection:
    """Holds the boto3 clients that everything else uses; a `Session` is one with more to offer.

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
        self.backend: Backend = find_backend(backend or chosen)
        self._clients = Clients(self.backend, boto_session=boto_session, given=given)
        self._lock = threading.Lock()
        self._account: str | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(backend={self.backend.name!r})"

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
