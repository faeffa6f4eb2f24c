"""Plugins of installed distributions: order, what is set aside, what is said, what is folded."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

import sm_core
from sm_core.backends import Backend
from sm_core.codecs import Codec
from sm_core.errors import ImageError, PluginError
from sm_core.plugins import LoadedPlugin, PluginManager, client_plugins, hookimpl
from sm_core.requests import RequestContext

CONTEXT = RequestContext(
    service="s3", operation="PutObject", framework=None, backend="aws", sending=False
)
Install = Callable[..., None]
AddPlugin = Callable[..., ModuleType]

GOOD = """
from sm_core.plugins import hookimpl

@hookimpl
def sm_frameworks():
    return []
"""
WRAPPER = """
from sm_core.plugins import hookimpl

@hookimpl(wrapper=True)
def sm_request():
    return (yield)
"""
OTHER_NAME = """
from sm_core.plugins import hookimpl

@hookimpl(specname="sm_frameworks")
def no_frameworks():
    return []
"""


def manager() -> PluginManager:
    """A manager of the client's hooks, made now."""
    return PluginManager(
        import_module("sm_core.hookspecs"), {"core": import_module("sm_core.builtin")}
    )


def load_of(plugins: PluginManager, distribution: str) -> LoadedPlugin:
    (found,) = [load for load in plugins.loads if load.distribution == distribution]
    return found


def test_a_plugin_is_found_and_its_hooks_are_listed(install_plugin: Install) -> None:
    install_plugin("ann-plugin", GOOD)
    load = load_of(manager(), "ann-plugin")
    assert load == LoadedPlugin(
        name="ann-plugin", distribution="ann-plugin", version="1.2", hooks=("sm_frameworks",)
    )
    assert load.describe() == "plugin 'ann-plugin' of ann-plugin 1.2"


def test_a_hook_may_be_implemented_under_another_name(install_plugin: Install) -> None:
    install_plugin("ann-plugin", OTHER_NAME)
    load = load_of(manager(), "ann-plugin")
    assert (load.error, load.hooks) == (None, ("sm_frameworks",))


def test_plugins_come_in_the_order_of_their_distributions_names(install_plugin: Install) -> None:
    for name in ("b-plugin", "C_plugin", "a-plugin"):
        install_plugin(name, GOOD)
    plugins = manager()
    assert plugins.loads[0].distribution == "sm-core"
    names = [load.distribution for load in plugins.loads[1:]]
    assert names[:3] == ["a-plugin", "b-plugin", "C_plugin"]


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("import no_such_module", "No module named 'no_such_module'"),
        ("1 / 0", "ZeroDivisionError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("def broken(:", "SyntaxError"),
        (
            GOOD.replace("sm_frameworks()", "sm_framworks()"),
            "hooks that do not exist: sm_framworks",
        ),
        (GOOD.replace("sm_frameworks()", "sm_frameworks(colour)"), "colour"),
        (WRAPPER, "sm_request cannot be wrapped"),
    ],
    ids=["import", "exception", "exit", "syntax", "unknown hook", "unknown argument", "wrapper"],
)
def test_a_broken_plugin_is_set_aside_and_named_while_others_work(
    install_plugin: Install, source: str, cause: str
) -> None:
    install_plugin("broken-plugin", source)
    install_plugin("good-plugin", GOOD)
    plugins = manager()
    (broken,) = [load for load in plugins.broken() if load.distribution == "broken-plugin"]
    assert broken.error is not None
    assert cause in broken.error
    assert broken.describe().startswith("plugin 'broken-plugin' of broken-plugin 1.2 was set aside")
    assert load_of(plugins, "good-plugin").error is None
    registered = {name for name, _ in plugins.list_name_plugin()}
    assert {"core", "good-plugin"} <= registered
    assert "broken-plugin" not in registered
    assert [] in plugins.hook.sm_frameworks()


def test_an_entry_point_that_names_no_module_is_set_aside(install_plugin: Install) -> None:
    install_plugin("ann-plugin", GOOD, value="installed_ann_plugin:sm_frameworks")
    error = load_of(manager(), "ann-plugin").error
    assert error == (
        "its entry point 'installed_ann_plugin:sm_frameworks' names a function; "
        "it must name a module, such as 'installed_ann_plugin'"
    )


def test_the_client_logs_what_was_set_aside(
    install_plugin: Install, caplog: pytest.LogCaptureFixture
) -> None:
    install_plugin("broken-plugin", "1 / 0")
    with caplog.at_level(logging.WARNING):
        client_plugins()
        client_plugins()
    named = [record for record in caplog.messages if "'broken-plugin'" in record]
    (message,) = named
    assert message.endswith("1.2 was set aside: ZeroDivisionError: division by zero")


@pytest.mark.parametrize(
    "requires",
    ["sm-core>=99.1", "sm_core[container] (>=99.1,<100)", "SM-Core ~= 99.1 ; python_version>'3'"],
)
def test_a_plugin_that_asks_for_a_newer_core_names_that_version(
    install_plugin: Install, requires: str
) -> None:
    install_plugin("eager-plugin", "import sm_core.not_yet", requires=requires)
    error = load_of(manager(), "eager-plugin").error
    assert error is not None
    assert f"99.1, {sm_core.__version__} is here)" in error
    assert "it asks for sm-core " in error


@pytest.mark.parametrize("requires", ["sm-core>=0.0.1", "sm-core-extras>=99", "other>=99", ""])
def test_a_plugin_that_asks_for_nothing_newer_is_not_said_to(
    install_plugin: Install, requires: str
) -> None:
    install_plugin("old-plugin", "import sm_core.no_more", requires=requires)
    error = load_of(manager(), "old-plugin").error
    assert error is not None
    assert "asks for" not in error


@pytest.mark.parametrize("entry", ["twin", "core"])
def test_of_two_plugins_with_one_name_the_first_stays(install_plugin: Install, entry: str) -> None:
    install_plugin("a-plugin", GOOD, entry="twin")
    install_plugin("b-plugin", GOOD, entry=entry)
    plugins = manager()
    assert load_of(plugins, "a-plugin").error is None
    assert load_of(plugins, "b-plugin").error == f"there is another plugin of the name {entry!r}"
    assert plugins.get_plugin("twin") is sys.modules["installed_a_plugin"]
    assert plugins.get_plugin("core") is import_module("sm_core.builtin")
    assert plugins.hook.sm_backends()


def test_implementations_of_the_container_s_hooks_are_left_to_the_container(
    install_plugin: Install,
) -> None:
    install_plugin(
        "both-plugin", GOOD + "\n@hookimpl\ndef sm_train(environment):\n    return True\n"
    )
    load = load_of(manager(), "both-plugin")
    assert load.error is None
    assert load.hooks == ("sm_frameworks", "sm_train")


# collect


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        ("None", "sm_codecs returned a NoneType; it must return a list of Codec"),
        ("[1]", "sm_codecs returned a list with a int in it; each item must be a Codec"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_plugin_whose_hook_gives_something_else_is_set_aside(
    install_plugin: Install, caplog: pytest.LogCaptureFixture, answer: str, cause: str
) -> None:
    source = GOOD.replace("sm_frameworks()", "sm_codecs()").replace("[]", answer)
    install_plugin("ann-plugin", source)
    plugins = manager()
    collected = plugins.collect("sm_codecs", Codec)
    names = {name for name, _ in collected}
    assert "core" in names
    assert "ann-plugin" not in names
    error = load_of(plugins, "ann-plugin").error
    assert error is not None
    assert error.startswith("sm_codecs failed: ")
    assert cause in error
    assert not plugins.has_plugin("ann-plugin")
    assert cause in caplog.text


def test_what_plugins_return_is_collected_with_their_names() -> None:
    collected = manager().collect("sm_backends", Backend)
    assert ("core", "aws") in [(plugin, backend.name) for plugin, backend in collected]


# fold


def amending(letter: str) -> Callable[..., dict[str, Any]]:
    def sm_request(request: dict[str, Any]) -> dict[str, Any]:
        return {**request, "seen": request.get("seen", "") + letter}

    return sm_request


def test_fold_hands_each_plugin_what_the_one_before_returned(add_plugin: AddPlugin) -> None:
    add_plugin(sm_request=amending("a"))
    add_plugin(sm_request=lambda request: None)
    add_plugin(sm_request=amending("b"))
    given = {"kept": 1}
    folded = client_plugins().fold("sm_request", "request", given, context=CONTEXT)
    assert given == {"kept": 1}
    assert folded == {"kept": 1, "seen": "ab"}


def test_fold_gives_none_if_no_plugin_changed_anything(add_plugin: AddPlugin) -> None:
    add_plugin(sm_request=lambda request: None)
    assert client_plugins().fold("sm_request", "request", {"a": 1}, context=CONTEXT) is None


def test_fold_lets_a_plugin_ask_to_be_first_or_last(no_installed_plugins: None) -> None:
    for letter, options in (("z", {"trylast": True}), ("m", {}), ("a", {"tryfirst": True})):
        module = ModuleType(letter)
        module.sm_request = hookimpl(**options)(amending(letter))  # type: ignore[attr-defined, call-overload]  # made on the fly
        client_plugins().register(module, name=letter)
    folded = client_plugins().fold("sm_request", "request", {}, context=CONTEXT)
    assert folded == {"seen": "amz"}


def test_fold_lets_the_caller_name_the_first(add_plugin: AddPlugin) -> None:
    for letter in "abc":
        add_plugin(letter, sm_request=amending(letter))
    folded = client_plugins().fold("sm_request", "request", {}, first="c", context=CONTEXT)
    assert folded == {"seen": "cab"}


def test_fold_names_the_plugin_that_returned_something_else(add_plugin: AddPlugin) -> None:
    add_plugin("ann", sm_request=lambda request: [])
    with pytest.raises(PluginError, match="plugin 'ann': sm_request returned a list"):
        client_plugins().fold("sm_request", "request", {}, context=CONTEXT)


def test_fold_lets_through_what_a_plugin_raises(add_plugin: AddPlugin) -> None:
    def sm_request(context: RequestContext) -> None:
        raise PermissionError(f"{context.operation} is not allowed here")

    add_plugin(sm_request=sm_request)
    with pytest.raises(PermissionError, match="PutObject is not allowed here"):
        client_plugins().fold("sm_request", "request", {}, context=CONTEXT)


# The first answer


def test_the_plugin_registered_last_is_asked_first(add_plugin: AddPlugin) -> None:
    add_plugin("ann", sm_image=lambda request: "ann")
    add_plugin("bob", sm_image=lambda request: None)
    assert client_plugins().first("sm_image", str, request=None) == "ann"
    add_plugin("cid", sm_image=lambda request: "cid")
    assert client_plugins().first("sm_image", str, request=None) == "cid"


def test_a_plugin_refuses_with_an_error_of_this_sdk(add_plugin: AddPlugin) -> None:
    def sm_image(request: object) -> str:
        raise ImageError("not in this region")

    add_plugin("ann", sm_image=sm_image)
    with pytest.raises(ImageError, match=r"^not in this region$"):
        client_plugins().first("sm_image", str, request=None)


# SMCORE_TRACE_HOOKS


def test_hook_calls_are_shown_on_request(
    add_plugin: AddPlugin, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SMCORE_TRACE_HOOKS", "1")
    add_plugin("ann", sm_request=amending("a"), sm_image=lambda request: "image:1")
    client_plugins().first("sm_image", str, request="r" * 1000)
    client_plugins().collect("sm_backends", Backend)
    client_plugins().fold("sm_request", "request", {"Body": b"x" * 10**6}, context=CONTEXT)
    shown = capsys.readouterr().err
    assert "hook sm_image(request=" in shown
    assert "of ann --> 'image:1'" in shown
    assert "hook sm_backends() of core --> [Backend(" in shown
    assert "hook sm_request(context=RequestContext(" in shown
    assert "'seen': 'a'" in shown
    assert len(shown) < 2000, "values are cut short"


def test_a_hook_that_fails_is_shown_with_its_error(
    add_plugin: AddPlugin, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SMCORE_TRACE_HOOKS", "1")
    add_plugin("ann", sm_image=lambda request: 1 / 0)
    with pytest.raises(PluginError, match="plugin 'ann': sm_image failed: ZeroDivisionError"):
        client_plugins().first("sm_image", str, request=None)
    assert "--> ZeroDivisionError('division by zero')" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["", "0"])
def test_hook_calls_are_not_shown_without_being_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], value: str
) -> None:
    monkeypatch.setenv("SMCORE_TRACE_HOOKS", value)
    manager().collect("sm_backends", Backend)
    assert capsys.readouterr().err == ""


# Policies


POLICY = """
from sm_core.plugins import hookimpl

@hookimpl
def sm_check_request(request):
    raise RuntimeError("refused")
"""


@pytest.mark.parametrize(
    ("source", "policy"),
    [
        (POLICY + "1 / 0", True),
        (POLICY + "@hookimpl\ndef sm_no_such_hook(): ...", True),
        (POLICY.replace("(request)", "(colour)"), True),
        (WRAPPER, True),
        ("from elsewhere import *", True),
        (GOOD + "1 / 0", False),
        ("import no_such_module", False),
    ],
    ids=["exception", "unknown hook", "argument", "wrapper", "unknown", "framework", "nothing"],
)
def test_nothing_leaves_without_a_policy_that_was_set_aside(
    install_plugin: Install, source: str, policy: bool
) -> None:
    install_plugin("broken-plugin", source)
    plugins = manager()
    load = load_of(plugins, "broken-plugin")
    assert load.error is not None
    assert load.policy is policy
    if not policy:
        plugins.insist_on_policies()
        return
    with pytest.raises(PluginError) as caught:
        plugins.insist_on_policies()
    assert str(caught.value).startswith("plugin 'broken-plugin' of broken-plugin 1.2 was set aside")
    assert str(caught.value).endswith("uninstall it with: pip uninstall broken-plugin")


def test_a_policy_that_breaks_later_is_missed_too(install_plugin: Install) -> None:
    install_plugin(
        "broken-plugin", POLICY + "@hookimpl\ndef sm_codecs():\n    raise RuntimeError('broken')"
    )
    plugins = manager()
    plugins.insist_on_policies()
    plugins.collect("sm_codecs", Codec)
    with pytest.raises(PluginError, match="sm_codecs failed: RuntimeError: broken"):
        plugins.insist_on_policies()


def test_a_check_has_nothing_to_return(add_plugin: AddPlugin) -> None:
    add_plugin("lax", sm_check_request=lambda: False)
    with pytest.raises(PluginError, match="'lax': sm_check_request returned a bool; it must raise"):
        client_plugins().check("sm_check_request", context=CONTEXT, request={})
