"""The service as an ASGI application: it knows who is asking and which service they mean.

Nothing is looked at before the signature is checked, but what the request claims to be for, so that
even a refusal comes in the protocol that the client understands.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, MutableMapping
from typing import Any, Protocol

from sm_local.home import Home
from sm_local.service import iam, query, sts
from sm_local.service.aws_json import JsonService, error_response
from sm_local.service.context import Context
from sm_local.service.control import Control, Endpoints, Jobs
from sm_local.service.errors import ServiceError, is_disk_full, no_space
from sm_local.service.query import QueryService
from sm_local.service.s3 import S3
from sm_local.service.signatures import Authenticator, claimed
from sm_local.service.uploads import Uploads
from sm_local.service.wire import Caller, FileSlice, Request, Response

__all__ = ["Application", "Service", "create_app"]

logger = logging.getLogger(__name__)

_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Service(Protocol):
    """What answers the requests for one service, in its protocol."""

    async def handle(self, request: Request, caller: Caller) -> Response:
        """The answer to a request that `caller` signed.

        Raises:
            ServiceError: the request is refused.
        """

    def error(self, error: ServiceError, request: Request) -> Response:
        """The answer to a request that is refused."""


class Application:
    """ASGI 3 for HTTP; one for each process."""

    def __init__(
        self,
        context: Context,
        services: Mapping[str, Service],
        *,
        port: int,
        jobs: Jobs,
        endpoints: Endpoints,
    ) -> None:
        """Assemble the application.

        Args:
            context: that the parts share.
            services: by the name under which requests for them are signed.
            port: where the process listens, on 127.0.0.1.
            jobs: that live as long as the application.
            endpoints: that live as long as the application.
        """
        self._context = context
        self._jobs = jobs
        self._endpoints = endpoints
        self._control = Control(context, port=port, jobs=jobs, endpoints=endpoints)
        self._services: Mapping[str, Service] = {"sm-local": self._control, **services}
        self._authenticator = Authenticator(
            context.keys, {f"127.0.0.1:{port}", f"localhost:{port}"}
        )
        #: When the last request came or was answered, by `time.monotonic`.
        self.last_request = time.monotonic()

    @property
    def shutdown_requested(self) -> asyncio.Event:
        """Set when somebody asked the process to end."""
        return self._control.shutdown_requested

    async def startup(self) -> None:
        """Take up jobs and endpoints where the last service left them."""
        await self._jobs.start()
        await self._endpoints.start()

    async def shutdown(self, stop_endpoints: bool) -> None:
        """Let go of jobs, which run on, and of endpoints; nothing is answered afterwards.

        Args:
            stop_endpoints: end their model servers; the next service brings them back.
        """
        if stop_endpoints:
            await self._endpoints.stop_all()
        await self._endpoints.stop()
        await self._jobs.stop()
        await self._context.close()

    def busy(self) -> bool:
        """Whether there are jobs in progress, or endpoints."""
        return bool(self._jobs.running() or self._endpoints.running())

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise NotImplementedError(f"ASGI's {scope['type']}")
        self.last_request = time.monotonic()
        body = _Body(receive)
        request = Request.from_asgi(scope, body.stream(), request_id=str(uuid.uuid4()))
        try:
            response = await self._answer(request)
            if body.awaited(request):
                # The client holds the body back; the next bytes on this connection might be it.
                response.headers["connection"] = "close"
            try:
                await _respond(request, response, send)
            finally:
                if isinstance(response.body, FileSlice):
                    response.body.file.close()
        except _Disconnected:
            logger.info("the client of %s %s went away", request.method, request.path)
        finally:
            self.last_request = time.monotonic()

    async def _answer(self, request: Request) -> Response:
        service = self._service(request)
        try:
            caller = await self._authenticator.caller(request)
            response = await service.handle(request, caller)
        except ServiceError as error:
            response = service.error(error, request)
        except _Disconnected:
            raise
        except Exception as error:
            logger.exception("%s %s failed", request.method, request.path)
            response = service.error(self._failure(error), request)
        return response

    def _failure(self, error: Exception) -> ServiceError:
        """What the client is told of an error that no handler expects."""
        home = self._context.home
        if is_disk_full(error):
            return no_space(home.path, error)
        return ServiceError(
            "InternalFailure",
            f"the local service failed ({type(error).__name__}: {error}); its log has more:"
            f" {home.service_log}",
            status=500,
        )

    def _service(self, request: Request) -> Service:
        """What the request seems to be for."""
        try:
            name = claimed(request).service
        except ServiceError:
            # Not signed as it should be, so that only its looks are left.
            if "x-amz-target" in request.headers or request.path.startswith("/_sm_local/"):
                name = "sm-local"
            elif request.headers.get("content-type", "").startswith("application/x-www-form"):
                name = "sts"
            else:
                name = "s3"
        return self._services.get(name) or _Absent(name, self._services)


class _Absent:
    """A service that AWS may have and the local service has not."""

    def __init__(self, name: str, services: Collection[str]) -> None:
        self._name = name
        self._services = services

    async def handle(self, request: Request, caller: Caller) -> Response:
        raise ServiceError(
            "UnknownOperationException",
            f"the local service does not have the service {self._name!r}; it has"
            f" {', '.join(sorted(self._services))}",
            status=404,
        )

    def error(self, error: ServiceError, request: Request) -> Response:
        """In the protocol that the request looks like: its service's own is not known here."""
        if "x-amz-target" in request.headers or "json" in request.headers.get("content-type", ""):
            return error_response(error)
        response = query.error_response(error, request_id=request.request_id)
        # Some REST services have JSON; their clients find the code here.
        response.headers["x-amzn-errortype"] = error.code
        return response


class SageMakerService:
    """SageMaker's two services, which are signed alike: control plane and runtime."""

    def __init__(self, control_plane: JsonService, invoke: _Invoke) -> None:
        """Send calls that name a target to `control_plane`, invocations to `invoke`."""
        self._control_plane = control_plane
        self._invoke = invoke

    async def handle(self, request: Request, caller: Caller) -> Response:
        """The answer to a request that `caller` signed."""
        if "x-amz-target" in request.headers:
            return await self._control_plane.handle(request, caller)
        match request.method, request.path.split("/"):
            case "POST", ["", "endpoints", name, "invocations"]:
                return await self._invoke(name, request)
        raise ServiceError(
            "UnknownOperationException",
            f"the local service does not have SageMaker Runtime's {request.method}"
            f" {request.path}; it has InvokeEndpoint",
            status=404,
        )

    def error(self, error: ServiceError, request: Request) -> Response:
        """The answer to a request that is refused."""
        return error_response(error)


_Invoke = Callable[[str, Request], Awaitable[Response]]


def create_app(home: Home, *, port: int) -> Application:
    """The whole local service over the state in `home`, to be served on 127.0.0.1:`port`.

    Raises:
        LocalServiceError: the state is not to be used.
    """
    from sm_local.service.endpoints import Endpoints as EndpointLives
    from sm_local.service.environmentstore import Environments
    from sm_local.service.logs import Logs
    from sm_local.service.runtime import Runtime
    from sm_local.service.sagemaker import SageMaker
    from sm_local.service.training import Training

    context = Context.open(home, port=port)
    environments = Environments(context)
    jobs = Training(context, environments=environments)
    endpoints = EndpointLives(context, environments=environments)
    environments.forget_secrets(lambda: jobs.environments() | endpoints.environments())
    control_plane = JsonService("sagemaker", SageMaker(context, jobs, endpoints).operations)
    services: dict[str, Service] = {
        **storage_services(context),
        "sagemaker": SageMakerService(control_plane, Runtime(context, endpoints).invoke_endpoint),
        "logs": JsonService("logs", Logs(context).operations, invalid="InvalidParameterException"),
    }
    return Application(context, services, port=port, jobs=jobs, endpoints=endpoints)


def storage_services(context: Context) -> dict[str, Service]:
    """The services that need neither jobs nor endpoints."""
    return {
        "s3": S3(context.objects, Uploads(context.database, context.objects)),
        "sts": QueryService("sts", sts.OPERATIONS),
        "iam": QueryService("iam", iam.OPERATIONS),
    }


class _Disconnected(Exception):
    """The client is gone before its request was complete."""


class _Body:
    """The body of a request, from ASGI's messages."""

    def __init__(self, receive: _Receive) -> None:
        self._receive = receive
        self._touched = False

    async def stream(self) -> AsyncIterator[bytes]:
        """The bytes as they come.

        Raises:
            _Disconnected: the client goes away before the end.
        """
        self._touched = True
        while True:
            message = await self._receive()
            if message["type"] != "http.request":
                raise _Disconnected
            if message.get("body"):
                yield message["body"]
            if not message.get("more_body"):
                return

    def awaited(self, request: Request) -> bool:
        """Whether the client still waits to be told that it may send the body."""
        return "100-continue" in request.headers.get("expect", "").lower() and not self._touched


async def _respond(request: Request, response: Response, send: _Send) -> None:
    body = response.body
    headers = {
        "x-amzn-requestid": request.request_id,
        "x-amz-request-id": request.request_id,
        **response.headers,
    }
    if isinstance(body, bytes) and response.status not in (204, 304):
        headers.setdefault("content-length", str(len(body)))
    elif isinstance(body, FileSlice):
        headers.setdefault("content-length", str(body.length))
    await send(
        {
            "type": "http.response.start",
            "status": response.status,
            "headers": [(k.encode("latin-1"), v.encode("latin-1")) for k, v in headers.items()],
        }
    )
    if isinstance(body, bytes):
        content = b"" if request.method == "HEAD" else body
        await send({"type": "http.response.body", "body": content})
        return
    async for chunk in body.chunks() if isinstance(body, FileSlice) else body:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
