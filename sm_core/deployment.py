"""Bringing up an endpoint all or nothing: model, configuration and endpoint, or none of them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, TypeVar

from botocore import xform_name

from sm_core.clients import may_have_arrived, translated_errors
from sm_core.connection import Connection
from sm_core.endpoints import Endpoint, if_there
from sm_core.errors import RequestError
from sm_core.requests import EndpointRequest, Tags, framework_of_calls, tags_of, to_aws

__all__ = ["deploy", "endpoint_request"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds that the times which two services tell may be apart, because they are rounded.
_ROUNDING = 1.0


def endpoint_request(name: str, config_name: str, *, tags: Tags = None) -> dict[str, Any]:
    """The CreateEndpoint request."""
    return to_aws(
        EndpointRequest(endpoint_name=name, endpoint_config_name=config_name, tags=tags_of(tags))
    )


def deploy(
    connection: Connection,
    *,
    config: Mapping[str, Any],
    model: Mapping[str, Any] | None = None,
    framework: str | None = None,
    wait: bool = True,
    result: Callable[[str], T],
) -> T:
    """Create model, endpoint configuration and endpoint; on any failure delete what was created.

    That includes Ctrl-C, and calls of which it is not known whether they reached the service.

    Args:
        connection: where.
        config: CreateEndpointConfig request; the endpoint takes its name.
        model: CreateModel request; None where the configuration names models that there are.
        framework: for the request hooks.
        wait: block until the endpoint is in service.
        result: what to return, made of the endpoint's name.

    Raises:
        EndpointFailed: the endpoint did not come into service.
        RequestError: a call was refused.
    """
    name = config["EndpointConfigName"]
    endpoint = Endpoint(name, connection)
    created = _Created(connection)
    try:
        with framework_of_calls(framework):
            if model is not None:
                created.create("Model", model)
            created.create("EndpointConfig", config)
            created.create(
                "Endpoint",
                endpoint_request(name, name, tags=config.get("Tags")),
                delete=endpoint.delete_alone,
                describe=endpoint.describe_new,
            )
        if wait:
            endpoint.wait()
        return result(endpoint.name)
    except BaseException:
        created.take_back()
        raise


class _Created:
    """What a deployment has created, in order."""

    def __init__(self, connection: Connection) -> None:
        self._client = connection.sagemaker_client
        self._steps: list[tuple[str, Callable[[], object]]] = []

    def create(
        self,
        kind: str,
        request: Mapping[str, Any],
        *,
        delete: Callable[[], object] | None = None,
        describe: Callable[[], Mapping[str, Any] | None] | None = None,
    ) -> None:
        """Create something, and know how to take it back at any moment.

        Args:
            kind: what its operations are named after.
            request: of the operation that creates it.
            delete: how to delete it, if not by that operation alone.
            describe: how to find it after a call that may not have reached the service.
        """
        create, *others = (
            getattr(self._client, f"{verb}_{xform_name(kind)}")
            for verb in ("create", "delete", "describe")
        )
        names = {f"{kind}Name": request[f"{kind}Name"]}
        plainly = [partial(if_there, each, **names) for each in others]
        delete, describe = delete or plainly[0], describe or plainly[1]
        what = f"{kind} {request[f'{kind}Name']}"
        # An interrupted call may have reached the service.
        self._steps.append((what, partial(_delete_if_new, describe, delete, time.monotonic())))
        try:
            with translated_errors():
                create(**request)
        except Exception as error:
            if not (isinstance(error, RequestError) and may_have_arrived(error)):
                self._steps.pop()
            raise
        self._steps[-1] = (what, delete)

    def take_back(self) -> None:
        """Delete all, the last first; say so where that fails, and keep the deployment's error."""
        while self._steps:
            what, delete = self._steps[-1]
            try:
                delete()
            except Exception as error:  # noqa: BLE001 - the deployment's own error is the one to raise
                logger.warning("deployment failed, and %s could not be deleted: %s", what, error)
                kind, _, name = what.partition(" ")
                if kind == "Endpoint":
                    # With its configuration and model it can still be deleted as a whole.
                    logger.warning("it may cost money; later: Predictor(%r).delete()", name)
                    return
            except BaseException:
                left = ", ".join(what for what, _ in reversed(self._steps))
                logger.warning("interrupted; perhaps not deleted: %s", left)
                raise
            else:
                logger.info("deployment failed: deleted %s", what)
            self._steps.pop()


def _delete_if_new(
    describe: Callable[[], Mapping[str, Any] | None],
    delete: Callable[[], object],
    since: float,
) -> None:
    """Delete what was created after the moment `since` of this process's monotonic clock."""
    description = describe()
    if description is None:
        return
    # By the service's clock, which may differ from this machine's.
    date = description["ResponseMetadata"].get("HTTPHeaders", {}).get("date")
    now = parsedate_to_datetime(date) if date else datetime.now(timezone.utc)
    age = now - description["CreationTime"]
    if age.total_seconds() <= time.monotonic() - since + _ROUNDING:
        delete()
