"""`import sm_core`: what it does not do, and the names it offers."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import sm_core

REPORT = """
import io, json, logging, socket, sys, warnings

calls = []
sys.addaudithook(lambda event, _: calls.append(event) if event.startswith("socket.") else None)
filters, handlers = list(warnings.filters), list(logging.root.handlers)
level, disabled = logging.root.level, logging.root.manager.disable
sys.stdout = sys.stderr = io.StringIO()

import sm_core

printed = sys.stdout.getvalue()
sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
loggers = [
    name
    for name, logger in logging.root.manager.loggerDict.items()
    if isinstance(logger, logging.Logger) and (logger.handlers or logger.level)
]
print(json.dumps({
    "modules": sorted(sys.modules),
    "sockets": calls,
    "printed": printed,
    "filters": filters == list(warnings.filters),
    "root logger": (handlers, level, disabled)
        == (logging.root.handlers, logging.root.level, logging.root.manager.disable),
    "configured loggers": loggers,
}))
"""


def test_importing_does_nothing_else() -> None:
    answer = subprocess.run(
        [sys.executable, "-W", "error", "-c", REPORT], capture_output=True, text=True, check=True
    )
    report = json.loads(answer.stdout)
    heavy = {
        "boto3",
        "botocore",
        "numpy",
        "mxnet",
        "tensorflow",
        "sm_local",
        "sm_mxnet",
        "sm_tensorflow",
        "pluggy",
    }
    assert not heavy & set(report["modules"])
    assert [name for name in report["modules"] if name.startswith("sm_")] == ["sm_core"]
    assert report["sockets"] == []
    assert report["printed"] == ""
    assert report["filters"]
    assert report["root logger"]
    assert report["configured loggers"] == []


def test_every_public_name_is_there() -> None:
    for name in sm_core.__all__:
        assert getattr(sm_core, name) is not None
    assert len(sm_core.__all__) == len(set(sm_core.__all__))
    assert set(sm_core.__all__) <= set(dir(sm_core))


def test_the_names_for_type_checkers_are_those_of_run_time() -> None:
    """A misspelt import is an error for mypy and at run time alike."""
    source = Path(sm_core.__file__).read_text(encoding="utf-8")
    seen_by_checkers = {
        alias.asname or alias.name: (node.module, alias.name)
        for statement in ast.parse(source).body
        if isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING"
        for node in statement.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen_by_checkers == sm_core._LOCATIONS
    assert {*seen_by_checkers, "__version__"} == set(sm_core.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Estimater'"):
        sm_core.Estimater  # type: ignore[attr-defined]  # noqa: B018 - both must refuse it
