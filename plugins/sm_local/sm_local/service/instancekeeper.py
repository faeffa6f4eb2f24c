"""One instance of an endpoint brought up and kept up: desired state, whatever dies meanwhile."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from sm_core.errors import LocalServiceError
from sm_local.service.context import Context
from sm_local.service.detached import detached
from sm_local.service.environmentstore import Environments
from sm_local.service.hosting import Endpoint, Instance, Variant
from sm_local.service.modelserver import ModelServer, ServerFailed
from sm_local.service.sockets import new_socket, remove_socket

__all__ = ["InstanceKeeper"]

logger = logging.getLogger(__name__)

#: Seconds in which GET /ping must answer 200 after the start, as on AWS.
_STARTUP_TIMEOUT = 240.0
#: Seconds between two looks at a server that starts, and at one that serves.
_STARTING_POLL = 0.05
_SERVING_POLL = 0.5
#: Seconds before a server that died is started again: first, and at most.
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 30.0
#: Seconds after which a server has proved itself, and the next pause is the first one again.
_PROVED = 60.0
#: Seconds that invocations in progress have when the instance is not wanted any more.
_DRAIN_SECONDS = 60.0

#: Notes where an instance listens, before it does.
Listen = Callable[[Instance, str | None], Awaitable[None]]


class InstanceKeeper:
    """Keeps one instance serving."""

    def __init__(
        self,
        context: Context,
        *,
        environments: Environments,
        endpoint: Endpoint,
        variant: Variant,
        instance: Instance,
        listen: Listen,
    ) -> None:
        self.variant = variant
        self.instance = instance
        self.server = ModelServer(context, endpoint=endpoint, variant=variant, instance=instance)
        #: Invocations in progress.
        self.in_use = 0
        self._name = endpoint.name
        self._socket = instance.socket
        self._record = listen
        self._ready = False
        #: Clear while somebody who waits for the server may hope that it is ready soon.
        self._settled = asyncio.Event()
        self._environments = environments
        self._look = asyncio.Event()

    async def is_ready(self, patience: float) -> bool:
        """Whether the server answers; one that is being started is waited for.

        Args:
            patience: seconds to wait at most.
        """
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._settled.wait(), patience)
        return self._ready

    def doubt(self) -> None:
        """Look at the server now: it did not answer."""
        self._look.set()

    def give_up(self) -> None:
        """Let nobody wait for the server any longer."""
        self._settle(ready=False)

    async def rest(self) -> None:
        """Stop the server only: the instance stays wanted."""
        await self.server.stop()
        await self._forget_socket()

    async def drain(self) -> None:
        """Wait for the invocations in progress, as long as one may take."""
        deadline = time.monotonic() + _DRAIN_SECONDS
        while self.in_use and time.monotonic() < deadline:
            await asyncio.sleep(_STARTING_POLL)

    async def bring_up(self) -> None:
        """Have a healthy server for the first time.

        Raises:
            ServerFailed: it does not become one.
            LocalServiceError: its environment cannot be built.
        """
        if await self._adopt():
            logger.info("endpoint %s: a server was started before", self._name)
        else:
            await self.server.place_model()
            await self._launch()
        seconds = self.variant.request.get(
            "ContainerStartupHealthCheckTimeoutInSeconds", _STARTUP_TIMEOUT
        )
        await self._until_healthy(seconds)
        self._settle(ready=True)

    async def keep_up(self) -> None:
        """Have a healthy server always, until cancelled."""
        pause = _FIRST_PAUSE
        if not self._ready:
            await self._adopt()
        while True:
            began = time.monotonic()
            try:
                if not self._ready:
                    await self._revive()
                    began = time.monotonic()
                await self._until_dead()
                self.server.log("the model server has ended and is started again")
                self._unsettle()
            except (ServerFailed, LocalServiceError) as error:
                self.server.log(f"the model server cannot be started again: {error}")
                self._settle(ready=False)
            if time.monotonic() - began > _PROVED:
                pause = _FIRST_PAUSE
            logger.warning("endpoint %s: next start in %.2f s", self._name, pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _settle(self, *, ready: bool) -> None:
        self._ready = ready
        self._settled.set()

    def _unsettle(self) -> None:
        self._ready = False
        self._settled.clear()

    async def _revive(self) -> None:
        """Have a healthy server: the one that runs, else a new one."""
        self._unsettle()
        if not (self.server.is_connected and await self.server.is_alive()):
            await self.server.stop()
            if not self.server.has_model:
                await self.server.place_model()
            await self._launch()
        await self._until_healthy(_STARTUP_TIMEOUT)
        self._settle(ready=True)

    async def _until_dead(self) -> None:
        while await self.server.is_alive():
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._look.wait(), _SERVING_POLL)
            if self._look.is_set() or not self.server.is_listening():
                self._look.clear()
                if not await self.server.can_connect():
                    await self.server.stop()

    async def _adopt(self) -> bool:
        """Whether there is a server already, started by the last service; talk to it then."""
        socket = self._socket
        if socket is None or not await self.server.is_alive():
            return False
        await self.server.connect(socket)
        return True

    async def _launch(self) -> None:
        build = partial(self._environments.ensure, self.variant.environment, self.server.log)
        with await detached(build, name=f"build {self._name}") as container:
            await self._forget_socket()
            socket = await asyncio.to_thread(new_socket)
            # Recorded first: whoever finds the server later must know where it listens.
            await self._listen(str(socket))
            await self.server.launch(container, socket)
        await self.server.connect(str(socket))

    async def _until_healthy(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not await self.server.is_healthy():
            if not await self.server.is_alive():
                raise await self.server.post_mortem()
            if time.monotonic() > deadline:
                raise ServerFailed(f"GET /ping did not answer 200 within {seconds:.0f} seconds.")
            await asyncio.sleep(_STARTING_POLL)

    async def _forget_socket(self) -> None:
        if self._socket is not None:
            await asyncio.to_thread(remove_socket, Path(self._socket))
            await self._listen(None)

    async def _listen(self, socket: str | None) -> None:
        await self._record(self.instance, socket)
        self._socket = socket
