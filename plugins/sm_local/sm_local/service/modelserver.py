"""One model server: its folder, its process under a supervisor, and the way to talk to it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import aiohttp

from sm_core.archives import unpack
from sm_core.errors import ArchiveError, LocalServiceError
from sm_local import processes
from sm_local.service.checks import s3_location
from sm_local.service.containers import container_environment
from sm_local.service.context import Context
from sm_local.service.detached import completed
from sm_local.service.environmentstore import Container
from sm_local.service.errors import ServiceError
from sm_local.service.folders import remove_tree
from sm_local.service.hosting import Endpoint, Instance, Variant
from sm_local.service.mltree import MLTree

__all__ = ["ModelServer", "ServerFailed", "endpoint_folder", "key_owner", "server_log"]

#: Seconds between SIGTERM and SIGKILL, as on AWS.
GRACE = 30
_PATIENCE = GRACE + 15.0
_POLL = 0.05
#: Seconds that GET /ping may take, as on AWS.
_PING_TIMEOUT = 2.0
#: Seconds that an unused connection is kept: less than servers keep theirs (uvicorn: 5), so that
#: no request is sent into a connection that the server is about to close.
_KEEP_ALIVE = 3.0
_HOST = "server"
#: Log lines that tell why a server ended.
_TAIL = 20


class ServerFailed(Exception):
    """The model server cannot be started, or ended before it was healthy.

    Attributes:
        tail: the last lines that it logged.
    """

    def __init__(self, message: str, *, tail: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.tail = tuple(tail)


class ModelServer:
    """One instance of a variant."""

    def __init__(
        self, context: Context, *, endpoint: Endpoint, variant: Variant, instance: Instance
    ) -> None:
        self.variant = variant
        self._context = context
        self._endpoint = endpoint
        self._folder = endpoint_folder(context, endpoint) / instance.folder
        self._log = server_log(context, endpoint, instance=instance)
        self._tree = MLTree(self._folder / _HOST / "ml")
        self._session: aiohttp.ClientSession | None = None
        self._socket: str | None = None

    @property
    def is_connected(self) -> bool:
        """Whether `connect` was called for the server that was launched last."""
        return self._session is not None

    @property
    def has_model(self) -> bool:
        """Whether the model's files are in place."""
        return self._tree.model.is_dir()

    @property
    def session(self) -> aiohttp.ClientSession:
        """The pool of connections to the server.

        Raises:
            ServerFailed: no server was started.
        """
        if self._session is None:
            raise ServerFailed("the model server is not running")
        return self._session

    async def connect(self, socket: str) -> None:
        """Talk to the server that listens, or will listen, on `socket`."""
        await self.disconnect()
        self._socket = socket
        connector = aiohttp.UnixConnector(path=socket, limit=0, keepalive_timeout=_KEEP_ALIVE)
        self._session = aiohttp.ClientSession(
            "http://localhost",
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    async def disconnect(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
        self._session = None

    def log(self, text: str) -> None:
        """Add to the server's log. Blocks, for a moment."""
        processes.log_line(self._log, text)

    async def place_model(self) -> None:
        """Unpack the model's archive where the server looks for it.

        Raises:
            ServerFailed: there is no such object, or it is no archive.
        """
        await completed(self._place_model, name=f"unpack {self._endpoint.name}")

    async def launch(self, container: Container, socket: Path) -> None:
        """Start the server under a supervisor of its own.

        Raises:
            ServerFailed: the supervisor cannot be started.
        """
        work = partial(self._launch, container, socket)
        await completed(work, name=f"launch {self._endpoint.name}")

    async def is_alive(self) -> bool:
        """Whether the server's process runs."""
        status = await asyncio.to_thread(processes.status, self._folder)
        return status.alive and status.finished is None

    async def is_healthy(self) -> bool:
        """Whether the server says that it is ready to answer."""
        timeout = aiohttp.ClientTimeout(total=_PING_TIMEOUT)
        try:
            async with self.session.get("/ping", timeout=timeout) as response:
                return response.status == 200
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError):
            return False

    def is_listening(self) -> bool:
        """Whether the server's socket is where it was; somebody may have cleaned up /tmp."""
        return self._socket is not None and os.path.exists(self._socket)

    async def can_connect(self) -> bool:
        """Whether somebody listens on the server's socket, however busy."""
        if self._socket is None:
            return False
        try:
            connecting = asyncio.open_unix_connection(self._socket)
            _, writer = await asyncio.wait_for(connecting, _PING_TIMEOUT)
        except asyncio.TimeoutError:
            return True
        except OSError:
            return False
        writer.close()
        return True

    async def post_mortem(self) -> ServerFailed:
        """How the server ended, and the last lines that it logged."""
        return await asyncio.to_thread(self._post_mortem)

    async def stop(self) -> None:
        """End the server: SIGTERM, 30 seconds, SIGKILL; and whatever it has left running."""
        await self.disconnect()
        await completed(self._stop, name=f"stop {self._endpoint.name}")

    def _place_model(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        remove_tree(self._tree.base)
        self._tree.base.mkdir(parents=True)
        url = self.variant.container.get("ModelDataUrl")
        if url is None:
            self._tree.model.mkdir()
            return
        archive = self._folder / "model.tar.gz"
        try:
            where = s3_location(url, "ModelDataUrl")
            self._context.objects.copy_out(where.bucket, where.key, archive)
            unpack(archive, self._tree.model)
        except ServiceError as error:
            raise ServerFailed(f"the model data at {url} is not there: {error.message}") from error
        except (ArchiveError, OSError) as error:
            raise ServerFailed(f"the model data at {url} cannot be unpacked: {error}") from error
        finally:
            archive.unlink(missing_ok=True)

    def _launch(self, container: Container, socket: Path) -> None:
        directory = self._folder / _HOST / "work"
        directory.mkdir(parents=True, exist_ok=True)
        environment = container_environment(
            self._context,
            container,
            base=self._tree.base,
            credentials=self._context.keys.issue(key_owner(self._endpoint)),
            platform={},
            requested=self.variant.container.get("Environment", {}),
            socket=socket,
        )
        host = processes.HostProcess(
            name=_HOST,
            command=(container.python, *container.spec.serve),
            environment=environment,
            directory=directory,
            log=self._log,
        )
        try:
            processes.launch(self._folder, [host], max_runtime=None, grace=GRACE)
        except LocalServiceError as error:
            raise ServerFailed(str(error)) from error

    def _post_mortem(self) -> ServerFailed:
        status = processes.status(self._folder)
        if status.finished is not None:
            code = status.finished.codes.get(_HOST, 0)
            how = f"exit code {processes.exit_text(code)}"
        else:
            how = "its supervisor killed"
        lines = self._last_lines(_TAIL)
        return ServerFailed(f"The model server ended with {how}.", tail=lines)

    def _last_lines(self, count: int) -> list[str]:
        kept: list[str] = []
        offset = 0
        while True:
            lines, offset = processes.read_log(self._log, offset)
            if not lines:
                return kept
            kept = [*kept, *(text for _, text in lines)][-count:]

    def _stop(self) -> None:
        processes.stop(self._folder)
        deadline = time.monotonic() + _PATIENCE
        while processes.status(self._folder).alive:
            if time.monotonic() > deadline:
                raise LocalServiceError(f"the supervisor of {self._folder} does not end")
            time.sleep(_POLL)
        processes.sweep(self._folder)


def endpoint_folder(context: Context, endpoint: Endpoint) -> Path:
    """The endpoint's own folder."""
    return context.home.endpoints / endpoint.folder


def server_log(context: Context, endpoint: Endpoint, *, instance: Instance) -> Path:
    """The log file of one of the endpoint's instances."""
    return endpoint_folder(context, endpoint) / instance.folder / "logs" / f"{_HOST}.log"


def key_owner(endpoint: Endpoint) -> str:
    """Whose the endpoint's key pair is."""
    return f"endpoint/{endpoint.name}"
