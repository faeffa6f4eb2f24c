"""Endpoints: described, waited for, deleted with all that belongs to them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from sm_core.clients import translated_errors
from sm_core.connection import Connection
from sm_core.errors import EndpointFailed, RequestError
from sm_core.jobs import TAIL
from sm_core.logs import ENDPOINT_GROUP, LogTail, WaitView
from sm_core.waiting import intervals, jittered, patiently

__all__ = ["Endpoint", "if_there"]

logger = logging.getLogger(__name__)

#: Statuses in which something is still under way.
MOVING = ("Creating", "Updating", "SystemUpdating", "RollingBack")


class Endpoint:
    """An endpoint by its name."""

    def __init__(self, name: str, session: Connection) -> None:
        """
        Args:
            name: the endpoint's.
            session: any Session of its account and region.
        """
        self.name = name
        self._session = session

    def describe(self) -> Mapping[str, Any]:
        """DescribeEndpoint's answer."""
        with translated_errors(f"endpoint {self.name!r} in {self._session.region}"):
            answer: Mapping[str, Any] = self._session.sagemaker_client.describe_endpoint(
                EndpointName=self.name
            )
        return answer

    def wait(self, *, poll: float | None = None) -> Mapping[str, Any]:
        """Block until the endpoint is in service.

        Args:
            poll: seconds between questions; None for the back end's own, ever longer.

        Returns:
            the final description.

        Raises:
            EndpointFailed: it ended in any other status.
        """
        with WaitView(f"endpoint {self.name}") as view:
            description = self._settled(view, poll)
        status = description["EndpointStatus"]
        if status != "InService":
            raise EndpointFailed(
                self.name,
                failure_reason=description.get("FailureReason", f"its status is {status}"),
                log_tail=self._log_tail(),
            )
        return description

    def _settled(self, view: WaitView, poll: float | None = None) -> Mapping[str, Any]:
        """The description, once nothing is under way; shows statuses meanwhile."""
        polling = self._session.backend.polling.every(poll)
        status = ""
        for pause in intervals(polling):
            description = patiently(self.describe, polling=polling, say=view.step)
            if description["EndpointStatus"] != status:
                status = description["EndpointStatus"]
                view.step(f"Endpoint {self.name}: {status}")
            if status not in MOVING:
                return description
            time.sleep(jittered(pause))
        raise AssertionError("intervals never end")

    def delete(self) -> None:
        """Delete the endpoint, its configuration and the models that the configuration names.

        An endpoint that is still coming up cannot be deleted, and is waited for. While there is an
        endpoint its configuration and models are left alone; of these all are tried, whatever
        becomes of one. What is gone already is no error.

        Raises:
            RequestError: the first refusal.
        """
        client = self._session.sagemaker_client
        endpoint = if_there(client.describe_endpoint, EndpointName=self.name) or {}
        # Of an endpoint that is gone its configuration may be left, which has the same name.
        config_name = endpoint.get("EndpointConfigName", self.name)
        config = if_there(client.describe_endpoint_config, EndpointConfigName=config_name) or {}
        variants = config.get("ProductionVariants", ())
        models = dict.fromkeys(v["ModelName"] for v in variants if "ModelName" in v)
        self.delete_alone()
        refused: RequestError | None = None
        for delete, names in (
            (client.delete_endpoint_config, {"EndpointConfigName": config_name}),
            *((client.delete_model, {"ModelName": model}) for model in models),
        ):
            try:
                if_there(delete, **names)
            except RequestError as error:
                refused = refused or error
        if refused is not None:
            raise refused

    def delete_alone(self) -> None:
        """Delete the endpoint, neither its configuration nor its models.

        While it cannot be deleted because something is under way, wait.

        Raises:
            RequestError: it was refused for another reason.
        """
        delete = self._session.sagemaker_client.delete_endpoint
        try:
            if_there(delete, EndpointName=self.name)
        except RequestError as error:
            if not _is_in_progress(error):
                raise
            if self._until_deletable():
                if_there(delete, EndpointName=self.name)

    def _until_deletable(self) -> bool:
        """Wait until nothing is under way; False if the endpoint goes, or is gone, by itself."""
        with WaitView(f"endpoint {self.name}") as view:
            view.step(
                f"Endpoint {self.name} can be deleted only when what is under way has ended; "
                "waiting for that. Ctrl-C gives up"
            )
            try:
                return bool(self._settled(view)["EndpointStatus"] != "Deleting")
            except RequestError as error:
                if _is_gone(error):
                    return False
                raise
            except KeyboardInterrupt:
                view.notice(
                    f"Endpoint {self.name} is NOT deleted and goes on. To delete it later: "
                    f"sm_core.Predictor({self.name!r}, session).delete()"
                )
                raise

    def describe_new(self) -> Mapping[str, Any] | None:
        """The description while the endpoint is just being created, else None."""
        description = if_there(
            self._session.sagemaker_client.describe_endpoint, EndpointName=self.name
        )
        creating = description is not None and description["EndpointStatus"] == "Creating"
        return description if creating else None

    def _log_tail(self) -> list[str]:
        log = LogTail(self._session.client("logs"), f"{ENDPOINT_GROUP}{self.name}")
        try:
            return [line.text for line in log.last_lines(TAIL)]
        except RequestError as error:
            # The endpoint's own failure is what is being raised.
            logger.warning("log lines of endpoint %s cannot be read: %s", self.name, error)
            return []


def _is_in_progress(error: RequestError) -> bool:
    return error.code == "ValidationException" and "in-progress" in str(error)


def _is_gone(error: RequestError) -> bool:
    codes = ("ValidationException", "ResourceNotFound")
    return error.code in codes and "ould not find" in str(error)


def if_there(call: Callable[..., Any], **names: str) -> Mapping[str, Any] | None:
    """The answer of `call`, or None if what it names is gone."""
    try:
        with translated_errors():
            answer: Mapping[str, Any] = call(**names)
    except RequestError as error:
        if _is_gone(error):
            return None
        raise
    return answer
