"""The distributions' metadata: one version, no upper limits, everything pinned for development."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import tomli
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import sm_core

ROOT = Path(__file__).parents[2]
FOLDERS = (ROOT, *sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml")))


def project(folder: Path) -> dict[str, Any]:
    """The ``[project]`` table of a distribution."""
    table: dict[str, Any] = tomli.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    return table


def requirements(folder: Path) -> list[Requirement]:
    """What it needs at run time, extras included."""
    table = project(folder)
    extras = table.get("optional-dependencies", {})
    lines = [*table["dependencies"], *(line for extra in extras.values() for line in extra)]
    return [Requirement(line) for line in lines]


each_distribution = pytest.mark.parametrize(
    "folder", FOLDERS, ids=[project(folder)["name"] for folder in FOLDERS]
)


@each_distribution
def test_dependencies_have_no_upper_limit(folder: Path) -> None:
    limited = [
        str(requirement)
        for requirement in requirements(folder)
        for part in requirement.specifier
        if part.operator in ("==", "===", "<", "<=", "~=", "!=")
    ]
    assert not limited


@each_distribution
def test_dependencies_come_by_name_from_an_index(folder: Path) -> None:
    assert not [str(requirement) for requirement in requirements(folder) if requirement.url]


@each_distribution
def test_every_dependency_names_the_oldest_version_that_will_do(folder: Path) -> None:
    assert not [str(entry) for entry in requirements(folder) if ">=" not in str(entry.specifier)]


@each_distribution
def test_one_version_for_all(folder: Path) -> None:
    table = project(folder)
    assert table["version"] == sm_core.__version__
    own = [entry for entry in requirements(folder) if entry.name.startswith("sm-")]
    assert all(str(entry.specifier) == f">={sm_core.__version__}" for entry in own)
    assert f"## {sm_core.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@each_distribution
def test_each_ships_license_readme_and_types(folder: Path) -> None:
    table = project(folder)
    package = folder / table["name"].replace("-", "_")
    assert (package / "py.typed").is_file()
    assert table["license"] == "Apache-2.0"
    assert (folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert len((folder / table["readme"]).read_text(encoding="utf-8")) > 300


@each_distribution
def test_each_dependency_is_explained(folder: Path) -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    missing = [entry.name for entry in requirements(folder) if f"| {entry.name} |" not in page]
    assert not missing


PIN = re.compile(r"([a-z0-9.-]+)==[0-9][\w.]*(?: ; .+)?")


def pins() -> list[str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_constraints_are_versions_only() -> None:
    assert not [line for line in pins() if not PIN.fullmatch(line)]


def test_all_that_is_installed_is_constrained() -> None:
    pinned = {canonicalize_name(line.partition("==")[0]) for line in pins()}
    development = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8").splitlines()
    wanted = [Requirement(line) for line in development if line and not line.startswith("#")]
    wanted += [entry for folder in FOLDERS for entry in requirements(folder)]
    names = {canonicalize_name(entry.name) for entry in wanted}
    assert not {name for name in names if not name.startswith("sm-")} - pinned


def test_continuous_integration_covers_the_supported_pythons() -> None:
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    tested = re.search(r"python: \[(.*)\]", workflow)
    classifiers = "\n".join(project(ROOT)["classifiers"])
    assert tested is not None
    assert re.findall(r"3\.\d+", tested[1]) == re.findall(r":: (3\.\d+)", classifiers)


def test_a_release_publishes_every_distribution() -> None:
    workflow = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    packages = re.search(r"package: \[(.*)\]", workflow)
    assert packages is not None
    names = [project(folder)["name"].replace("-", "_") for folder in FOLDERS]
    assert packages[1].split(", ") == names
