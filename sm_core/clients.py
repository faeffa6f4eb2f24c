"""The boto3 clients of a Session: made on first use, request hooks attached, errors translated."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import boto3
import botocore.exceptions
from botocore.model import OperationModel

from sm_core.backends import Backend
from sm_core.errors import ConfigurationError, RequestError, SMError
from sm_core.requests import shape_request

__all__ = ["Clients", "translated_errors"]


class Clients:
    """One back end's clients, all of one boto3 session."""

    def __init__(
        self,
        backend: Backend,
        *,
        boto_session: boto3.Session | None = None,
        given: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Args:
            backend: where requests go; makes the boto3 session unless one is given.
            boto_session: the user's own.
            given: the user's own clients, by service name.
        """
        self._backend = backend
        self._boto_session = boto_session
        self._lock = threading.RLock()
        self._clients = dict(given or {})
        for service, client in self._clients.items():
            self._attach_hooks(service, client)

    @property
    def boto_session(self) -> boto3.Session:
        """The boto3 session, made now if need be."""
        with self._lock:
            if self._boto_session is None:
                with translated_errors():
                    self._boto_session = self._backend.boto_session()
            return self._boto_session

    def get(self, service: str) -> Any:
        """The client of `service` (boto3's name), made on first use.

        Raises:
            ConfigurationError: no region is configured.
        """
        with self._lock:
            if service not in self._clients:
                with translated_errors():
                    session: Any = self.boto_session  # typed clients want a literal name
                    client = session.client(service)
                self._attach_hooks(service, client)
                self._clients[service] = client
            return self._clients[service]

    def region(self) -> str | None:
        """The region of the clients, without making one; None where none is configured."""
        with self._lock:
            for client in self._clients.values():
                return str(client.meta.region_name)
            return self.boto_session.region_name

    def _attach_hooks(self, service: str, client: Any) -> None:
        def amend(params: dict[str, Any], model: OperationModel, **_: Any) -> Any:
            return shape_request(
                params, service=service, operation=model.name, backend=self._backend.name
            )

        client.meta.events.register("provide-client-params", amend)


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise botocore's errors as this SDK's, saying what to do about the common ones."""
    try:
        yield
    except SMError:
        raise
    except botocore.exceptions.ClientError as error:
        raise _refusal(error) from error
    except (
        botocore.exceptions.NoRegionError,
        botocore.exceptions.NoCredentialsError,
        botocore.exceptions.PartialCredentialsError,
        botocore.exceptions.ProfileNotFound,
    ) as error:
        raise ConfigurationError(
            f"{error} Configure AWS (`aws configure`, AWS_PROFILE, AWS_DEFAULT_REGION, or a "
            "boto_session of your own), or work on this machine: Session.local(), with sm-local "
            "installed"
        ) from error
    except botocore.exceptions.ParamValidationError as error:
        raise ConfigurationError(str(error)) from error
    except botocore.exceptions.BotoCoreError as error:
        raise RequestError(str(error)) from error


def _refusal(error: botocore.exceptions.ClientError) -> RequestError:
    details = error.response.get("Error", {})
    code, message = details.get("Code", ""), details.get("Message", "")
    operation = error.operation_name
    return RequestError(f"{operation}: {message} ({code})", code=code, operation=operation)
