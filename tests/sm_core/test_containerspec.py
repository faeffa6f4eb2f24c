"""``ContainerSpec``: what a plugin says about building and starting its container."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType

import attrs
import pytest

from sm_core.containerspec import ContainerSpec
from sm_core.plugins import client_plugins

AddPlugin = Callable[..., ModuleType]


def test_the_least_that_must_be_said() -> None:
    spec = ContainerSpec(framework="paper", version="2.0")
    assert spec.device == "cpu"
    assert spec.train == ("-m", "sm_core.container", "train")
    assert spec.serve == ("-m", "sm_core.container", "serve")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        spec.version = "3.0"  # type: ignore[misc]  # frozen


def test_hook_sm_container_the_first_answer_counts(add_plugin: AddPlugin) -> None:
    first = ContainerSpec(framework="first", version="1")
    mine = ContainerSpec(framework="paper", version="2.0")
    add_plugin(sm_container=lambda framework: first)
    add_plugin(sm_container=lambda framework, image: mine if framework == "paper" else None)
    ask = partial(client_plugins().hook.sm_container, device="cpu", hosts=1, function_mode=None)
    assert ask(framework="paper", version=None, image=None) is mine
    assert ask(framework=None, version=None, image="x:1") is first
