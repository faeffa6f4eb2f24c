"""A serving container: the process that owns the socket, and its workers that answer."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket

import uvloop

from sm_core.container.accesslog import AccessLog
from sm_core.container.code import fetch_code
from sm_core.container.environment import ServingEnvironment
from sm_core.container.errors import ContainerError
from sm_core.container.limits import ServingLimits
from sm_core.container.logs import configure_logging
from sm_core.container.metrics import metrics_sent
from sm_core.container.pool import Pool
from sm_core.container.process import StopRequested, raise_on_stop
from sm_core.container.requirements import install_requirements
from sm_core.errors import SMError

__all__ = ["serve"]

logger = logging.getLogger(__name__)


def serve() -> int:
    """Serve the model that the environment describes until SIGTERM; the exit code."""
    configure_logging(logging.INFO)
    try:
        environment = ServingEnvironment.read()
        limits = ServingLimits.read(environment)
        configure_logging(environment.log_level)
        with raise_on_stop():
            _prepare(environment)
        listener = _bind(environment)
    except StopRequested:
        logger.info("stopped before the model was loaded")
        return 0
    except SMError as error:
        logger.error("%s", error)
        return 1
    try:
        with metrics_sent(environment):
            return uvloop.run(_run(environment, limits, listener))
    finally:
        listener.close()
        if environment.socket_path is not None:
            environment.socket_path.unlink(missing_ok=True)


def _prepare(environment: ServingEnvironment) -> None:
    """Code and its requirements, in place for the workers."""
    if environment.submit_directory is not None and environment.submit_directory.startswith("s3:"):
        fetch_code(environment.submit_directory, environment.code_dir, region=environment.region)
    install_requirements(environment.code_dir, environment.base_dir)


def _bind(environment: ServingEnvironment) -> socket.socket:
    """The server's socket; it refuses connections until every worker has loaded the model."""
    path = environment.socket_path
    family = socket.AF_INET if path is None else socket.AF_UNIX
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if path is None:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # A container's port has to be reached from outside the container.
            listener.bind(("0.0.0.0", environment.port))
        else:
            path.unlink(missing_ok=True)
            listener.bind(str(path))
    except OSError as error:
        listener.close()
        where = f"port {environment.port}" if path is None else str(path)
        raise ContainerError(f"the model server cannot listen on {where}: {error}") from error
    return listener


async def _run(
    environment: ServingEnvironment, limits: ServingLimits, listener: socket.socket
) -> int:
    """Serve until a signal, or until no worker can load the model; the exit code."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    pool = Pool(environment.workers, limits)
    running = asyncio.create_task(pool.run())
    ended = asyncio.create_task(_wait_for_end(running, stopping))
    # Let the workers start; they load the model while this process imports its HTTP side.
    await asyncio.sleep(0)
    from sm_core.container.app import Application
    from sm_core.container.server import serve_http

    loaded = asyncio.create_task(pool.loaded())
    await asyncio.wait([loaded, ended], return_when=asyncio.FIRST_COMPLETED)
    if loaded.done() and not stopping.is_set():
        application = Application(
            pool,
            max_payload=limits.max_payload,
            access_log=AccessLog() if limits.access_log else None,
        )
        giving_up = asyncio.create_task(_give_up(pool, stopping, limits.grace))
        await serve_http(application, listener, limits=limits, stopping=stopping)
        giving_up.cancel()
    loaded.cancel()
    pool.stop()
    return await running


async def _wait_for_end(running: asyncio.Task[int], stopping: asyncio.Event) -> None:
    """Stop when the workers have ended."""
    stopped = asyncio.create_task(stopping.wait())
    await asyncio.wait([running, stopped], return_when=asyncio.FIRST_COMPLETED)
    stopping.set()


async def _give_up(pool: Pool, stopping: asyncio.Event, grace: float) -> None:
    """Leave no request without an answer when the time to stop is over."""
    await stopping.wait()
    await asyncio.sleep(grace)
    pool.give_up("the model server stops")
