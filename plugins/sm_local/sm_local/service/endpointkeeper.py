"""One endpoint brought up, updated, kept up and taken down."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from functools import partial

from sm_core.errors import LocalServiceError
from sm_local.service.context import Context
from sm_local.service.detached import detached
from sm_local.service.environmentstore import Environments
from sm_local.service.folders import remove_tree
from sm_local.service.hosting import Deployment, Endpoint, Instance
from sm_local.service.instancekeeper import InstanceKeeper
from sm_local.service.modelserver import ModelServer, ServerFailed, endpoint_folder, key_owner
from sm_local.service.stores import Store

__all__ = ["EndpointKeeper"]

logger = logging.getLogger(__name__)

#: Characters of a FailureReason.
_REASON_LIMIT = 1024
_TAIL_TITLE = " Its last log lines:"


class _NotUp(Exception):
    """An instance does not come up."""

    def __init__(self, keeper: InstanceKeeper, cause: Exception) -> None:
        super().__init__(str(cause))
        self.keeper = keeper
        self.cause = cause


class EndpointKeeper:
    """Keeps all instances of one endpoint serving, and replaces them by others."""

    def __init__(
        self,
        context: Context,
        *,
        store: Store[Endpoint],
        environments: Environments,
        endpoint: Endpoint,
    ) -> None:
        self.endpoint = endpoint
        self._context = context
        self._store = store
        self._environments = environments
        self._keepers = self._for(endpoint.current)
        self._coming = self._for(endpoint.pending)
        self._tasks: dict[InstanceKeeper, asyncio.Task[None]] = {}
        self._wanted = asyncio.Event()

    def variants(self) -> list[str]:
        """Names of the variants that are served."""
        return [variant.name for variant in self.endpoint.variants]

    def choose(self, variant: str | None) -> InstanceKeeper:
        """The instance that takes the next invocation.

        Args:
            variant: whose it must be; None for any, by the variants' weights.
        """
        if variant is None:
            weights = [self.endpoint.weight(each) for each in self.endpoint.variants]
            if not any(weights):
                weights = [1.0] * len(weights)
            # In relation to the largest: the sum of large ones is beyond what a float can be.
            weights = [weight / max(weights) for weight in weights]
            (chosen,) = random.choices(self.endpoint.variants, weights)
            variant = chosen.name
        found = [keeper for keeper in self._keepers if keeper.variant.name == variant]
        fewest = min(keeper.in_use for keeper in found)
        return random.choice([keeper for keeper in found if keeper.in_use == fewest])

    def update(self, endpoint: Endpoint) -> None:
        """Bring up what is pending in the endpoint, and then let it serve instead."""
        self.endpoint = endpoint
        self._coming = self._for(endpoint.pending)
        self._wanted.set()

    async def run(self) -> None:
        """Bring the endpoint up if it is being created, and keep it up until cancelled."""
        try:
            if self.endpoint.status == "Creating" and not await self._create():
                return
            self._keep(self._keepers)
            await self._end_retired()
            while True:
                if self.endpoint.status == "Updating":
                    await self._update()
                    continue
                self._wanted.clear()
                await self._wanted.wait()
        finally:
            tasks = list(self._tasks.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for keeper in (*self._keepers, *self._coming):
                keeper.give_up()

    async def disconnect(self) -> None:
        """Close all connections to the servers."""
        for keeper in (*self._keepers, *self._coming):
            await keeper.server.disconnect()

    async def take_down(self) -> None:
        """Stop the servers and remove all that belongs to the endpoint, its record last."""
        await self.rest()
        await self._revoke()
        folder = endpoint_folder(self._context, self.endpoint)
        await detached(partial(remove_tree, folder), name=f"remove {self.endpoint.name}")
        await self._store.delete(self.endpoint.name)

    async def rest(self) -> None:
        """Stop the servers only: the endpoint stays wanted."""
        await asyncio.gather(*(keeper.rest() for keeper in (*self._keepers, *self._coming)))
        await self._end_retired()

    async def _end_retired(self) -> None:
        """Stop servers that a service which was killed had not stopped yet."""
        for instance in self.endpoint.retired:
            any_variant = self.endpoint.variants[0]
            server = ModelServer(
                self._context, endpoint=self.endpoint, variant=any_variant, instance=instance
            )
            if await server.is_alive():
                await server.stop()

    async def _create(self) -> bool:
        try:
            await self._bring_up(self._keepers)
        except _NotUp as error:
            await self._fail(error)
            return False
        await self._change(lambda endpoint: endpoint.moved("InService", time.time()))
        logger.info("endpoint %s is in service", self.endpoint.name)
        return True

    async def _update(self) -> None:
        """Replace the instances; those that serve go on until the others do, and if these fail."""
        try:
            await self._bring_up(self._coming)
        except _NotUp as error:
            reason = failure_reason(error.keeper.variant.name, error.cause)
            await asyncio.to_thread(error.keeper.server.log, str(error))
            old, self._coming = self._coming, []
            await asyncio.gather(*(keeper.rest() for keeper in old))
            await self._change(lambda endpoint: endpoint.rolled_back(time.time(), reason))
            logger.warning("endpoint %s stays as it was: %s", self.endpoint.name, error)
            return
        await self._change(lambda endpoint: endpoint.updated(time.time()))
        old, self._keepers, self._coming = self._keepers, self._coming, []
        self._keep(self._keepers)
        logger.info("endpoint %s is updated", self.endpoint.name)
        await asyncio.gather(*(self._retire(keeper) for keeper in old))

    async def _retire(self, keeper: InstanceKeeper) -> None:
        await keeper.drain()
        task = self._tasks.pop(keeper)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        keeper.give_up()
        await keeper.rest()

    async def _bring_up(self, keepers: Sequence[InstanceKeeper]) -> None:
        """Raises: _NotUp: one does not come up; the others are given up."""
        tasks = [asyncio.create_task(self._one_up(keeper)) for keeper in keepers]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _one_up(self, keeper: InstanceKeeper) -> None:
        try:
            await keeper.bring_up()
        except (ServerFailed, LocalServiceError) as error:
            raise _NotUp(keeper, error) from error
        except Exception as error:
            logger.exception("endpoint %s", self.endpoint.name)
            raise _NotUp(keeper, error) from error

    def _keep(self, keepers: Sequence[InstanceKeeper]) -> None:
        for keeper in keepers:
            self._tasks[keeper] = self._context.spawn(keeper.keep_up())

    def _for(self, deployment: Deployment | None) -> list[InstanceKeeper]:
        if deployment is None:
            return []
        return [
            InstanceKeeper(
                self._context,
                environments=self._environments,
                endpoint=self.endpoint,
                variant=deployment.variant(instance.variant),
                instance=instance,
                listen=self._listen,
            )
            for instance in deployment.instances
        ]

    async def _fail(self, error: _NotUp) -> None:
        reason = failure_reason(error.keeper.variant.name, error.cause)
        await asyncio.to_thread(error.keeper.server.log, str(error))
        await self.rest()
        await self._revoke()
        await self._change(lambda endpoint: endpoint.moved("Failed", time.time(), reason=reason))
        logger.warning("endpoint %s failed: %s", self.endpoint.name, error)

    async def _revoke(self) -> None:
        await asyncio.to_thread(self._context.keys.revoke, key_owner(self.endpoint))

    async def _listen(self, instance: Instance, socket: str | None) -> None:
        await self._change(lambda endpoint: endpoint.listening(instance, socket))

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
