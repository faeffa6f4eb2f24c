"""One endpoint brought up, kept up and taken down: desired state, whatever dies meanwhile."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from sm_core.errors import LocalServiceError
from sm_local.service.context import Context
from sm_local.service.detached import detached
from sm_local.service.environmentstore import Environments
from sm_local.service.folders import remove_tree
from sm_local.service.hosting import Endpoint, Instance
from sm_local.service.modelserver import ModelServer, ServerFailed, endpoint_folder, key_owner
from sm_local.service.sockets import new_socket, remove_socket
from sm_local.service.stores import Store

__all__ = ["EndpointKeeper"]

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
#: Characters of a FailureReason.
_REASON_LIMIT = 1024
_TAIL_TITLE = " Its last log lines:"


class EndpointKeeper:
    """Keeps one endpoint's instance serving."""

    def __init__(
        self,
        context: Context,
        *,
        store: Store[Endpoint],
        environments: Environments,
        endpoint: Endpoint,
    ) -> None:
        self.endpoint = endpoint
        # One variant with one instance; a list of servers when there are more.
        self.server = ModelServer(
            context,
            endpoint=endpoint,
            variant=endpoint.variants[0],
            instance=endpoint.instances[0],
        )
        self._ready = False
        #: Clear while somebody who waits for the server may hope that it is ready soon.
        self._settled = asyncio.Event()
        self._context = context
        self._store = store
        self._environments = environments
        self._look = asyncio.Event()
        self._given_up = False

    @property
    def _instance(self) -> Instance:
        return self.endpoint.instances[0]

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

    async def run(self) -> None:
        """Bring the endpoint up if it is being created, and keep it up until cancelled."""
        try:
            await self._run()
        finally:
            self._given_up = True
            self._settle(ready=False)

    async def _run(self) -> None:
        if self.endpoint.status == "Creating":
            try:
                await self._bring_up()
            except (ServerFailed, LocalServiceError) as error:
                await self._fail(error)
            except Exception as error:
                logger.exception("endpoint %s", self.endpoint.name)
                await self._fail(error)
        if self.endpoint.status == "InService":
            await self._keep_up()

    async def take_down(self) -> None:
        """Stop the server and remove all that belongs to the endpoint, its record last."""
        await self.server.stop()
        await self._forget_socket()
        await self._revoke()
        folder = endpoint_folder(self._context, self.endpoint)
        await detached(partial(remove_tree, folder), name=f"remove {self.endpoint.name}")
        await self._store.delete(self.endpoint.name)

    async def rest(self) -> None:
        """Stop the server only: the endpoint stays wanted."""
        await self.server.stop()
        await self._forget_socket()

    async def _bring_up(self) -> None:
        if await self._adopt():
            logger.info("endpoint %s: its server was started before", self.endpoint.name)
        else:
            await self.server.place_model()
            await self._launch()
        seconds = self.server.variant.request.get(
            "ContainerStartupHealthCheckTimeoutInSeconds", _STARTUP_TIMEOUT
        )
        await self._until_healthy(seconds)
        await self._change(lambda endpoint: endpoint.moved("InService", time.time()))
        self._settle(ready=True)
        logger.info("endpoint %s is in service", self.endpoint.name)

    async def _keep_up(self) -> None:
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
            logger.warning("endpoint %s: next start in %.2f s", self.endpoint.name, pause)
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
        socket = self._instance.socket
        if socket is None or not await self.server.is_alive():
            return False
        await self.server.connect(socket)
        return True

    async def _launch(self) -> None:
        build = partial(self._environments.ensure, self.server.variant.environment, self.server.log)
        container = await detached(build, name=f"build {self.endpoint.name}")
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

    async def _fail(self, error: Exception) -> None:
        reason = failure_reason(self.server.variant.name, error)
        await asyncio.to_thread(self.server.log, str(error))
        await self.server.stop()
        await self._forget_socket()
        await self._revoke()
        await self._change(lambda endpoint: endpoint.moved("Failed", time.time(), reason=reason))
        logger.warning("endpoint %s failed: %s", self.endpoint.name, error)

    async def _revoke(self) -> None:
        await asyncio.to_thread(self._context.keys.revoke, key_owner(self.endpoint))

    async def _forget_socket(self) -> None:
        if self._instance.socket is not None:
            await asyncio.to_thread(remove_socket, Path(self._instance.socket))
            await self._listen(None)

    async def _listen(self, socket: str | None) -> None:
        await self._change(lambda endpoint: endpoint.listening(endpoint.instances[0], socket))

    async def _change(self, function: Callable[[Endpoint], Endpoint]) -> None:
        self.endpoint = await self._store.change(self.endpoint.name, function)


def failure_reason(variant: str, error: Exception) -> str:
    """FailureReason of an endpoint whose server did not become healthy, within AWS's limit.

    Of the log's tail as many of the last lines as there is room for.
    """
    reason = (
        f"The primary container for production variant {variant} did not pass the ping health "
        f"check. Please check CloudWatch logs for this endpoint. {error}"
    )[:_REASON_LIMIT]
    tail = ""
    for line in reversed(getattr(error, "tail", ())):
        longer = f"\n{line}{tail}"
        if len(reason) + len(_TAIL_TITLE) + len(longer) > _REASON_LIMIT:
            break
        tail = longer
    return f"{reason}{_TAIL_TITLE}{tail}" if tail else reason
