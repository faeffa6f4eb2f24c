"""Endpoints: all or nothing, waited for, deleted with all that belongs to them."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from sm_core.endpoints import Endpoint, deploy
from sm_core.errors import EndpointFailed, RequestError, SMError
from sm_core.logs import ENDPOINT_GROUP
from sm_core.requests import (
    ContainerDefinition,
    EndpointConfigRequest,
    ModelRequest,
    ProductionVariant,
    RequestContext,
    Tag,
)
from sm_core.session import Session

AddPlugin = Callable[..., ModuleType]
Refuse = Callable[..., None]
WriteLog = Callable[..., None]
LeftOver = Callable[[], list[str]]
Statuses = Callable[..., None]

TAGS = (Tag(key="team", value="vision"),)


def bring_up(session: Session, **others: Any) -> Endpoint:
    model = ModelRequest(
        model_name="model",
        primary_container=ContainerDefinition(image="image:1"),
        execution_role_arn="arn:aws:iam::123456789012:role/Role",
        tags=TAGS,
    )
    variant = ProductionVariant(
        variant_name="AllTraffic",
        model_name="model",
        instance_type="ml.c5.xlarge",
        initial_instance_count=1,
    )
    config = EndpointConfigRequest(
        endpoint_config_name="endpoint", production_variants=(variant,), tags=TAGS
    )
    return deploy(session, model=model, config=config, framework="paper", **others)


def test_three_things_are_made_with_their_tags(
    session: Session, left_over: LeftOver, capsys: pytest.CaptureFixture[str]
) -> None:
    endpoint = bring_up(session)
    assert left_over() == ["model", "endpoint", "endpoint"]
    assert endpoint.describe()["EndpointStatus"] == "InService"
    client = session.sagemaker_client
    for description in (
        client.describe_model(ModelName="model")["ModelArn"],
        client.describe_endpoint_config(EndpointConfigName="endpoint")["EndpointConfigArn"],
        endpoint.describe()["EndpointArn"],
    ):
        tags = client.list_tags(ResourceArn=description)["Tags"]
        assert tags == [{"Key": "team", "Value": "vision"}]
    assert capsys.readouterr().out == "Endpoint endpoint: InService\n"


def test_hook_sm_request_knows_for_whom_a_deployment_is(
    session: Session, add_plugin: AddPlugin
) -> None:
    seen: list[tuple[str, str | None]] = []

    def sm_request(context: RequestContext) -> None:
        seen.append((context.operation, context.framework))

    add_plugin(sm_request=sm_request)
    bring_up(session)
    assert seen == [
        ("CreateModel", "paper"),
        ("CreateEndpointConfig", "paper"),
        ("CreateEndpoint", "paper"),
    ]


STEPS = ["CreateModel", "CreateEndpointConfig", "CreateEndpoint", "wait"]


@pytest.fixture(params=STEPS)
def fault(
    request: pytest.FixtureRequest, session: Session, refuse: Refuse, endpoint_status: Statuses
) -> str:
    """A fault in one of the steps; its message."""
    if request.param == "wait":
        endpoint_status("Creating", "Failed", reason="the fault")
    else:
        refuse(
            session.sagemaker_client,
            request.param,
            code="ResourceLimitExceeded",
            message="the fault",
        )
    return "the fault"


def test_a_deployment_that_fails_leaves_nothing(
    session: Session, left_over: LeftOver, fault: str
) -> None:
    with pytest.raises(SMError, match=fault):
        bring_up(session)
    assert left_over() == []


def test_the_first_error_is_raised_even_if_nothing_can_be_deleted(
    session: Session, refuse: Refuse, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    for operation in ("DeleteModel", "DeleteEndpointConfig", "DeleteEndpoint"):
        refuse(session.sagemaker_client, operation, code="Throttled", message="not now")
    with caplog.at_level(logging.WARNING), pytest.raises(SMError, match=fault):
        bring_up(session)
    for message in caplog.messages:
        assert " could not be deleted: Delete" in message or (
            message == "it may cost money; later: Predictor('endpoint').delete()"
        )


def test_what_can_be_deleted_is_deleted(
    session: Session, refuse: Refuse, left_over: LeftOver, endpoint_status: Statuses
) -> None:
    endpoint_status("Failed")
    refuse(session.sagemaker_client, "DeleteEndpointConfig", code="Throttled", message="not now")
    with pytest.raises(EndpointFailed):
        bring_up(session)
    assert left_over() == ["endpoint"]


def test_an_endpoint_that_cannot_be_deleted_can_be_deleted_as_a_whole_later(
    session: Session,
    refuse: Refuse,
    left_over: LeftOver,
    endpoint_status: Statuses,
    caplog: pytest.LogCaptureFixture,
) -> None:
    endpoint_status("Failed")
    refuse(session.sagemaker_client, "DeleteEndpoint", code="AccessDenied", message="no")
    with pytest.raises(EndpointFailed):
        bring_up(session)
    assert left_over() == ["model", "endpoint", "endpoint"]
    assert "and Endpoint endpoint could not be deleted" in caplog.text
    assert "later: Predictor('endpoint').delete()" in caplog.text


def interrupt(session: Session, *questions: int, operation: str = "DescribeEndpoint") -> None:
    """Press Ctrl-C at these calls of an operation, counted from 1."""
    number = itertools.count(1)

    def press(**_: object) -> None:
        if next(number) in questions:
            raise KeyboardInterrupt

    session.sagemaker_client.meta.events.register(f"before-call.sagemaker.{operation}", press)


def test_an_interrupted_deployment_leaves_nothing(
    session: Session,
    left_over: LeftOver,
    endpoint_status: Statuses,
    capsys: pytest.CaptureFixture[str],
) -> None:
    endpoint_status("Creating", "Creating", "Creating", "InService")
    interrupt(session, 2)
    with pytest.raises(KeyboardInterrupt):
        bring_up(session)
    assert left_over() == []
    first, why, *others = capsys.readouterr().out.splitlines()
    assert [first, *others] == [
        "Endpoint endpoint: Creating",
        "Endpoint endpoint: Creating",
        "Endpoint endpoint: InService",
    ]
    assert why == (
        "Endpoint endpoint can be deleted only when what is under way has ended; waiting for that. "
        "Ctrl-C gives up"
    )


def test_a_second_interruption_gives_up_and_leaves_what_deleting_needs(
    session: Session,
    left_over: LeftOver,
    endpoint_status: Statuses,
    capsys: pytest.CaptureFixture[str],
) -> None:
    endpoint_status("Creating")
    interrupt(session, 2, 5)
    with pytest.raises(KeyboardInterrupt):
        bring_up(session)
    assert left_over() == ["model", "endpoint", "endpoint"]
    assert capsys.readouterr().out.splitlines()[-1] == (
        "Endpoint endpoint is NOT deleted and goes on. To delete it later: "
        "sm_core.Predictor('endpoint', session).delete()"
    )


def test_an_interrupted_creation_leaves_nothing(
    session: Session, left_over: LeftOver, endpoint_status: Statuses
) -> None:
    def press(**_: object) -> None:
        raise KeyboardInterrupt

    # The service has taken the request when Ctrl-C comes.
    endpoint_status("Creating", "InService")
    session.sagemaker_client.meta.events.register("after-call.sagemaker.CreateEndpoint", press)
    with pytest.raises(KeyboardInterrupt):
        bring_up(session)
    assert left_over() == []


def test_an_interrupted_creation_leaves_somebody_else_s_endpoint_alone(
    session: Session, left_over: LeftOver
) -> None:
    bring_up(session)
    client = session.sagemaker_client
    client.delete_model(ModelName="model")
    client.delete_endpoint_config(EndpointConfigName="endpoint")
    interrupt(session, 1, operation="CreateEndpoint")
    with pytest.raises(KeyboardInterrupt):
        bring_up(session)
    assert left_over() == ["endpoint"]


def test_nothing_is_waited_for_on_request(session: Session, endpoint_status: Statuses) -> None:
    endpoint_status("Failed")
    assert bring_up(session, wait=False).name == "endpoint"


def test_somebody_else_s_endpoint_of_that_name_is_left_alone(
    session: Session, left_over: LeftOver, refuse: Refuse
) -> None:
    bring_up(session)
    client = session.sagemaker_client
    client.delete_model(ModelName="model")
    taken = "Cannot create already existing endpoint configuration"
    refuse(client, "CreateEndpointConfig", code="ValidationException", message=taken)
    with pytest.raises(RequestError, match=taken):
        bring_up(session)
    assert left_over() == ["endpoint", "endpoint"]


# Waiting


def test_statuses_are_shown_until_the_endpoint_is_in_service(
    session: Session, endpoint_status: Statuses, capsys: pytest.CaptureFixture[str]
) -> None:
    bring_up(session, wait=False)
    endpoint_status("Creating", "Creating", "Updating", "InService")
    assert Endpoint("endpoint", session).wait()["EndpointStatus"] == "InService"
    assert capsys.readouterr().out.splitlines() == [
        "Endpoint endpoint: Creating",
        "Endpoint endpoint: Updating",
        "Endpoint endpoint: InService",
    ]


def test_a_failed_endpoint_gives_reason_and_last_lines(
    session: Session, endpoint_status: Statuses, write_log: WriteLog
) -> None:
    lines = [f"line {number}" for number in range(30)]
    write_log(f"{ENDPOINT_GROUP}endpoint", "AllTraffic/i-1", *lines)
    endpoint_status("Failed", reason="did not pass the ping health check.")
    with pytest.raises(EndpointFailed) as caught:
        bring_up(session)
    error = caught.value
    assert error.endpoint_name == "endpoint"
    assert error.failure_reason == "did not pass the ping health check."
    assert error.log_tail == tuple(lines[10:])
    assert "health check.\nlast log lines:\n  line 10\n" in str(error)


def test_an_endpoint_that_is_being_deleted_is_not_waited_for(
    session: Session, endpoint_status: Statuses
) -> None:
    bring_up(session, wait=False)
    endpoint_status("Deleting")
    with pytest.raises(EndpointFailed, match="its status is Deleting"):
        Endpoint("endpoint", session).wait()


def test_logs_that_may_not_be_read_do_not_hide_the_failure(
    session: Session,
    endpoint_status: Statuses,
    refuse: Refuse,
    caplog: pytest.LogCaptureFixture,
) -> None:
    refuse(session.client("logs"), "DescribeLogStreams", code="AccessDeniedException", message="no")
    endpoint_status("Failed", reason="the fault")
    with pytest.raises(EndpointFailed, match="the fault"):
        bring_up(session)
    assert "log lines of endpoint endpoint cannot be read" in caplog.text


# Deleting


def test_all_three_are_deleted(session: Session, left_over: LeftOver) -> None:
    bring_up(session).delete()
    assert left_over() == []


def test_deleting_twice_is_no_error(session: Session, left_over: LeftOver) -> None:
    endpoint = bring_up(session)
    endpoint.delete()
    endpoint.delete()
    assert left_over() == []


@pytest.mark.parametrize("gone", ["endpoint", "endpoint_config", "model"])
def test_what_is_gone_already_is_no_error(session: Session, left_over: LeftOver, gone: str) -> None:
    endpoint = bring_up(session)
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
    session: Session, refuse: Refuse, left_over: LeftOver
) -> None:
    endpoint = bring_up(session)
    for operation in ("DeleteEndpointConfig", "DeleteModel"):
        refuse(session.sagemaker_client, operation, code="AccessDenied", message=operation)
    with pytest.raises(RequestError, match=r"DeleteEndpointConfig \(AccessDenied\)"):
        endpoint.delete()
    assert left_over() == ["model", "endpoint"]


def test_what_an_endpoint_needs_stays_while_it_cannot_be_deleted(
    session: Session, refuse: Refuse, left_over: LeftOver
) -> None:
    endpoint = bring_up(session)
    refuse(session.sagemaker_client, "DeleteEndpoint", code="AccessDenied", message="no")
    with pytest.raises(RequestError, match=r"no \(AccessDenied\)"):
        endpoint.delete()
    assert left_over() == ["model", "endpoint", "endpoint"]


def test_an_endpoint_under_way_is_waited_for_and_then_deleted(
    session: Session, left_over: LeftOver, endpoint_status: Statuses
) -> None:
    endpoint = bring_up(session)
    endpoint_status("Updating", "Updating", "RollingBack", "InService")
    endpoint.delete()
    assert left_over() == []


def test_an_endpoint_that_is_going_already_is_not_deleted_twice(
    session: Session, left_over: LeftOver, endpoint_status: Statuses
) -> None:
    endpoint = bring_up(session)
    endpoint_status("Deleting")
    endpoint.delete()
    assert left_over() == ["endpoint"]  # which goes by itself


def test_a_passing_fault_does_not_end_a_deployment(
    session: Session, endpoint_status: Statuses
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
    assert bring_up(session).describe()["EndpointStatus"] == "InService"
