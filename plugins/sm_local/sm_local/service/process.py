"""The life of the service's process: its lock, its port, when it is ready, and when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
import os
import signal
import socket
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import attrs
import uvicorn
import uvloop

from sm_core.errors import ConfigurationError, LocalServiceError
from sm_local import locks, ports
from sm_local.home import Home, write_private
from sm_local.jobnetwork import network_wanted

if TYPE_CHECKING:
    from sm_local.service.app import Application

__all__ = ["IDLE_VARIABLE", "run"]

logger = logging.getLogger(__name__)

#: Minutes without job, endpoint or request after which the service ends; 0 for never.
IDLE_VARIABLE: Final = "SMCORE_LOCAL_IDLE_MINUTES"
_IDLE_MINUTES: Final = 30.0
#: Seconds in which the lock must be had: longer than anybody needs who only looks at it.
_LOCK_SECONDS: Final = 2.0
#: Seconds between two looks at whether it is time to end.
_WATCH_SECONDS: Final = 5.0
#: Seconds that processes of its own have between SIGTERM and SIGKILL when the service ends.
_CHILD_SECONDS: Final = 2.0
#: Seconds that requests in progress have when the service ends.
_DRAIN_SECONDS: Final = 5
#: Seconds that a connection without requests is kept.
_KEEP_ALIVE_SECONDS: Final = 60


def run(
    home: Home,
    *,
    port: int | None,
    report: Callable[[dict[str, Any]], None],
    owns_group: bool,
) -> None:
    """Serve `home` until a signal, a shutdown request or idleness ends it.

    Args:
        home: the service's folder.
        port: see `sm_local.ports.listen`.
        report: called once, with the members of `sm_local.startup.Service`, when requests are
            answered.
        owns_group: the process group holds this process and what it starts only, so that all of it
            is ended with the service.

    Raises:
        LocalServiceError: another service holds the home, or the port cannot be had.
        ConfigurationError: a variable holds nonsense.
    """
    os.umask(0o077)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    idle_seconds = _idle_seconds()
    network_wanted()
    home.create()
    # Never given back: the lock says that the process lives, to its very end.
    if locks.take(home.service_lock, _LOCK_SECONDS) is None:
        raise LocalServiceError(f"another local service runs in {home.path}")
    # Of a service that was killed; whoever finds it now would take it for this one's.
    home.service_json.unlink(missing_ok=True)
    try:
        with ports.listen(home, port) as listener:
            uvloop.run(_serve(home, listener, idle_seconds, report))
    finally:
        if owns_group:
            _end_group()


def _end_group() -> None:
    """End what the service started and did not wait for, as an installer in the midst of its work.

    The supervisors of jobs and model servers have sessions of their own.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
    deadline = time.monotonic() + _CHILD_SECONDS
    while _has_children():
        if time.monotonic() > deadline:
            # This process included, which has nothing left to do.
            os.killpg(0, signal.SIGKILL)
        time.sleep(0.01)


def _has_children() -> bool:
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return False
    return True


def _idle_seconds() -> float:
    text = os.environ.get(IDLE_VARIABLE) or str(_IDLE_MINUTES)
    try:
        minutes = float(text)
    except ValueError:
        minutes = -1.0
    if not 0 <= minutes < math.inf:
        raise ConfigurationError(
            f"{IDLE_VARIABLE} is {text!r}; it must be a number of minutes, or 0 for never"
        )
    return 60 * minutes or math.inf


async def _serve(
    home: Home,
    listener: socket.socket,
    idle_seconds: float,
    report: Callable[[dict[str, Any]], None],
) -> None:
    from sm_local.service.app import create_app

    port = listener.getsockname()[1]
    app = create_app(home, port=port)
    await app.startup()
    server = _Server(home, app)
    try:
        _end_by_signals(server)
        description = {
            "pid": os.getpid(),
            "port": port,
            "version": version("sm-local"),
            "started": time.time(),
        }
        write_private(home.service_json, json.dumps(description).encode())
        # The socket listens already: a request that comes now waits until the server accepts it.
        report(description)
        logger.info("sm-local %s listens on port %d", description["version"], port)
        watch = asyncio.create_task(_Watch(home, app, server, idle_seconds).run())
        watch.add_done_callback(_report_failure)
        await server.serve(sockets=[listener])
        watch.cancel()
    finally:
        home.service_json.unlink(missing_ok=True)
        await app.shutdown(stop_endpoints=True)
    logger.info("ended")


def _report_failure(watch: asyncio.Task[None]) -> None:
    if not watch.cancelled() and watch.exception() is not None:
        logger.error("the service cannot end by itself", exc_info=watch.exception())


class _Server(uvicorn.Server):
    """Uvicorn, which hides the service from new clients before it turns requests away."""

    def __init__(self, home: Home, app: Application) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                interface="asgi3",
                http="httptools",
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="warning",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=_DRAIN_SECONDS,
            )
        )
        self._home = home

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more requests, and wait for those in progress."""
        self._home.service_json.unlink(missing_ok=True)
        await super().shutdown(sockets)


def _end_by_signals(server: uvicorn.Server) -> None:
    """Let SIGTERM and SIGINT end `server`, and not kill the process, from now to its end.

    Uvicorn has handlers of its own while it serves. After its shutdown it restores those it found
    and raises again what it caught; the service then still has to put its endpoints to rest.
    """

    def end(*_: object) -> None:
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)


@attrs.define
class _Watch:
    """Ends the server when it is asked to, has been idle for long, or its home is gone."""

    _home: Home
    _app: Application
    _server: uvicorn.Server
    _idle_seconds: float

    async def run(self) -> None:
        """Return when the server has been told to end."""
        pause = min(_WATCH_SECONDS, self._idle_seconds / 4)
        active = time.monotonic()
        while True:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._app.shutdown_requested.wait(), pause)
                return self._end("asked to")
            if not self._home.service_json.exists():
                return self._end("the home is gone")
            if self._app.busy():
                active = time.monotonic()
            idle = time.monotonic() - max(active, self._app.last_request)
            if idle >= self._idle_seconds and not self._home.stay_marker.exists():
                return self._end(f"idle for {idle:.0f} s")

    def _end(self, reason: str) -> None:
        logger.info("ending: %s", reason)
        self._server.should_exit = True
