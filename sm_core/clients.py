"""The boto3 clients of a Session: made on first use, request hooks attached, errors translated."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import boto3
import botocore.exceptions as aws
from boto3.exceptions import Boto3Error
from botocore.endpoint import DEFAULT_TIMEOUT
from botocore.model import OperationModel

from sm_core.backends import Backend
from sm_core.errors import ConfigurationError, ModelError, RequestError
from sm_core.invocations import RUNTIME_CONFIG, sent_once
from sm_core.requests import shape_request
from sm_core.text import printable, shortened

__all__ = ["Clients", "is_passing", "may_have_arrived", "translated_errors"]

#: What only a change of the AWS configuration helps against.
_UNCONFIGURED = (
    aws.ConfigNotFound,
    aws.ConfigParseError,
    aws.CredentialRetrievalError,
    aws.InfiniteLoopConfigError,
    aws.InvalidConfigError,
    aws.InvalidRegionError,
    getattr(aws, "LoginError", aws.SSOError),  # newer than the oldest boto3 that will do
    aws.NoAuthTokenError,
    aws.NoCredentialsError,
    aws.NoRegionError,
    aws.PartialCredentialsError,
    aws.ProfileNotFound,
    aws.SSOError,
    aws.TokenRetrievalError,
    aws.UnknownCredentialError,
)
#: How an answer begins that no service of AWS gave: a page of HTML.
_PAGE = re.compile(r"\s*<(?:!doctype html|html)\b", re.IGNORECASE)
#: Codes of services that are asked too often.
_THROTTLED = frozenset(
    {
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "Throttling",
        "ThrottledException",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
#: Characters that the text of an error shows of what a container said.
_MESSAGE_LIMIT = 4096
WAYS_OUT = (
    "Configure AWS (`aws configure`, AWS_PROFILE, AWS_DEFAULT_REGION, or a boto_session of your "
    "own), or work on this machine: Session.local(), with sm-local installed"
)


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
        #: Region of the user's own clients: the others look after what those start.
        self._region: str | None = next(
            (str(client.meta.region_name) for client in self._clients.values()), None
        )
        for service, client in self._clients.items():
            self._attach_hooks(service, client)

    @property
    def boto_session(self) -> boto3.Session:
        """The boto3 session, made now if need be.

        Raises:
            ConfigurationError: the AWS configuration is unusable.
        """
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
                    client = self._made(service)
                self._attach_hooks(service, client)
                self._clients[service] = client
            return self._clients[service]

    def _made(self, service: str) -> Any:
        session: Any = self.boto_session  # typed clients want a literal name
        client = session.client(service, region_name=self._region)
        if service == "sagemaker-runtime" and client.meta.config.read_timeout == DEFAULT_TIMEOUT:
            # The user's session sets no time of its own.
            client = session.client(service, region_name=self._region, config=RUNTIME_CONFIG)
        return client

    def region(self) -> str | None:
        """The region of the clients, without making one; None where none is configured."""
        with self._lock:
            if self._region is not None:
                return self._region
            with translated_errors():
                return self.boto_session.region_name

    def _attach_hooks(self, service: str, client: Any) -> None:
        def amend(params: dict[str, Any], model: OperationModel, **_: Any) -> Any:
            return shape_request(
                params, service=service, operation=model.name, backend=self._backend.name
            )

        # A client that several Sessions are given shows its calls to the hooks once.
        events = client.meta.events
        events.register("provide-client-params", amend, unique_id="sm-core-request-hooks")
        events.register(
            "needs-retry.sagemaker-runtime.InvokeEndpoint", sent_once, unique_id="sm-core-sent-once"
        )


@contextmanager
def translated_errors(subject: str = "") -> Iterator[None]:
    """Raise boto3's errors as this SDK's, saying what to do about the common ones.

    Args:
        subject: what a call is about, for the message; "" where the operation's name says enough.

    Raises:
        ConfigurationError: region, credentials or profile are missing or wrong, or a request has
            not the form that its operation takes.
        RequestError: the service refused the call, or could not be reached.
    """
    try:
        yield
    except aws.ClientError as error:
        raise _refusal(error, subject) from error
    except _UNCONFIGURED as error:
        raise ConfigurationError(f"{str(error).rstrip('.')}. {WAYS_OUT}") from error
    except aws.ParamValidationError as error:
        raise ConfigurationError(str(error)) from error
    except (aws.BotoCoreError, Boto3Error) as error:
        raise RequestError(f"{subject}: {error}" if subject else str(error)) from error


def is_passing(error: RequestError) -> bool:
    """Whether the same call may well succeed later: throttled, HTTP 5xx, or no connection."""
    cause = error.__cause__
    if isinstance(cause, aws.ClientError):
        response: Mapping[str, Any] = cause.response
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return error.code in _THROTTLED or status >= 500
    return isinstance(cause, (aws.ConnectionError, aws.HTTPClientError))


def may_have_arrived(error: RequestError) -> bool:
    """Whether a call that failed may nevertheless have done what it should."""
    cause = error.__cause__
    if not isinstance(cause, aws.ClientError):
        return not isinstance(cause, aws.ConnectionError)
    response: Mapping[str, Any] = cause.response
    metadata = response.get("ResponseMetadata", {})
    # What refuses a second attempt may be what the first one did.
    return bool(metadata.get("HTTPStatusCode", 0) >= 500 or metadata.get("RetryAttempts", 0))


def _refusal(error: aws.ClientError, subject: str) -> RequestError:
    response: Mapping[str, Any] = error.response
    details: Mapping[str, Any] = response.get("Error", {})
    code = str(details.get("Code", ""))
    if "OriginalMessage" in response:
        return _failed_prediction(response, subject)
    message = str(details.get("Message") or "no message")
    if _PAGE.match(message):
        message = (
            "the answer is a page of HTML, as a proxy or gateway on the way to AWS gives; see "
            "HTTPS_PROXY, NO_PROXY and AWS_ENDPOINT_URL"
        )
    text = f"{error.operation_name}: {message} ({code})"
    return RequestError(
        f"{subject}: {text}" if subject else text, code=code, operation=error.operation_name
    )


def _failed_prediction(response: Mapping[str, Any], subject: str) -> ModelError:
    """InvokeEndpoint's ModelError: what the container said, not what SageMaker says about it."""
    status, said = int(response.get("OriginalStatusCode") or 0), str(response["OriginalMessage"])
    text = f"the container answered {status}" if status else "the container did not answer"
    text = f"{text}: {shortened(printable(said), _MESSAGE_LIMIT) or 'no message'}"
    log = str(response.get("LogStreamArn", "")).partition(":log-group:")[2].partition(":")[0]
    if log and not 400 <= status < 500:
        text = f"{text} (its log: {log})"
    return ModelError(
        f"{subject}: {text}" if subject else text, status=status, container_message=said
    )
