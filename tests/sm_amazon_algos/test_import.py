"""`import sm_amazon_algos`: the names it offers, and what it does not import."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sm_amazon_algos


def test_importing_imports_nothing_else() -> None:
    code = (
        "import sys, sm_amazon_algos\n"
        "heavy = {'numpy', 'google', 'boto3', 'sm_core', 'scipy'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_looking_up_a_codec_imports_neither_numpy_nor_protobuf() -> None:
    code = (
        "import sys\n"
        "from sm_core.codecs import codec_for\n"
        "codec_for('application/x-recordio-protobuf')\n"
        "heavy = {'numpy', 'google.protobuf'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_public_name_is_there() -> None:
    for name in sm_amazon_algos.__all__:
        assert getattr(sm_amazon_algos, name) is not None
    assert set(sm_amazon_algos.__all__) <= set(dir(sm_amazon_algos))


def test_the_names_for_type_checkers_are_those_of_run_time() -> None:
    source = Path(sm_amazon_algos.__file__).read_text(encoding="utf-8")
    seen_by_checkers = {
        alias.name: node.module
        for statement in ast.parse(source).body
        if isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING"
        for node in statement.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen_by_checkers == sm_amazon_algos._LOCATIONS
    assert set(seen_by_checkers) == set(sm_amazon_algos.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'KMean'"):
        sm_amazon_algos.KMean  # type: ignore[attr-defined]  # noqa: B018 - both must refuse it
