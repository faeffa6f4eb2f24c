"""A serving container: one parent that owns the socket, and the worker processes that answer."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
import time
from contextlib import suppress

from sm_core.container.code import fetch_code
from sm_core.container.environment import ServingEnvironment
from sm_core.container.errors import ContainerError
from sm_core.container.logs import configure_logging
from sm_core.container.process import exit_code_of
from sm_core.container.requirements import install_requirements
from sm_core.errors import SMError

__all__ = ["READY", "serve"]

logger = logging.getLogger(__name__)

#: What a worker sends once it accepts connections.
READY = b"ready\n"
#: Seconds after SIGTERM at which workers are killed; just before the platform kills the container.
_GRACE = 28.0
#: Seconds that a worker must live before its successor is started at once.
_LEAST_LIFE = 1.0


def serve() -> int:
    """Serve the model that the environment describes until SIGTERM; the exit code."""
    configure_logging(logging.INFO)
    try:
        environment = ServingEnvironment.read()
        configure_logging(environment.log_level)
        _prepare(environment)
        listener = _bind(environment)
    except SMError as error:
        logger.error("%s", error)
        return 1
    try:
        return asyncio.run(_Workers(environment, listener).run())
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
    """The server's socket; it refuses connections until the first worker listens on it."""
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


class _Workers:
    """Starts the workers, replaces those that die, and ends them all."""

    def __init__(self, environment: ServingEnvironment, listener: socket.socket) -> None:
        self._environment = environment
        self._listener = listener
        self._running: set[asyncio.subprocess.Process] = set()
        self._stopping = asyncio.Event()

    async def run(self) -> int:
        """Serve until a signal, or until a worker cannot load the model; the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        keepers = [
            asyncio.create_task(self._keep_worker()) for _ in range(self._environment.workers)
        ]
        stopped = asyncio.create_task(self._stopping.wait())
        await asyncio.wait([*keepers, stopped], return_when=asyncio.FIRST_COMPLETED)
        self._stopping.set()
        await self._end_workers(keepers)
        return max(keeper.result() for keeper in keepers)

    async def _end_workers(self, keepers: list[asyncio.Task[int]]) -> None:
        self._signal_workers(signal.SIGTERM)
        _, late = await asyncio.wait(keepers, timeout=_GRACE)
        if late:
            logger.error("%d workers did not end within %.0f seconds", len(late), _GRACE)
            self._signal_workers(signal.SIGKILL)
            await asyncio.wait(late)

    def _signal_workers(self, number: signal.Signals) -> None:
        for process in self._running:
            with suppress(ProcessLookupError):  # it has just ended
                process.send_signal(number)

    async def _keep_worker(self) -> int:
        """Keep one worker alive; 0 when the server stops, else the exit code of one that failed."""
        while not self._stopping.is_set():
            began = time.monotonic()
            ours, theirs = socket.socketpair()
            with ours:
                process = await self._spawn(theirs)
                self._running.add(process)
                was_ready = await _is_ready(ours, process)
                code = exit_code_of(await process.wait())
            self._running.discard(process)
            if self._stopping.is_set():
                break
            if not was_ready:
                logger.error("a worker ended with exit code %d before it was ready", code)
                return code or 1
            logger.error("worker %d ended with exit code %d and is replaced", process.pid, code)
            await self._pause(_LEAST_LIFE - (time.monotonic() - began))
        return 0

    async def _pause(self, seconds: float) -> None:
        if seconds > 0:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _spawn(self, control: socket.socket) -> asyncio.subprocess.Process:
        """Start a worker: a new interpreter, never a fork, which frameworks do not survive."""
        descriptors = (self._listener.fileno(), control.fileno())
        command = (sys.executable, "-m", "sm_core.container.worker", *map(str, descriptors))
        with control:
            process = await asyncio.create_subprocess_exec(*command, pass_fds=descriptors)
        if self._stopping.is_set():
            process.terminate()
        return process


async def _is_ready(control: socket.socket, process: asyncio.subprocess.Process) -> bool:
    """Wait until the worker says that it is ready, or has ended; whether it was ready."""
    control.setblocking(False)
    loop = asyncio.get_running_loop()
    said = asyncio.create_task(loop.sock_recv(control, len(READY)))
    ended = asyncio.create_task(process.wait())
    await asyncio.wait([said, ended], return_when=asyncio.FIRST_COMPLETED)
    ended.cancel()
    if said.done():
        return said.result() == READY
    said.cancel()
    return False
