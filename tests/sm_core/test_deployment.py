"""Deployments: all or nothing, whatever fails and whenever somebody presses Ctrl-C."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from types import ModuleType
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from sm_core.endpoints import Endpoint
from sm_core.errors import EndpointFailed, RequestError, SMError
from sm_core.model import production_variant
from sm_core.requests import RequestContext
from sm_core.session import Session

AddPlugin = Callable[..., ModuleType]
Refuse = Callable[..., None]
WriteLog = Callable[..., None]
LeftOver = Callable[[], list[str]]
Statuses = Callable[..., None]
BringUp = Callable[..., Endpoint]

ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"


def test_three_things_are_made_with_their_tags(
    bring_up: BringUp, session: Session, left_over: LeftOver, capsys: pytest.CaptureFixture[str]
) -> None:
    endpoint = bring_up()
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
    bring_up: BringUp, add_plugin: AddPlugin
) -> None:
    seen: list[tuple[str, str | None]] = []

    def sm_request(context: RequestContext) -> None:
        seen.append((context.operation, context.framework))

    add_plugin(sm_request=sm_request)
    bring_up()
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
    bring_up: BringUp, left_over: LeftOver, fault: str
) -> None:
    with pytest.raises(SMError, match=fault):
        bring_up()
    assert left_over() == []


def test_the_first_error_is_raised_even_if_nothing_can_be_deleted(
    bring_up: BringUp,
    session: Session,
    refuse: Refuse,
    fault: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for operation in ("DeleteModel", "DeleteEndpointConfig", "DeleteEndpoint"):
        refuse(session.sagemaker_client, operation, code="Throttled", message="not now")
    with caplog.at_level(logging.WARNING), pytest.raises(SMError, match=fault):
        bring_up()
    for message in caplog.messages:
        assert " could not be deleted: Delete" in message or (
            message == "it may cost money; later: Predictor('endpoint').delete()"
        )


def test_what_can_be_deleted_is_deleted(
    bring_up: BringUp,
    session: Session,
    refuse: Refuse,
    left_over: LeftOver,
    endpoint_status: Statuses,
) -> None:
    endpoint_status("Failed")
    refuse(session.sagemaker_client, "DeleteEndpointConfig", code="Throttled", message="not now")
    with pytest.raises(EndpointFailed):
        bring_up()
    assert left_over() == ["endpoint"]


def test_an_endpoint_that_cannot_be_deleted_can_be_deleted_as_a_whole_later(
    bring_up: BringUp,
    session: Session,
    refuse: Refuse,
    left_over: LeftOver,
    endpoint_status: Statuses,
    caplog: pytest.LogCaptureFixture,
) -> None:
    endpoint_status("Failed")
    refuse(session.sagemaker_client, "DeleteEndpoint", code="AccessDenied", message="no")
    with pytest.raises(EndpointFailed):
        bring_up()
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
    bring_up: BringUp,
    session: Session,
    left_over: LeftOver,
    endpoint_status: Statuses,
    capsys: pytest.CaptureFixture[str],
) -> None:
    endpoint_status("Creating", "Creating", "Creating", "InService")
    interrupt(session, 2)
    with pytest.raises(KeyboardInterrupt):
        bring_up()
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
    bring_up: BringUp,
    session: Session,
    left_over: LeftOver,
    endpoint_status: Statuses,
    capsys: pytest.CaptureFixture[str],
) -> None:
    endpoint_status("Creating")
    interrupt(session, 2, 5)
    with pytest.raises(KeyboardInterrupt):
        bring_up()
    assert left_over() == ["model", "endpoint", "endpoint"]
    assert capsys.readouterr().out.splitlines()[-1] == (
        "Endpoint endpoint is NOT deleted and goes on. To delete it later: "
        "sm_core.Predictor('endpoint', session).delete()"
    )


def test_an_interrupted_creation_leaves_somebody_else_s_endpoint_alone(
    bring_up: BringUp, session: Session, left_over: LeftOver
) -> None:
    bring_up()
    client = session.sagemaker_client
    client.delete_model(ModelName="model")
    client.delete_endpoint_config(EndpointConfigName="endpoint")
    interrupt(session, 1, operation="CreateEndpoint")
    with pytest.raises(KeyboardInterrupt):
        bring_up()
    assert left_over() == ["endpoint"]


def test_nothing_is_waited_for_on_request(bring_up: BringUp, endpoint_status: Statuses) -> None:
    endpoint_status("Failed")
    assert bring_up(wait=False).name == "endpoint"


def test_somebody_else_s_endpoint_of_that_name_is_left_alone(
    bring_up: BringUp, session: Session, left_over: LeftOver, refuse: Refuse
) -> None:
    bring_up()
    client = session.sagemaker_client
    client.delete_model(ModelName="model")
    taken = "Cannot create already existing endpoint configuration"
    refuse(client, "CreateEndpointConfig", code="ValidationException", message=taken)
    with pytest.raises(RequestError, match=taken):
        bring_up()
    assert left_over() == ["endpoint", "endpoint"]


# At every moment

CREATIONS = ["CreateModel", "CreateEndpointConfig", "CreateEndpoint"]


@pytest.mark.parametrize("moment", ["before-call", "after-call"])
@pytest.mark.parametrize("operation", CREATIONS)
def test_ctrl_c_at_any_call_leaves_nothing(
    bring_up: BringUp,
    session: Session,
    left_over: LeftOver,
    endpoint_status: Statuses,
    operation: str,
    moment: str,
) -> None:
    def press(**_: object) -> None:
        raise KeyboardInterrupt

    endpoint_status("Creating", "InService")
    session.sagemaker_client.meta.events.register(f"{moment}.sagemaker.{operation}", press)
    with pytest.raises(KeyboardInterrupt):
        bring_up()
    assert left_over() == []


@pytest.mark.parametrize("operation", CREATIONS)
def test_an_answer_that_is_lost_leaves_nothing(
    bring_up: BringUp,
    session: Session,
    left_over: LeftOver,
    endpoint_status: Statuses,
    operation: str,
) -> None:
    def lose(**_: object) -> None:
        raise ReadTimeoutError(endpoint_url="https://sagemaker.example")

    endpoint_status("Creating", "InService")
    session.sagemaker_client.meta.events.register(f"after-call.sagemaker.{operation}", lose)
    with pytest.raises(RequestError, match="Read timeout"):
        bring_up()
    assert left_over() == []


@pytest.mark.parametrize("operation", CREATIONS[:2])
def test_what_was_there_before_an_interrupted_call_is_left_alone(
    bring_up: BringUp, session: Session, left_over: LeftOver, operation: str
) -> None:
    def age(parsed: dict[str, Any], **_: object) -> None:
        parsed["CreationTime"] -= timedelta(seconds=30)

    bring_up()
    client = session.sagemaker_client
    client.delete_endpoint(EndpointName="endpoint")
    if operation == "CreateModel":
        client.delete_endpoint_config(EndpointConfigName="endpoint")
    else:
        client.delete_model(ModelName="model")
    before = left_over()
    for described in ("DescribeModel", "DescribeEndpointConfig"):
        client.meta.events.register(f"after-call.sagemaker.{described}", age)
    interrupt(session, 1, operation=operation)
    with pytest.raises(KeyboardInterrupt):
        bring_up()
    assert left_over() == before


def test_the_service_s_clock_tells_what_is_new(
    bring_up: BringUp, session: Session, left_over: LeftOver
) -> None:
    def shift(parsed: dict[str, Any], **_: object) -> None:
        service = datetime(2031, 5, 4, 3, 2, 1, tzinfo=timezone.utc)
        parsed["CreationTime"] = service
        parsed["ResponseMetadata"]["HTTPHeaders"]["date"] = format_datetime(service, usegmt=True)

    session.sagemaker_client.meta.events.register("after-call.sagemaker.DescribeModel", shift)
    interrupt_after(session, "CreateModel")
    with pytest.raises(KeyboardInterrupt):
        bring_up()
    assert left_over() == []


def interrupt_after(session: Session, operation: str) -> None:
    def press(**_: object) -> None:
        raise KeyboardInterrupt

    session.sagemaker_client.meta.events.register(f"after-call.sagemaker.{operation}", press)


def test_ctrl_c_while_cleaning_up_names_what_is_left(
    bring_up: BringUp,
    session: Session,
    refuse: Refuse,
    left_over: LeftOver,
    caplog: pytest.LogCaptureFixture,
) -> None:
    refuse(session.sagemaker_client, "CreateEndpoint", code="ResourceLimitExceeded", message="no")
    interrupt(session, 1, operation="DeleteModel")
    with pytest.raises(KeyboardInterrupt):
        bring_up()
    assert left_over() == ["model"]
    assert "interrupted; perhaps not deleted: Model model" in caplog.text


def test_models_that_there_are_stay(session: Session, refuse: Refuse, left_over: LeftOver) -> None:
    session.create_model("theirs", ROLE, primary_container="image:1")
    refuse(session.sagemaker_client, "CreateEndpoint", code="ResourceLimitExceeded", message="no")
    with pytest.raises(RequestError, match="no"):
        session.endpoint_from_production_variants(
            "endpoint", [production_variant("theirs", "ml.c5.xlarge")]
        )
    assert left_over() == ["theirs"]
