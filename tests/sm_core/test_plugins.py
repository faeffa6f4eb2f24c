"""Plugins of installed distributions: order, what is set aside, and what is said about it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest

import sm_core
from sm_core.errors import PluginError
from sm_core.plugins import LoadedPlugin, PluginManager
from sm_core.requests import RequestContext

CONTEXT = RequestContext(
    service="s3", operation="PutObject", framework=None, backend="aws", sending=False
)
Install = Callable[..., None]

GOOD = """
from sm_core.plugins import hookimpl

@hookimpl
def sm_frameworks():
    return []
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Put a distribution with one plugin module on ``sys.path``, as an installer would."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    modules = []

    def put(distribution: str, source: str, *, entry: str = "", requires: str = "") -> None:
        module = distribution.replace("-", "_")
        modules.append(module)
        (site / f"{module}.py").write_text(source, encoding="utf-8")
        metadata = site / f"{module}-1.2.dist-info"
        metadata.mkdir()
        lines = ["Metadata-Version: 2.1", f"Name: {distribution}", "Version: 1.2"]
        lines += [f"Requires-Dist: {requires}"] if requires else []
        (metadata / "METADATA").write_text("\n".join([*lines, "", ""]), encoding="utf-8")
        (metadata / "entry_points.txt").write_text(
            f"[sm_core.plugins]\n{entry or distribution} = {module}\n", encoding="utf-8"
        )

    yield put
    for module in modules:
        sys.modules.pop(module, None)


def manager() -> PluginManager:
    """A manager of the client's hooks, made now."""
    return PluginManager(
        import_module("sm_core.hookspecs"), {"core": import_module("sm_core.builtin")}
    )


def load_of(plugins: PluginManager, distribution: str) -> LoadedPlugin:
    (found,) = [load for load in plugins.loads if load.distribution == distribution]
    return found


def test_a_plugin_is_found_and_its_hooks_are_listed(install: Install) -> None:
    install("ann-plugin", GOOD)
    load = load_of(manager(), "ann-plugin")
    assert load == LoadedPlugin(
        name="ann-plugin", distribution="ann-plugin", version="1.2", hooks=("sm_frameworks",)
    )


def test_plugins_come_in_the_order_of_their_distributions_names(install: Install) -> None:
    for name in ("b-plugin", "c-plugin", "a-plugin"):
        install(name, GOOD)
    plugins = manager()
    assert plugins.loads[0].distribution == "sm-core"
    names = [load.distribution for load in plugins.loads[1:]]
    assert names == sorted(names)
    assert {"a-plugin", "b-plugin", "c-plugin"} <= set(names)


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("import no_such_module", "No module named 'no_such_module'"),
        ("1 / 0", "ZeroDivisionError"),
        ("def broken(:", "SyntaxError"),
        (
            GOOD.replace("sm_frameworks()", "sm_framworks()"),
            "hooks that do not exist: sm_framworks",
        ),
        (GOOD.replace("sm_frameworks()", "sm_frameworks(colour)"), "colour"),
    ],
    ids=["missing import", "exception", "syntax", "unknown hook", "unknown argument"],
)
def test_a_broken_plugin_is_set_aside_and_named_while_others_work(
    install: Install, source: str, cause: str
) -> None:
    install("broken-plugin", source)
    install("good-plugin", GOOD)
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


def test_a_plugin_that_asks_for_a_newer_core_names_that_version(install: Install) -> None:
    install("eager-plugin", "import sm_core.not_yet", requires="sm-core>=99.1")
    error = load_of(manager(), "eager-plugin").error
    assert error is not None
    assert f"it asks for sm-core >=99.1, {sm_core.__version__} is here" in error


def test_of_two_plugins_with_one_name_the_first_stays(install: Install) -> None:
    install("a-plugin", GOOD, entry="twin")
    install("b-plugin", GOOD, entry="twin")
    plugins = manager()
    assert load_of(plugins, "a-plugin").error is None
    assert load_of(plugins, "b-plugin").error is not None
    assert plugins.get_plugin("twin") is sys.modules["a_plugin"]


def test_implementations_of_the_container_s_hooks_are_left_to_the_container(
    install: Install,
) -> None:
    install("both-plugin", GOOD + "\n@hookimpl\ndef sm_train(environment):\n    return True\n")
    load = load_of(manager(), "both-plugin")
    assert load.error is None
    assert load.hooks == ("sm_frameworks", "sm_train")


AMENDING = """
from sm_core.plugins import hookimpl

@hookimpl
def sm_request(request):
    return {{**request, "seen": request.get("seen", "") + "{letter}"}}
"""


def test_fold_hands_each_plugin_what_the_one_before_returned(install: Install) -> None:
    for letter in "ab":
        install(f"{letter}-plugin", AMENDING.format(letter=letter))
    plugins = manager()
    given = {"kept": 1}
    folded = plugins.fold("sm_request", "request", given, context=CONTEXT)
    assert given == {"kept": 1}
    assert folded == {"kept": 1, "seen": "ab"}


def test_fold_names_the_plugin_that_returned_something_else(install: Install) -> None:
    install("a-plugin", GOOD.replace("sm_frameworks()", "sm_request()"))
    with pytest.raises(PluginError, match="plugin 'a-plugin': sm_request returned a list"):
        manager().fold("sm_request", "request", {}, context=CONTEXT)


def test_hook_calls_are_shown_on_request(
    install: Install, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install("a-plugin", GOOD)
    monkeypatch.setenv("SMCORE_TRACE_HOOKS", "1")
    manager().hook.sm_frameworks()
    assert "sm_frameworks" in capsys.readouterr().err
