"""Environments with the real TensorFlow, built once and kept between runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from sm_core import Session
from sm_core.containerspec import ContainerSpec
from sm_core.plugins import client_plugins
from sm_local.home import Home
from sm_local.startup import stop_service


@pytest.fixture(scope="session")
def python_with(container_python: Callable[[ContainerSpec], str]) -> Callable[[str], str]:
    """Interpreter of the environment that runs a TensorFlow version, as the plugin describes it."""

    def python(version: str) -> str:
        spec = client_plugins().hook.sm_container(
            framework="tensorflow",
            version=version,
            device="cpu",
            image=None,
            hosts=1,
            function_mode=None,
        )
        return container_python(spec)

    return python


@pytest.fixture(scope="session")
def tensorflow_python(python_with: Callable[[str], str]) -> str:
    """Interpreter of the environment that function mode runs in: TensorFlow 2.14.1."""
    return python_with("2.14.1")


@pytest.fixture
def local_session() -> Iterator[Session]:
    """A Session of a local service of the test's own, which is stopped in any case."""
    yield Session.local()
    stop_service(Home.default())
