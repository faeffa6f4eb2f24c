"""docs/specification.md: every promise names tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import attrs
import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "specification.md"


@attrs.frozen
class Row:
    """One promise, and the tests that hold it."""

    promise: str
    tests: tuple[str, ...]


def rows() -> list[Row]:
    found = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and len(cells) == 3 and not set(cells[0]) <= set("- :"):
            found.append(Row(cells[0], tuple(re.findall(r"`([^`]+::[^`]+)`", cells[2]))))
    return [row for row in found if row.promise != "Promise"]


def names(path: Path) -> set[str]:
    """Test functions of a file, and its classes' methods as ``Class::method``."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            methods = [entry for entry in node.body if isinstance(entry, ast.FunctionDef)]
            found |= {f"{node.name}::{method.name}" for method in methods}
    return found


def test_there_are_promises() -> None:
    assert len(rows()) >= 10


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.promise)
def test_a_promise_names_tests_that_exist(row: Row) -> None:
    assert row.tests, "name at least one test as `tests/…/test_x.py::test_name`"
    for test in row.tests:
        path, _, name = test.partition("::")
        assert (ROOT / path).is_file(), f"{path} does not exist"
        assert name in names(ROOT / path), f"{path} has no {name}"
