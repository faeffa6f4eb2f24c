"""The API reference: complete, and every public name and argument explained."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sm_core.options import Declared, Option

ROOT = Path(__file__).parents[2]


def load(path: Path) -> ModuleType:
    """The module in a file that no package holds."""
    spec = importlib.util.spec_from_file_location("sm_core_reference", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


reference = load(ROOT / "tools" / "reference.py")
NAMES = reference.all_names()


@pytest.mark.parametrize("name", NAMES, ids=lambda name: str(name.path))
def test_a_public_name_and_its_arguments_are_explained(name: Any) -> None:
    assert reference.gaps(name) == []


def test_every_distribution_has_its_page() -> None:
    plugins = {path.name for path in (ROOT / "plugins").iterdir() if path.is_dir()}
    assert set(reference.packages()) == {"sm_core", *plugins}
    titles = {title for title, _, _ in reference.pages()}
    assert {"sm_core", "sm_mxnet", "sm_tensorflow", "sm_amazon_algos"} <= titles


@pytest.mark.parametrize("page", list(reference.pages()), ids=lambda page: str(page[0]))
def test_a_page_has_every_name(page: Any) -> None:
    title, _, modules = page
    text = reference.page(title, modules)
    for module in modules:
        for name in reference.public_names(module):
            assert f"### `{name.name}`" in text
    assert "object at 0x" not in text


# What the check finds


def gaps(value: Any) -> list[str]:
    found: list[str] = reference.gaps(reference.Name(__name__, "sample", value))
    return found


def bare(number: int) -> int:
    return number


def half(number: int, *, other: int) -> int:
    """The `number`."""
    return number + other


def told(first: int, *, second: int, **rest: int) -> int:
    """A sum.

    Args:
        first, second: what to add.
        **rest: the same.
    """
    return first + second


class Sample:
    """Does things."""

    def __init__(self, size: int) -> None:
        self.size = size

    def method(self, number: int) -> int:
        """A sum."""
        return self.size + number

    @property
    def untold(self) -> int:
        return self.size


class Optioned(Declared):
    """Has options."""

    @classmethod
    def declared_options(cls) -> tuple[Option, ...]:
        """The options."""
        return (Option("told", "int", "what it is"), Option("untold", "int", ""))


def test_what_is_not_explained_is_found() -> None:
    assert gaps(bare) == ["no docstring"]
    assert gaps(half) == ["argument other is not explained"]
    assert gaps(told) == []
    assert gaps(Sample) == [
        "argument size is not explained",
        "method: argument number is not explained",
        "untold: no docstring",
    ]
    assert gaps(Optioned) == ["option untold has no help"]
    assert gaps(7) == ["no docstring, and no #: comment above it"]


def test_other_spellings_of_options_are_shown() -> None:
    (estimator,) = [name for name in NAMES if name.path == "sm_core.Estimator"]
    text = "\n".join(reference.described(estimator))
    assert "`instance_count` for `train_instance_count`" in text
    assert "for `image`" not in text


def test_docstrings_become_markdown() -> None:
    text = "\n".join(reference.described(reference.Name(__name__, "told", told)))
    assert "told(first: int, *, second: int, **rest: int) -> int" in text
    assert "- `first`: what to add." in text
    assert "- `second`: what to add." in text
    assert "- `rest`: the same." in text
    assert reference.prose("a <b> ``<c>``") == "a &lt;b> ``<c>``"
