"""Endpoints: brought up all or nothing, waited for, deleted with all that belongs to them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from sm_core.clients import translated_errors
from sm_core.errors import EndpointFailed, RequestError
from sm_core.jobs import TAIL, intervals
from sm_core.logs import ENDPOINT_GROUP, LogTail, WaitView
from sm_core.requests import (
    EndpointConfigRequest,
    EndpointRequest,
    ModelRequest,
    framework_of_calls,
    to_aws,
)

if TYPE_CHECKING:
    from sm_core.session import Session

__all__ = ["Endpoint", "deploy"]

logger = logging.getLogger(__name__)

#: Statuses in which something is still under way.
MOVING = ("Creating", "Updating", "SystemUpdating", "RollingBack")


class Endpoint:
    """An endpoint by its name."""

    def __init__(self, name: str, session: Session) -> None:
        """
        Args:
            name: the endpoint's.
            session: any Session of its account and region.
        """
        self.name = name
        self._session = session

    def describe(self) -> Mapping[str, Any]:
        """DescribeEndpoint's answer."""
        with translated_errors():
            answer: Mapping[str, Any] = self._session.sagemaker_client.describe_endpoint(
                EndpointName=self.name
            )
        return answer

    def wait(self) -> Mapping[str, Any]:
        """Block until the endpoint is in service.

        Returns:
            the final description.

        Raises:
            EndpointFailed: it ended in any other status.
        """
        pauses = intervals(self._session.backend.polling)
        with WaitView(f"endpoint {self.name}") as view:
            status = ""
            while True:
                description = self.describe()
                if description["EndpointStatus"] != status:
                    status = description["EndpointStatus"]
                    view.step(f"Endpoint {self.name}: {status}")
                if status not in MOVING:
                    break
                time.sleep(next(pauses))
        if status != "InService":
            raise EndpointFailed(
                self.name,
                failure_reason=description.get("FailureReason", f"its status is {status}"),
                log_tail=self._log_tail(),
            )
        return description

    def delete(self) -> None:
        """Delete the endpoint, its configuration and the models that the configuration names.

        All are tried, whatever becomes of one; what is gone already is no error.

        Raises:
            RequestError: the first refusal.
        """
        client = self._session.sagemaker_client
        endpoint = _if_there(client.describe_endpoint, EndpointName=self.name) or {}
        # Of an endpoint that is gone its configuration may be left, which has the same name.
        config_name = endpoint.get("EndpointConfigName", self.name)
        config = _if_there(client.describe_endpoint_config, EndpointConfigName=config_name) or {}
        variants = config.get("ProductionVariants", ())
        models = dict.fromkeys(v["ModelName"] for v in variants if "ModelName" in v)
        refused: RequestError | None = None
        for delete, names in (
            (client.delete_endpoint, {"EndpointName": self.name}),
            (client.delete_endpoint_config, {"EndpointConfigName": config_name}),
            *((client.delete_model, {"ModelName": model}) for model in models),
        ):
            try:
                _if_there(delete, **names)
            except RequestError as error:
                refused = refused or error
        if refused is not None:
            raise refused

    def _log_tail(self) -> list[str]:
        log = LogTail(self._session.client("logs"), f"{ENDPOINT_GROUP}{self.name}")
        try:
            return [line.text for line in log.new_lines()][-TAIL:]
        except RequestError as error:
            # The endpoint's own failure is what is being raised.
            logger.warning("log lines of endpoint %s cannot be read: %s", self.name, error)
            return []


def deploy(
    session: Session,
    *,
    model: ModelRequest,
    config: EndpointConfigRequest,
    framework: str | None,
    wait: bool = True,
) -> Endpoint:
    """Create model, endpoint configuration and endpoint; on any failure delete what was created.

    Args:
        session: where.
        model: the model to create.
        config: the configuration; the endpoint takes its name.
        framework: for the request hooks.
        wait: block until the endpoint is in service.

    Raises:
        EndpointFailed: the endpoint did not come into service.
        RequestError: a call was refused.
    """
    client = session.sagemaker_client
    name = config.endpoint_config_name
    endpoint = Endpoint(name, session)
    created: list[partial[Any]] = []
    try:
        with framework_of_calls(framework), translated_errors():
            client.create_model(**to_aws(model))
            created.append(partial(client.delete_model, ModelName=model.model_name))
            client.create_endpoint_config(**to_aws(config))
            created.append(partial(client.delete_endpoint_config, EndpointConfigName=name))
            request = EndpointRequest(
                endpoint_name=name, endpoint_config_name=name, tags=config.tags
            )
            client.create_endpoint(**to_aws(request))
            created.append(partial(client.delete_endpoint, EndpointName=name))
            if wait:
                endpoint.wait()
    except BaseException:
        _take_back(created, endpoint)
        raise
    return endpoint


def _take_back(created: Sequence[partial[Any]], endpoint: Endpoint) -> None:
    """Delete what a failed deployment created; say so where that fails, and raise nothing."""
    for delete in reversed(created):
        ((kind, name),) = delete.keywords.items()
        what = f"{kind.removesuffix('Name')} {name}"
        try:
            delete()
            logger.info("deployment failed: deleted %s", what)
        except Exception as error:  # noqa: BLE001 - the deployment's own error is the one to raise
            logger.warning("deployment failed, and %s could not be deleted: %s", what, error)
            if kind == "EndpointName":
                # With its configuration and model it can still be deleted as a whole; AWS refuses
                # while it is being created.
                logger.warning("it may cost money; later: Predictor(%r).delete()", endpoint.name)
                return


def _if_there(call: Callable[..., Any], **names: str) -> Mapping[str, Any] | None:
    """The answer of `call`, or None if what it names is gone."""
    try:
        with translated_errors():
            answer: Mapping[str, Any] = call(**names)
    except RequestError as error:
        if error.code in ("ValidationException", "ResourceNotFound") and "ould not find" in str(
            error
        ):
            return None
        raise
    return answer
