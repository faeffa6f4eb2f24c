"""``sm endpoints``: listed, described, deleted."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from sm_core.model import Model
from sm_core.session import Session

Run = Callable[..., Result]
LeftOver = Callable[[], list[str]]


@pytest.fixture
def endpoint(session: Session, capsys: pytest.CaptureFixture[str]) -> str:
    model = Model(
        "s3://b/model.tar.gz", role="Role", image="image:1", name="m", sagemaker_session=session
    )
    session.client("iam").create_role(RoleName="Role", AssumeRolePolicyDocument="{}")
    name: str = model.deploy(1, "ml.c5.xlarge", endpoint_name="my-endpoint").endpoint
    return name


def test_a_list(run: Run, endpoint: str) -> None:
    result = run("endpoints", "list")
    assert result.exit_code == 0, result.output
    header, row = (line.split() for line in result.stdout.splitlines())
    assert header == ["Endpoint", "Status", "Created", "Changed"]
    assert row[:2] == ["my-endpoint", "InService"]
    assert run("endpoints", "list", "--name-contains", "other").stdout.split() == header


def test_a_list_as_json(run: Run, endpoint: str) -> None:
    (found,) = json.loads(run("endpoints", "list", "--json").stdout)
    assert found["EndpointName"] == "my-endpoint"


def test_a_description(run: Run, endpoint: str) -> None:
    result = run("endpoints", "describe", endpoint)
    assert result.exit_code == 0, result.output
    rows = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert rows["Status"] == "InService"
    assert rows["Configuration"] == "my-endpoint"
    described = json.loads(run("endpoints", "describe", endpoint, "--json").stdout)
    assert described["EndpointName"] == "my-endpoint"


def test_it_is_deleted_with_all_that_belongs_to_it(
    run: Run, endpoint: str, left_over: LeftOver
) -> None:
    assert len(left_over()) == 3
    result = run("endpoints", "delete", endpoint)
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert left_over() == []


@pytest.mark.parametrize(("answer", "status", "left"), [("y\n", 0, 0), ("n\n", 1, 3), ("", 1, 3)])
def test_on_a_terminal_it_asks(
    run: Run,
    endpoint: str,
    left_over: LeftOver,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    status: int,
    left: int,
) -> None:
    monkeypatch.setattr(sys.modules["sm_core.cli.endpoints"], "is_terminal", lambda _: True)
    result = run("endpoints", "delete", endpoint, input=answer)
    assert result.exit_code == status
    assert "Delete the endpoint my-endpoint (InService), its configuration" in result.stderr
    assert len(left_over()) == left


def test_it_does_not_ask_where_yes_is_said(
    run: Run, endpoint: str, left_over: LeftOver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["sm_core.cli.endpoints"], "is_terminal", lambda _: True)
    assert run("endpoints", "delete", endpoint, "--yes").exit_code == 0
    assert left_over() == []


@pytest.mark.parametrize("command", ["describe", "delete"])
def test_an_endpoint_that_is_not_there(run: Run, command: str) -> None:
    result: Any = run("endpoints", command, "unknown")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert "ould not find endpoint" in result.stderr
