"""Frameworks: found by name and alias, and what is said about those that are not there."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import attrs
import pytest

from sm_core.errors import PluginError, UnknownFrameworkError
from sm_core.estimator import Estimator
from sm_core.frameworks import Framework, get_framework, list_frameworks

AddPlugin = Callable[..., ModuleType]
Install = Callable[..., None]


def framework(name: str, **others: Any) -> Framework:
    reference = {"estimator": "m:E", "model": "m:M", "predictor": "m:P"}
    return Framework(name=name, **{**reference, **others})


def test_hook_sm_frameworks_is_asked_once_and_all_answers_count(add_plugin: AddPlugin) -> None:
    calls = []

    def sm_frameworks() -> list[Framework]:
        calls.append(1)
        return [framework("one", aliases=("uno",)), framework("three")]

    add_plugin(sm_frameworks=sm_frameworks)
    add_plugin(sm_frameworks=lambda: [framework("two")])
    assert list_frameworks() == ["one", "three", "two"]
    assert get_framework("UNO").name == "one"
    assert get_framework("Two").name == "two"
    assert calls == [1]


def test_classes_are_loaded_when_they_are_wanted(paper: Framework) -> None:
    assert issubclass(paper.estimator_class(), Estimator)
    assert paper.model_class().framework_name == "paper"
    assert paper.predictor_class().framework_name == "paper"


@pytest.mark.parametrize("reference", ["no_such_module:Class", "sm_core.errors:NoSuch", "sm_core"])
def test_a_class_that_cannot_be_imported_is_named(reference: str) -> None:
    with pytest.raises(PluginError, match=rf"'it' names '{reference}', which cannot be imported"):
        framework("it", estimator=reference).estimator_class()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mxnet", "registers the framework 'mxnet'; install it with: pip install sm-mxnet"),
        ("KMeans", "registers the framework 'KMeans'; install it with: pip install sm-amazon-algo"),
        ("tensorflw", "did you mean 'tensorflow'? Install it with: pip install sm-tensorflow"),
        ("papper", "registers the framework 'papper'; did you mean 'paper'?"),
        ("zzz", "; installed: paper. A plugin brings a framework"),
    ],
)
def test_an_unknown_framework_says_what_helps(paper: Framework, name: str, message: str) -> None:
    with pytest.raises(UnknownFrameworkError) as caught:
        get_framework(name)
    assert message in str(caught.value)


def test_without_any_framework_there_is_a_way_out(no_installed_plugins: None) -> None:
    with pytest.raises(UnknownFrameworkError, match=r"installed: none\. .* or pass image_name="):
        get_framework("zzz")


def test_a_framework_whose_plugin_was_set_aside_says_so(install_plugin: Install) -> None:
    install_plugin("fancy-plugin", "import no_such_thing", entry="fancy")
    with pytest.raises(
        UnknownFrameworkError,
        match=r"'fancy' of fancy-plugin 1\.2 was set aside: ModuleNotFoundError: No module named",
    ):
        get_framework("fancy")


def test_two_plugins_with_one_name_disturb_only_that_name(add_plugin: AddPlugin) -> None:
    add_plugin("ann", sm_frameworks=lambda: [framework("same"), framework("other")])
    add_plugin("bob", sm_frameworks=lambda: [framework("new", aliases=("Same",))])
    assert get_framework("other").name == "other"
    assert get_framework("new").name == "new"
    assert list_frameworks() == ["new", "other", "same"]
    with pytest.raises(PluginError, match=r"register the framework name 'same': ann, bob; unins"):
        get_framework("same")


def test_a_framework_is_a_value(paper: Framework) -> None:
    assert attrs.evolve(paper, name="paper") == paper
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        paper.name = "other"  # type: ignore[misc]  # frozen
