"""What is known of a plugin that cannot be loaded, from its source alone."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from sm_core.brokenplugins import hooks_in_source

HOOKS = ("sm_check_request", "sm_image", "sm_request")


def point(value: str) -> EntryPoint:
    return EntryPoint(name="broken", value=value, group="sm_core.plugins")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("def sm_request(request): ...", {"sm_request"}),
        ("def sm_check_request(request): ...", {"sm_check_request"}),
        ("@hookimpl(specname='sm_request')\ndef amend(request): ...", {"sm_request"}),
        ("from rules import sm_request, sm_image", {"sm_image", "sm_request"}),
        ("def sm_image(request): raise", {"sm_image"}),
        ("def sm_requests(): ...\ndef broken(:", set()),
        ("from rules import *", None),
        ("from rules import (\n    *\n)", None),
    ],
)
def test_the_source_is_read_and_not_run(site: Path, source: str, found: set[str] | None) -> None:
    (site / "broken_by_name.py").write_text(f"{source}\nraise SystemExit\n", encoding="utf-8")
    assert hooks_in_source(point("broken_by_name"), HOOKS) == found
    assert "broken_by_name" not in sys.modules


def test_parent_packages_are_not_imported(site: Path) -> None:
    package = site / "broken_package" / "inner"
    package.mkdir(parents=True)
    for folder in (package.parent, package):
        (folder / "__init__.py").write_text("raise SystemExit\n", encoding="utf-8")
    (package / "plugin.py").write_text("def sm_request(): ...\n", encoding="utf-8")
    assert hooks_in_source(point("broken_package.inner.plugin"), HOOKS) == {"sm_request"}
    assert hooks_in_source(point("broken_package.inner"), HOOKS) == set()
    assert "broken_package" not in sys.modules


def test_what_is_not_there_or_has_no_source_cannot_be_told(site: Path) -> None:
    (site / "namespace_of_nothing").mkdir()
    for value in ("no_such_module_anywhere", "namespace_of_nothing", "namespace_of_nothing.plugin"):
        assert hooks_in_source(point(value), HOOKS) is None
    (site / "not_text.py").write_bytes(b"\xff\xfe\x00")
    assert hooks_in_source(point("not_text"), HOOKS) is None
