"""Roles: by name, and the one that a program runs under."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import sm_core
from sm_core.backends import Backend, Polling
from sm_core.errors import ConfigurationError
from sm_core.session import Session

AddPlugin = Callable[..., Any]
Refuse = Callable[..., None]

ROLE = "arn:aws:iam::123456789012:role/"


def run_as(session: Session, arn: str) -> None:
    """Let STS say that the credentials are of `arn`."""

    def change(parsed: dict[str, Any], **_: object) -> None:
        parsed["Arn"] = arn

    session.client("sts").meta.events.register("after-call.sts.GetCallerIdentity", change)


def test_a_notebook_s_role_is_looked_up_with_its_path(session: Session) -> None:
    session.client("iam").create_role(
        RoleName="Scientist", Path="/lab/", AssumeRolePolicyDocument="{}"
    )
    run_as(session, "arn:aws:sts::123456789012:assumed-role/Scientist/SageMaker")
    assert session.get_execution_role() == f"{ROLE}lab/Scientist"
    assert session.get_caller_identity_arn() == f"{ROLE}lab/Scientist"
    assert sm_core.get_execution_role(session) == f"{ROLE}lab/Scientist"


@pytest.mark.parametrize(
    ("assumed", "role"),
    [
        ("aws::123456789012:assumed-role/Own/i-0123", "arn:aws:iam::123456789012:role/Own"),
        (
            "aws-cn::123456789012:assumed-role/AmazonSageMaker-ExecutionRole-1/SageMaker",
            "arn:aws-cn:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole-1",
        ),
    ],
)
def test_a_role_that_may_not_read_itself_is_guessed(
    session: Session, refuse: Refuse, assumed: str, role: str
) -> None:
    refuse(session.client("iam"), "GetRole", code="AccessDenied", message="no", status=403)
    partition, _, rest = assumed.partition("::")
    run_as(session, f"arn:{partition}:sts::{rest}")
    assert session.get_execution_role() == role


def test_a_user_is_no_role(session: Session) -> None:
    run_as(session, "arn:aws:iam::123456789012:user/role/ann")
    assert session.get_caller_identity_arn() == "arn:aws:iam::123456789012:user/role/ann"
    with pytest.raises(ConfigurationError, match=r"user/role/ann, which is not a role; a notebook"):
        session.get_execution_role()


def test_a_back_end_s_default_role_is_that_of_the_program(
    add_plugin: AddPlugin, offline: None
) -> None:
    backend = Backend(
        name="easy",
        boto_session=lambda: pytest.fail("asked"),
        polling=Polling(first=0, factor=1, ceiling=0),
        default_role=f"{ROLE}Default",
    )
    add_plugin(sm_backends=lambda: [backend])
    assert Session(backend="easy").get_execution_role() == f"{ROLE}Default"


@pytest.mark.parametrize(
    "role",
    ["arn:", "arn:aws:iam::123456789012:user/ann", "arn:aws:iam::12:role/Own", 7],
)
def test_what_is_no_role_is_said_so(session: Session, role: Any) -> None:
    with pytest.raises(ConfigurationError, match="role"):
        session.expand_role(role)
