"""An environment with the real MXNet, built once and kept between runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sm_core.containerspec import ContainerSpec
from sm_core.plugins import client_plugins


@pytest.fixture(scope="session")
def mxnet_python(container_python: Callable[[ContainerSpec], str]) -> str:
    """Interpreter of an environment as the plugin's ContainerSpec describes it."""
    spec = client_plugins().hook.sm_container(
        framework="mxnet", version=None, device="cpu", image=None, hosts=1, function_mode=None
    )
    return container_python(spec)
