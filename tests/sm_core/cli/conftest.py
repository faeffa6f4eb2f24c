"""What the command's tests share: the command itself, on moto's AWS with clients to be stubbed."""

from __future__ import annotations

from collections.abc import Callable
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


class _OneClientEach(boto3.Session):
    """A boto3 session that gives out each client once, so that a test can stub what is used."""

    def __init__(self) -> None:
        core = botocore.session.Session()
        core.register_component("data_loader", _loader)
        super().__init__(botocore_session=core, region_name="us-east-1")
        self._given: dict[str, Any] = {}

    def client(self, service_name: str, *args: Any, **settings: Any) -> Any:  # type: ignore[override]  # for any service
        if service_name not in self._given:
            made: Any = super().client(service_name, *args, **settings)
            self._given[service_name] = made
        return self._given[service_name]


@pytest.fixture
def session(aws: None, add_plugin: AddPlugin, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A Session on moto's AWS, whose clients the command uses too, and that does not wait."""
    clients = _OneClientEach()
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
