"""The ``sm`` command: its own sub-commands, those of plugins, and what a user sees of errors."""

from __future__ import annotations

import json
import subprocess
import sys
import types
from collections.abc import Iterator
from importlib.metadata import version

import click
import pytest
from click.testing import CliRunner, Result

from sm_core.cli import main
from sm_core.errors import ImageError
from sm_core.plugins import client_plugins, hookimpl


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.fixture
def plugin() -> Iterator[types.ModuleType]:
    """A plugin with a command that fails on purpose."""
    module = types.ModuleType("third_party")

    @hookimpl
    def sm_commands(group: click.Group) -> None:
        @group.command()
        def images() -> None:
            """Find images."""
            raise ImageError("there is no mxnet 9 image; known versions: 1.9.0")

    vars(module).update(sm_commands=sm_commands)
    client_plugins().register(module, name="third-party")
    yield module
    client_plugins().unregister(module)


def test_version() -> None:
    assert run("--version").output == f"sm, version {version('sm-core')}\n"


def test_help_lists_the_commands_of_plugins(plugin: types.ModuleType) -> None:
    result = run("--help")
    assert result.exit_code == 0
    shown = " ".join(result.output.split())
    for line in ("plugins List the installed plugins.", "images Find images.", "local The"):
        assert line in shown


def test_hook_sm_commands(plugin: types.ModuleType) -> None:
    result = run("images")
    assert result.exit_code == 1
    assert result.output == "Error: there is no mxnet 9 image; known versions: 1.9.0\n"


def test_other_errors_are_not_hidden(plugin: types.ModuleType) -> None:
    @main.command()
    def broken() -> None:
        raise ZeroDivisionError

    assert isinstance(run("broken").exception, ZeroDivisionError)


def test_a_plugin_that_cannot_add_its_commands(plugin: types.ModuleType) -> None:
    class Broken:
        @hookimpl
        def sm_commands(self, group: click.Group) -> None:
            raise OSError("no disk")

    broken = Broken()
    client_plugins().register(broken, name="broken")
    try:
        result = run("--help")
    finally:
        client_plugins().unregister(broken)
    assert result.exit_code == 0
    assert "plugin 'broken' cannot add its commands: OSError: no disk" in result.stderr
    assert "images" in result.stdout


def test_an_unknown_command() -> None:
    result = run("trian")
    assert result.exit_code == 2
    assert "No such command 'trian'" in result.output


def test_plugins_as_json() -> None:
    loads = {load["name"]: load for load in json.loads(run("plugins", "--json").output)}
    assert loads["core"]["distribution"] == "sm-core"
    assert loads["local"]["version"] == version("sm-local")
    assert set(loads["local"]["hooks"]) == {"sm_backends", "sm_commands", "sm_request"}
    assert loads["local"]["error"] is None


def test_plugins_as_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    import attrs

    manager = client_plugins()
    bad = attrs.evolve(manager.loads[0], name="bad", error="ImportError: [red] is no markup")
    monkeypatch.setattr(manager, "loads", [*manager.loads, bad])
    monkeypatch.setenv("COLUMNS", "200")
    lines = run("plugins").output.splitlines()
    assert lines[0].split() == ["Plugin", "Distribution", "Version", "Hooks"]
    assert any("sm-local" in line and "sm_request" in line for line in lines)
    assert "set aside: ImportError: [red] is no markup" in lines[-1]


@pytest.mark.integ
def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from sm_core.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'boto3', 'botocore', 'rich', 'numpy', 'aiohttp', 'uvicorn'} & set(sys.modules)\n"
        "sys.exit(','.join(sorted(heavy)) or 0)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.integ
def test_as_a_module() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "sm_core.cli", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.startswith("sm, version ")
