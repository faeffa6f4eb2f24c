"""Endpoints: waited for, deleted with all that belongs to them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from sm_core.endpoints import Endpoint
from sm_core.errors import EndpointFailed, RequestError
from sm_core.logs import ENDPOINT_GROUP
from sm_core.session import Session

Refuse = Callable[..., None]
WriteLog = Callable[..., None]
LeftOver = Callable[[], list[str]]
Statuses = Callable[..., None]
BringUp = Callable[..., Endpoint]


# Waiting


def test_statuses_are_shown_until_the_endpoint_is_in_service(
    bring_up: BringUp,
    session: Session,
    endpoint_status: Statuses,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bring_up(wait=False)
    endpoint_status("Creating", "Creating", "Updating", "InService")
    assert Endpoint("endpoint", session).wait()["EndpointStatus"] == "InService"
    assert capsys.readouterr().out.splitlines() == [
        "Endpoint endpoint: Creating",
        "Endpoint endpoint: Updating",
        "Endpoint endpoint: InService",
    ]


def test_a_failed_endpoint_gives_reason_and_last_lines(
    bring_up: BringUp, endpoint_status: Statuses, write_log: WriteLog
) -> None:
    lines = [f"line {number}" for number in range(30)]
    write_log(f"{ENDPOINT_GROUP}endpoint", "AllTraffic/i-1", *lines)
    endpoint_status("Failed", reason="did not pass the ping health check.")
    with pytest.raises(EndpointFailed) as caught:
        bring_up()
    error = caught.value
    assert error.endpoint_name == "endpoint"
    assert error.failure_reason == "did not pass the ping health check."
    assert error.log_tail == tuple(lines[10:])
    assert "health check.\nlast log lines:\n  line 10\n" in str(error)


def test_an_endpoint_that_is_being_deleted_is_not_waited_for(
    bring_up: BringUp, session: Session, endpoint_status: Statuses
) -> None:
    bring_up(wait=False)
    endpoint_status("Deleting")
    with pytest.raises(EndpointFailed, match="its status is Deleting"):
        Endpoint("endpoint", session).wait()


def test_logs_that_may_not_be_read_do_not_hide_the_failure(
    bring_up: BringUp,
    session: Session,
    endpoint_status: Statuses,
    refuse: Refuse,
    caplog: pytest.LogCaptureFixture,
) -> None:
    refuse(session.client("logs"), "DescribeLogStreams", code="AccessDeniedException", message="no")
    endpoint_status("Failed", reason="the fault")
    with pytest.raises(EndpointFailed, match="the fault"):
        bring_up()
    assert "log lines of endpoint endpoint cannot be read" in caplog.text


# Deleting


def test_all_three_are_deleted(bring_up: BringUp, left_over: LeftOver) -> None:
    bring_up().delete()
    assert left_over() == []


def test_deleting_twice_is_no_error(bring_up: BringUp, left_over: LeftOver) -> None:
    endpoint = bring_up()
    endpoint.delete()
    endpoint.delete()
    assert left_over() == []


@pytest.mark.parametrize("gone", ["endpoint", "endpoint_config", "model"])
def test_what_is_gone_already_is_no_error(
    bring_up: BringUp, session: Session, left_over: LeftOver, gone: str
) -> None:
    endpoint = bring_up()
    client = session.sagemaker_client
    {
        "endpoint": lambda: client.delete_endpoint(EndpointName="endpoint"),
        "endpoint_config": lambda: client.delete_endpoint_config(EndpointConfigName="endpoint"),
        "model": lambda: client.delete_model(ModelName="model"),
    }[gone]()
    endpoint.delete()
    # Only the configuration knows the model.
    assert left_over() == (["model"] if gone == "endpoint_config" else [])


def test_all_are_tried_and_the_first_refusal_is_raised(
    bring_up: BringUp, session: Session, refuse: Refuse, left_over: LeftOver
) -> None:
    endpoint = bring_up()
    for operation in ("DeleteEndpointConfig", "DeleteModel"):
        refuse(session.sagemaker_client, operation, code="AccessDenied", message=operation)
    with pytest.raises(RequestError, match=r"DeleteEndpointConfig \(AccessDenied\)"):
        endpoint.delete()
    assert left_over() == ["model", "endpoint"]


def test_what_an_endpoint_needs_stays_while_it_cannot_be_deleted(
    bring_up: BringUp, session: Session, refuse: Refuse, left_over: LeftOver
) -> None:
    endpoint = bring_up()
    refuse(session.sagemaker_client, "DeleteEndpoint", code="AccessDenied", message="no")
    with pytest.raises(RequestError, match=r"no \(AccessDenied\)"):
        endpoint.delete()
    assert left_over() == ["model", "endpoint", "endpoint"]


def test_an_endpoint_under_way_is_waited_for_and_then_deleted(
    bring_up: BringUp, left_over: LeftOver, endpoint_status: Statuses
) -> None:
    endpoint = bring_up()
    endpoint_status("Updating", "Updating", "RollingBack", "InService")
    endpoint.delete()
    assert left_over() == []


def test_an_endpoint_that_is_going_already_is_not_deleted_twice(
    bring_up: BringUp, left_over: LeftOver, endpoint_status: Statuses
) -> None:
    endpoint = bring_up()
    endpoint_status("Deleting")
    endpoint.delete()
    assert left_over() == ["endpoint"]  # which goes by itself


def test_a_passing_fault_does_not_end_a_deployment(
    bring_up: BringUp, session: Session, endpoint_status: Statuses
) -> None:
    class Busy:
        status_code = 400

    answers = itertools.count(1)

    def throttle(**_: object) -> tuple[Busy, dict[str, Any]] | None:
        if next(answers) != 2:
            return None
        return Busy(), {"Error": {"Code": "ThrottlingException", "Message": "slowly"}}

    endpoint_status("Creating", "InService")
    events = session.sagemaker_client.meta.events
    events.register("before-call.sagemaker.DescribeEndpoint", throttle)
    assert bring_up().describe()["EndpointStatus"] == "InService"
