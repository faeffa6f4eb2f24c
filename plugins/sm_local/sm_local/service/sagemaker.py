"""SageMaker's control plane: which operations there are, and who answers them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from sm_local.service.checks import arn, invalid, tags_of
from sm_local.service.context import Context
from sm_local.service.database import RecordExists
from sm_local.service.endpoints import ENDPOINT, ENDPOINT_CONFIG, MODEL, Endpoints
from sm_local.service.environmentstore import Environments
from sm_local.service.hosting import (
    EndpointConfig,
    HostedModel,
    config_entry,
    describe_config,
    describe_model,
    model_entry,
)
from sm_local.service.hostingrequests import (
    check_config_request,
    check_model_data,
    check_model_request,
)
from sm_local.service.paging import list_page
from sm_local.service.stores import Store
from sm_local.service.tagging import Tagging
from sm_local.service.training import TRAINING_JOB, Training
from sm_local.service.wire import Caller

__all__ = ["SageMaker"]

Input = dict[str, Any]
Output = dict[str, Any]


class SageMaker:
    """The operations, by name: they take validated input and return the members of the output."""

    def __init__(
        self,
        context: Context,
        training: Training,
        endpoints: Endpoints,
        *,
        environments: Environments | None = None,
    ) -> None:
        """
        Args:
            context: of the service.
            training: the training jobs.
            endpoints: the endpoints.
            environments: where models get theirs; None for the context's.
        """
        self._context = context
        self._training = training
        self._endpoints = endpoints
        self._environments = environments or Environments(context)
        self._models = Store(context, HostedModel, kind=MODEL)
        self._configs = Store(context, EndpointConfig, kind=ENDPOINT_CONFIG)
        kinds = (TRAINING_JOB, MODEL, ENDPOINT_CONFIG, ENDPOINT)
        self._tagging = Tagging(context, kinds=kinds)
        self.operations: Mapping[str, Callable[[Input, Caller], Awaitable[Output]]] = {
            "CreateTrainingJob": training.create,
            "DescribeTrainingJob": self._describe_training_job,
            "StopTrainingJob": self._stop_training_job,
            "UpdateTrainingJob": self._update_training_job,
            "DeleteTrainingJob": self._delete_training_job,
            "ListTrainingJobs": self._list_training_jobs,
            "CreateModel": self._create_model,
            "DescribeModel": self._describe_model,
            "ListModels": self._list_models,
            "DeleteModel": self._delete_model,
            "CreateEndpointConfig": self._create_endpoint_config,
            "DescribeEndpointConfig": self._describe_endpoint_config,
            "ListEndpointConfigs": self._list_endpoint_configs,
            "DeleteEndpointConfig": self._delete_endpoint_config,
            "CreateEndpoint": self._create_endpoint,
            "DescribeEndpoint": self._describe_endpoint,
            "UpdateEndpoint": self._update_endpoint,
            "UpdateEndpointWeightsAndCapacities": self._update_weights,
            "DeleteEndpoint": self._delete_endpoint,
            "ListEndpoints": self._list_endpoints,
            "AddTags": self._add_tags,
            "ListTags": self._list_tags,
            "DeleteTags": self._delete_tags,
        }

    async def _describe_training_job(self, request: Input, caller: Caller) -> Output:
        return await self._training.describe(request["TrainingJobName"])

    async def _stop_training_job(self, request: Input, caller: Caller) -> Output:
        await self._training.stop_job(request["TrainingJobName"])
        return {}

    async def _update_training_job(self, request: Input, caller: Caller) -> Output:
        return await self._training.update(request)

    async def _delete_training_job(self, request: Input, caller: Caller) -> Output:
        await self._training.delete(request["TrainingJobName"])
        return {}

    async def _list_training_jobs(self, request: Input, caller: Caller) -> Output:
        return await self._training.list(request)

    async def _create_model(self, request: Input, caller: Caller) -> Output:
        checked = check_model_request(request)
        name: str = checked["ModelName"]
        where = arn(self._context, MODEL, name=name)
        await asyncio.to_thread(check_model_data, self._context.objects, checked)
        tags = tags_of(request)
        image = checked["PrimaryContainer"]["Image"]
        model = HostedModel(
            name=name,
            arn=where,
            request=checked,
            tags=tags,
            environment=await asyncio.to_thread(self._environments.resolve, tags, image),
            created=time.time(),
        )
        try:
            await self._models.insert(name, model)
        except RecordExists as error:
            raise invalid(f'Cannot create already existing model "{where}".') from error
        return {"ModelArn": where}

    async def _describe_model(self, request: Input, caller: Caller) -> Output:
        model = await self._models.get(request["ModelName"])
        if model is None:
            raise self._no_model(request["ModelName"])
        return describe_model(model)

    async def _list_models(self, request: Input, caller: Caller) -> Output:
        entries = [model_entry(model) for model in await self._models.all()]
        summaries, token = list_page(entries, request, descending=True)
        return {"Models": summaries, "NextToken": token}

    async def _delete_model(self, request: Input, caller: Caller) -> Output:
        if not await self._models.delete(request["ModelName"]):
            raise self._no_model(request["ModelName"])
        return {}

    async def _create_endpoint_config(self, request: Input, caller: Caller) -> Output:
        checked = check_config_request(request)
        name: str = checked["EndpointConfigName"]
        where = arn(self._context, ENDPOINT_CONFIG, name=name)
        for variant in checked["ProductionVariants"]:
            if await self._models.get(variant["ModelName"]) is None:
                raise self._no_model(variant["ModelName"])
        config = EndpointConfig(
            name=name, arn=where, request=checked, tags=tags_of(request), created=time.time()
        )
        try:
            await self._configs.insert(name, config)
        except RecordExists as error:
            raise invalid(
                f'Cannot create already existing endpoint configuration "{where}".'
            ) from error
        return {"EndpointConfigArn": where}

    async def _describe_endpoint_config(self, request: Input, caller: Caller) -> Output:
        config = await self._configs.get(request["EndpointConfigName"])
        if config is None:
            raise self._no_config(request["EndpointConfigName"])
        return describe_config(config)

    async def _list_endpoint_configs(self, request: Input, caller: Caller) -> Output:
        entries = [config_entry(config) for config in await self._configs.all()]
        summaries, token = list_page(entries, request, descending=True)
        return {"EndpointConfigs": summaries, "NextToken": token}

    async def _delete_endpoint_config(self, request: Input, caller: Caller) -> Output:
        if not await self._configs.delete(request["EndpointConfigName"]):
            raise self._no_config(request["EndpointConfigName"])
        return {}

    async def _create_endpoint(self, request: Input, caller: Caller) -> Output:
        return await self._endpoints.create(request)

    async def _describe_endpoint(self, request: Input, caller: Caller) -> Output:
        return await self._endpoints.describe(request["EndpointName"])

    async def _update_endpoint(self, request: Input, caller: Caller) -> Output:
        return await self._endpoints.update(request)

    async def _update_weights(self, request: Input, caller: Caller) -> Output:
        return await self._endpoints.update_weights(request)

    async def _delete_endpoint(self, request: Input, caller: Caller) -> Output:
        await self._endpoints.delete(request["EndpointName"])
        return {}

    async def _list_endpoints(self, request: Input, caller: Caller) -> Output:
        return await self._endpoints.list(request)

    async def _add_tags(self, request: Input, caller: Caller) -> Output:
        return await self._tagging.add(request)

    async def _list_tags(self, request: Input, caller: Caller) -> Output:
        return await self._tagging.list(request)

    async def _delete_tags(self, request: Input, caller: Caller) -> Output:
        return await self._tagging.delete(request)

    def _no_model(self, name: str) -> Exception:
        return invalid(f'Could not find model "{arn(self._context, MODEL, name=name)}".')

    def _no_config(self, name: str) -> Exception:
        where = arn(self._context, ENDPOINT_CONFIG, name=name)
        return invalid(f'Could not find endpoint configuration "{where}".')
