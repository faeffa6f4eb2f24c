"""Every tracked file: sizes that a reader can take in, and no words that do not belong."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "sm_core",
    "plugins/sm_amazon_algos/sm_amazon_algos",
    "plugins/sm_local/sm_local",
    "plugins/sm_mxnet/sm_mxnet",
    "plugins/sm_tensorflow/sm_tensorflow",
)
LONGEST_MODULE = 400
LONGEST_FUNCTION = 50
MOST_POSITIONAL = 2

#: Put together here, so that this file does not hold them itself.
FORBIDDEN = [
    "py" + r"pi\.org",
    "python" + r"hosted\.org",
    "deb" + r"ian\.org",
    "registry" + r"\.npmjs",
    "conda" + r"\.anaconda",
    # Folders of the machine that somebody worked on; ann, bob and me are nobody.
    r"(?<![\w.~-])/" + r"(?:(?:home|Users)/(?!ann\b|bob\b|me\b)|root/|work/|farm/)\w",
]

MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tracked() -> list[Path]:
    """The files of the repository; where there is none (a source archive), those of the folder."""
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listing.returncode:
        pytest.skip("not a git repository")
    return [ROOT / entry for entry in listing.stdout.split("\0") if entry]


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_module_is_short_enough_to_read(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_function_fits_a_screen(path: Path) -> None:
    long = {
        function.name: lines
        for function in functions(path)
        if (lines := (function.end_lineno or 0) - function.lineno + 1) > LONGEST_FUNCTION
    }
    assert not long


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_module_says_what_it_is(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not tree.body or ast.get_docstring(tree)


def test_no_word_of_a_registry_or_of_somebodys_machine() -> None:
    pattern = re.compile("|".join(FORBIDDEN))
    found = []
    for path in tracked():
        if not path.is_file():
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [
            f"{name(path)}:{number}: {line.strip()}"
            for number, line in enumerate(text.splitlines(), start=1)
            if pattern.search(line)
        ]
    assert not found


def test_every_suppression_gives_its_reason() -> None:
    # A code of the linter or the type checker, and nothing behind it.
    bare = re.compile(r"#\s*(?:noqa(?::\s*[A-Z0-9, ]+)?|type:\s*ignore(?:\[[\w,\s-]*\])?)\s*$")
    found = [
        f"{name(path)}:{number}: {line.strip()}"
        for path in MODULES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if bare.search(line)
    ]
    assert not found
