"""The import contracts of pyproject.toml leave no module out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tomli

ROOT = Path(__file__).parents[2]
#: What stands below both the client and `sm_core.container`.
SHARED = {
    "sm_core.archives",
    "sm_core.brokenplugins",
    "sm_core.errors",
    "sm_core.hooktracing",
    "sm_core.limits",
    "sm_core.npy",
    "sm_core.plugins",
    "sm_core.scripts",
    "sm_core.text",
}


def contracts() -> dict[str, dict[str, Any]]:
    """The contracts by name."""
    configuration = tomli.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return {entry["name"]: entry for entry in configuration["tool"]["importlinter"]["contracts"]}


def modules() -> set[str]:
    """Modules and sub-packages of sm_core, the container's aside."""
    names = {path.stem for path in (ROOT / "sm_core").glob("*.py")}
    names |= {path.parent.name for path in (ROOT / "sm_core").glob("*/__init__.py")}
    return {f"sm_core.{name}" for name in names - {"__init__", "container"}}


def test_the_container_s_contract_names_every_module_of_the_client() -> None:
    entry = contracts()["What runs inside a container knows nothing of the client"]
    assert set(entry["forbidden_modules"]) == modules() - SHARED


def test_the_client_s_contract_names_every_module() -> None:
    entry = contracts()["The client knows nothing of what runs inside a container"]
    assert set(entry["source_modules"]) == modules()


def test_every_package_is_under_contract() -> None:
    configuration = tomli.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    plugins = {path.name for path in (ROOT / "plugins").iterdir() if path.is_dir()}
    linter = configuration["tool"]["importlinter"]
    assert set(linter["root_packages"]) == {"sm_core", *plugins}
    assert set(contracts()["The core knows no plugin"]["forbidden_modules"]) == plugins
    assert set(contracts()["Plugins do not know each other"]["modules"]) == plugins
    assert set(contracts()["No import cycles"]["ancestors"]) == {"sm_core", *plugins}
