"""Endpoints: created, kept, deleted, and brought back after a restart."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Mapping
from typing import Any

import attrs

from sm_local.service.checks import arn, invalid, tags_of
from sm_local.service.context import Context
from sm_local.service.database import RecordExists
from sm_local.service.endpointkeeper import EndpointKeeper
from sm_local.service.environmentstore import Environments
from sm_local.service.errors import ServiceError
from sm_local.service.hosting import (
    Deployment,
    Endpoint,
    EndpointConfig,
    HostedModel,
    Variant,
    describe_endpoint,
    list_entry,
)
from sm_local.service.hostingrequests import (
    check_endpoint_request,
    check_update_request,
    check_weights,
)
from sm_local.service.instancekeeper import InstanceKeeper
from sm_local.service.modelserver import ModelServer
from sm_local.service.paging import list_page
from sm_local.service.stores import Store

__all__ = ["ENDPOINT", "ENDPOINT_CONFIG", "MODEL", "Endpoints", "Route"]

logger = logging.getLogger(__name__)

#: The kinds of the records.
MODEL = "model"
ENDPOINT_CONFIG = "endpoint-config"
ENDPOINT = "endpoint"

#: Seconds that an invocation waits for a server that is being started: as long as for its answer.
_PATIENCE = 60.0


@attrs.frozen(kw_only=True)
class Route:
    """Where an invocation goes.

    Attributes:
        keeper: of the instance, which counts the invocation until `done` is called.
    """

    keeper: InstanceKeeper

    @property
    def variant(self) -> str:
        """Name of the production variant."""
        return self.keeper.variant.name

    @property
    def stream(self) -> str:
        """Name of the log stream of the instance."""
        return self.keeper.instance.stream

    @property
    def server(self) -> ModelServer:
        """The model server."""
        return self.keeper.server

    def done(self) -> None:
        """The invocation has ended."""
        self.keeper.in_use -= 1


class Endpoints:
    """All endpoints of the service."""

    def __init__(self, context: Context, *, environments: Environments | None = None) -> None:
        """
        Args:
            context: of the service.
            environments: where servers get theirs; None for the context's.
        """
        self._context = context
        self._environments = environments or Environments(context)
        self._store = Store(context, Endpoint, kind=ENDPOINT)
        self._models = Store(context, HostedModel, kind=MODEL)
        self._configs = Store(context, EndpointConfig, kind=ENDPOINT_CONFIG)
        self._keepers: dict[str, EndpointKeeper] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Bring the endpoints back that the last service left."""
        for endpoint in await self._store.all():
            keeper = self._keeper(endpoint)
            if endpoint.status == "Deleting":
                self._begin(keeper, self._take_down(keeper))
            elif endpoint.status != "Failed":
                self._begin(keeper, keeper.run())

    async def stop(self) -> None:
        """Let go of all endpoints; their servers run on under their supervisors."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()
        for keeper in self._keepers.values():
            await keeper.disconnect()

    async def stop_all(self) -> list[str]:
        """Stop the servers too, and return the endpoints' names; `start` brings them back.

        Deletions that have begun are carried through first.
        """
        deleting = [
            task
            for name, task in self._tasks.items()
            if self._keepers[name].endpoint.status == "Deleting"
        ]
        await asyncio.gather(*deleting, return_exceptions=True)
        wanted = [
            keeper
            for keeper in self._keepers.values()
            if keeper.endpoint.status in ("Creating", "InService", "Updating")
        ]
        await self.stop()
        resting = [keeper.rest() for keeper in wanted]
        for result in await asyncio.gather(*resting, return_exceptions=True):
            if isinstance(result, BaseException):
                logger.error("a model server is not stopped", exc_info=result)
        return [keeper.endpoint.name for keeper in wanted]

    def running(self) -> list[str]:
        """Names of the endpoints that are wanted, or still being deleted."""
        return [
            name for name, keeper in self._keepers.items() if keeper.endpoint.status != "Failed"
        ]

    def environments(self) -> set[str]:
        """Digests of the environments of all models, and of all endpoints' models. Blocks."""
        models = {model.environment for model in self._models.read_all()}
        deployments = [
            each
            for endpoint in self._store.read_all()
            for each in (endpoint.current, endpoint.pending)
            if each is not None
        ]
        return models | {each.environment for one in deployments for each in one.variants}

    async def create(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """CreateEndpoint."""
        check_endpoint_request(request)
        name: str = request["EndpointName"]
        where = arn(self._context, ENDPOINT, name=name)
        if await self._store.get(name) is not None:
            raise invalid(f'Cannot create already existing endpoint "{where}".')
        current = await self._deployment(request["EndpointConfigName"])
        now = time.time()
        endpoint = Endpoint(
            name=name,
            arn=where,
            folder=f"{name}-{secrets.token_hex(4)}",
            current=current,
            tags=tags_of(request),
            created=now,
            modified=now,
        )
        try:
            await self._store.insert(name, endpoint)
        except RecordExists as error:
            raise invalid(f'Cannot create already existing endpoint "{where}".') from error
        keeper = self._keeper(endpoint)
        self._begin(keeper, keeper.run())
        return {"EndpointArn": where}

    async def update(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """UpdateEndpoint: what serves goes on until the new instances do."""
        check_update_request(request)
        name: str = request["EndpointName"]
        await self._get(name)
        pending = await self._deployment(request["EndpointConfigName"])
        retain = request.get("RetainAllVariantProperties", False)
        properties = request.get("ExcludeRetainedVariantProperties", ())
        excluded = {each["VariantPropertyType"] for each in properties}

        def updating(endpoint: Endpoint) -> Endpoint:
            self._require_settled(endpoint)
            coming = endpoint.retained(pending, excluded=excluded) if retain else pending
            return endpoint.updating(coming, time.time())

        endpoint = await self._store.change(name, updating)
        self._keepers[name].update(endpoint)
        return {"EndpointArn": endpoint.arn}

    async def update_weights(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """UpdateEndpointWeightsAndCapacities: weights at once, other capacities as an update."""
        name: str = request["EndpointName"]
        weights, counts = check_weights(request, await self._get(name))

        def changed(endpoint: Endpoint) -> Endpoint:
            self._require_settled(endpoint)
            together = {**endpoint.weights, **weights}
            if all(endpoint.current.count(variant) == count for variant, count in counts.items()):
                return attrs.evolve(endpoint, weights=together).moved("InService", time.time())
            pending = endpoint.current.resized(weights=together, counts=counts)
            return endpoint.updating(pending, time.time())

        endpoint = await self._store.change(name, changed)
        if endpoint.pending is None:
            self._keepers[name].endpoint = endpoint
        else:
            self._keepers[name].update(endpoint)
        return {"EndpointArn": endpoint.arn}

    async def describe(self, name: str) -> dict[str, Any]:
        """DescribeEndpoint."""
        return describe_endpoint(await self._get(name))

    async def list(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """ListEndpoints."""
        entries = [list_entry(endpoint) for endpoint in await self._store.all()]
        summaries, token = list_page(entries, request, descending=True)
        return {"Endpoints": summaries, "NextToken": token}

    async def delete(self, name: str) -> None:
        """DeleteEndpoint: returns when the deletion has begun."""
        try:
            keeper = self._keepers[name]
            keeper.endpoint = await self._store.change(name, self._deleting)
        except KeyError as error:
            raise self._not_found(name) from error
        running = self._tasks.pop(name, None)
        if running is not None:
            running.cancel()
        self._begin(keeper, self._take_down(keeper, after=running))

    async def route(self, name: str, variant: str | None) -> Route:
        """Where an invocation of the endpoint goes; a server that is being started is waited for.

        Args:
            name: of the endpoint.
            variant: that the caller wants; None for any.

        Raises:
            ServiceError: no endpoint of that name is in service, or it has no such variant.
        """
        endpoint = self._in_service(name)
        if variant is not None and variant not in endpoint.variants():
            raise ServiceError("ValidationError", f"Variant {variant} not found for Request")
        route = Route(keeper=endpoint.choose(variant))
        route.keeper.in_use += 1
        try:
            if await route.keeper.is_ready(_PATIENCE):
                return route
        except BaseException:
            route.done()
            raise
        route.done()
        self._in_service(name)
        raise ServiceError(
            "ServiceUnavailable",
            f"the model server of endpoint {name} has ended and cannot be started again so far",
            status=503,
        )

    def _in_service(self, name: str) -> EndpointKeeper:
        keeper = self._keepers.get(name)
        if keeper is None or keeper.endpoint.status not in ("InService", "Updating"):
            raise ServiceError(
                "ValidationError", f"Endpoint {name} of account {self._context.account} not found."
            )
        return keeper

    def _keeper(self, endpoint: Endpoint) -> EndpointKeeper:
        keeper = EndpointKeeper(
            self._context, store=self._store, environments=self._environments, endpoint=endpoint
        )
        self._keepers[endpoint.name] = keeper
        return keeper

    def _begin(self, keeper: EndpointKeeper, work: Any) -> None:
        self._tasks[keeper.endpoint.name] = self._context.spawn(work)

    async def _take_down(
        self, keeper: EndpointKeeper, after: asyncio.Task[None] | None = None
    ) -> None:
        if after is not None:
            await asyncio.gather(after, return_exceptions=True)
        name = keeper.endpoint.name
        keeper.endpoint = await self._store.change(name, lambda endpoint: endpoint)
        await keeper.take_down()
        del self._keepers[name], self._tasks[name]
        logger.info("endpoint %s is deleted", name)

    async def _get(self, name: str) -> Endpoint:
        endpoint = await self._store.get(name)
        if endpoint is None:
            raise self._not_found(name)
        return endpoint

    def _not_found(self, name: str) -> ServiceError:
        return invalid(f'Could not find endpoint "{arn(self._context, ENDPOINT, name=name)}".')

    @staticmethod
    def _deleting(endpoint: Endpoint) -> Endpoint:
        if endpoint.status in ("Creating", "Updating", "Deleting"):
            raise invalid(f'Cannot update in-progress endpoint "{endpoint.arn}".')
        return endpoint.moved("Deleting", time.time())

    @staticmethod
    def _require_settled(endpoint: Endpoint) -> None:
        if endpoint.status == "Failed":
            raise invalid(
                f'Cannot update endpoint "{endpoint.arn}" in status Failed: it can only be deleted.'
            )
        if endpoint.status != "InService":
            raise invalid(f'Cannot update in-progress endpoint "{endpoint.arn}".')

    async def _deployment(self, config_name: str) -> Deployment:
        config = await self._configs.get(config_name)
        if config is None:
            where = arn(self._context, ENDPOINT_CONFIG, name=config_name)
            raise invalid(f'Could not find endpoint configuration "{where}".')
        variants = []
        for request in config.request["ProductionVariants"]:
            model = await self._models.get(request["ModelName"])
            if model is None:
                where = arn(self._context, MODEL, name=request["ModelName"])
                raise invalid(f'Could not find model "{where}".')
            variants.append(
                Variant(
                    request=request,
                    container=model.request["PrimaryContainer"],
                    environment=model.environment,
                )
            )
        return Deployment.of(config_name, variants)
