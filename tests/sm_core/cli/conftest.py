"""What the command's tests share: the command itself, on moto's AWS with clients to be stubbed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

import boto3
import botocore.loaders
import botocore.session
import pytest
from click.testing import CliRunner, Result

from sm_core.backends import Backend, Polling
from sm_core.cli import main
from sm_core.session import Session

AddPlugin = Callable[..., ModuleType]
Run = Callable[..., Result]
_loader = botocore.loaders.create_loader()


@pytest.fixture(autouse=True)
def _plugins_are_asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "_asked", False)
    monkeypatch.setattr(main, "commands", dict(main.commands))


def _one_client_each() -> boto3.Session:
    """A boto3 session that gives out each client once, so that a test can stub what is used."""
    core = botocore.session.Session()
    core.register_component("data_loader", _loader)
    session = boto3.Session(botocore_session=core, region_name="us-east-1")
    vars(session)["client"] = cache(session.client)
    return session


@pytest.fixture
def session(aws: None, add_plugin: AddPlugin, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A Session on moto's AWS, whose clients the command uses too, and that does not wait."""
    clients = _one_client_each()
    quick = Backend(
        name="quick",
        boto_session=lambda: clients,
        polling=Polling(first=0, factor=1, ceiling=0),
        instance_types={"here": "ml.c5.xlarge"},
        default_role="arn:aws:iam::123456789012:role/SageMakerRole",
    )
    add_plugin("quick", sm_backends=lambda: [quick])
    monkeypatch.setenv("SMCORE_BACKEND", "quick")
    return Session()


@pytest.fixture
def run(session: Session) -> Run:
    """Run ``sm`` with arguments."""

    def invoke(*arguments: str, **settings: Any) -> Result:
        return CliRunner().invoke(main, arguments, prog_name="sm", **settings)

    return invoke
