"""Every hook is known to the plugin manager, tested, and documented with its exact signature."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

import sm_core.container.hookspecs
import sm_core.hookspecs
from sm_core.plugins import CLIENT_HOOKS, CONTAINER_HOOKS

ROOT = Path(__file__).parents[2]


def hooks(module: ModuleType) -> dict[str, FunctionType]:
    """The hook specifications of `module`, by name."""
    found = inspect.getmembers(module, inspect.isfunction)
    return {name: function for name, function in found if hasattr(function, "sm_core_spec")}


ALL = {**hooks(sm_core.hookspecs), **hooks(sm_core.container.hookspecs)}


def documented() -> dict[str, str]:
    """The signatures in docs/plugins.md, by hook."""
    page = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    return {match[1]: match[0] for match in re.finditer(r"^### `(sm_\w+)\(.*$", page, re.MULTILINE)}


def test_the_manager_knows_all_hooks() -> None:
    assert set(hooks(sm_core.hookspecs)) == CLIENT_HOOKS
    assert set(hooks(sm_core.container.hookspecs)) == CONTAINER_HOOKS


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_hook_says_when_it_is_called_and_what_it_returns(name: str) -> None:
    text = inspect.getdoc(ALL[name]) or ""
    assert "Called" in text, "say who calls it, and when"
    if "None" in str(inspect.signature(ALL[name]).return_annotation):
        assert "None" in text or name == "sm_commands", "say what None means"


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_hook_has_a_test(name: str) -> None:
    wanted = f"test_hook_{name}"
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
            if isinstance(node, kinds) and node.name.startswith(wanted):
                return
    pytest.fail(f"no test is named {wanted}")


@pytest.mark.parametrize("name", sorted(ALL))
def test_the_documented_signature_is_the_code_s(name: str) -> None:
    signature = str(inspect.signature(ALL[name])).replace("'", "")
    assert documented().get(name) == f"### `{name}{signature}`"


def test_no_hook_is_documented_that_does_not_exist() -> None:
    assert set(documented()) == set(ALL)
