"""Requests to the service about itself, for the user alone: how it is, and that it should end."""

from __future__ import annotations

import asyncio
import time
from importlib.metadata import version
from typing import Any, Protocol

import orjson

from sm_local.service.aws_json import error_response, json_response
from sm_local.service.context import Context
from sm_local.service.errors import ServiceError, access_denied
from sm_local.service.wire import Caller, Request, Response

__all__ = ["Control", "Endpoints", "Jobs"]

#: Seconds that training jobs have to end: AWS's two minutes of grace, and time to upload.
_JOB_SECONDS = 150
_PAUSE_SECONDS = 0.05
_MAX_BODY = 4096


class Jobs(Protocol):
    """The training jobs, as far as the service's own life is concerned."""

    async def start(self) -> None:
        """Go on where the last service ended."""

    async def stop(self) -> None:
        """Let go of them; they run on."""

    def running(self) -> list[str]:
        """Names of those that have not ended."""

    async def stop_job(self, name: str) -> None:
        """Ask one to end."""


class Endpoints(Protocol):
    """The endpoints, as far as the service's own life is concerned."""

    async def start(self) -> None:
        """Bring back those that there should be."""

    async def stop(self) -> None:
        """Let go of them; their model servers run on."""

    async def stop_all(self) -> list[str]:
        """End all model servers, to come back with the next service; names of the endpoints."""

    def running(self) -> list[str]:
        """Names of those that have model servers, or are getting them."""


class Control:
    """What answers under ``/_sm_local/``."""

    def __init__(self, context: Context, *, port: int, jobs: Jobs, endpoints: Endpoints) -> None:
        """Report on, and end, what is given."""
        self._context = context
        self._port = port
        self._jobs = jobs
        self._endpoints = endpoints
        #: Set when the process should end.
        self.shutdown_requested = asyncio.Event()

    async def handle(self, request: Request, caller: Caller) -> Response:
        """Run and answer one request.

        Raises:
            ServiceError: whatever is wrong with it.
        """
        if not caller.is_user:
            raise access_denied("only the user may ask the local service about itself")
        match request.method, request.path:
            case "GET", "/_sm_local/status":
                return json_response(await self._status())
            case "POST", "/_sm_local/shutdown":
                return json_response(await self._shutdown(await request.body(_MAX_BODY)))
        raise ServiceError(
            "UnknownOperationException",
            f"the local service has no {request.method} {request.path}",
            status=404,
        )

    def error(self, error: ServiceError, request: Request) -> Response:
        """`error` as JSON."""
        return error_response(error)

    async def _status(self) -> dict[str, Any]:
        # Trying it out, for the first who asks, takes a tenth of a second.
        network = await asyncio.to_thread(self._context.networks.find)
        return {
            "version": version("sm-local"),
            "home": str(self._context.home.path),
            "port": self._port,
            "jobs": {"running": len(self._jobs.running())},
            "endpoints": self._endpoints.running(),
            "hosts": {"network": network.name, "reason": network.reason},
        }

    async def _shutdown(self, body: bytes) -> dict[str, Any]:
        try:
            members = orjson.loads(body or b"{}")
        except orjson.JSONDecodeError as error:
            raise ServiceError(
                "SerializationException", f"the body is not JSON: {error}"
            ) from error
        if not isinstance(members, dict) or not isinstance(members.get("jobs", False), bool):
            raise ServiceError("ValidationException", 'the body must be {"jobs": true or false}')
        if members.get("jobs"):
            await self._stop_jobs()
        stopped = await self._endpoints.stop_all()
        self.shutdown_requested.set()
        return {"endpoints_stopped": stopped, "jobs_running": self._jobs.running()}

    async def _stop_jobs(self) -> None:
        names = self._jobs.running()
        # One that ended, or is stopping, refuses: that is what was wanted.
        outcomes = await asyncio.gather(
            *(self._jobs.stop_job(name) for name in names), return_exceptions=True
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and not isinstance(outcome, ServiceError):
                raise outcome
        deadline = time.monotonic() + _JOB_SECONDS
        while set(names) & set(self._jobs.running()) and time.monotonic() < deadline:
            await asyncio.sleep(_PAUSE_SECONDS)
