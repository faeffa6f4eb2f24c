"""Processes beside the job."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sm_core.container.sidecar import sidecar

pytestmark = pytest.mark.integ

PATIENCE = 30.0


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a module that sidecars can import."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path / "zz_beside.py"


def settings(folder: Path) -> Mapping[str, Any]:
    return {"log_level": 20, "notes": str(folder / "notes")}


def test_it_runs_until_what_it_is_beside_has_ended(module: Path, tmp_path: Path) -> None:
    module.write_text(
        "from sm_core.container.sidecar import is_over\n"
        "def run(settings):\n"
        "    open(settings['notes'], 'a').write('begun ')\n"
        "    while not is_over(0.01): pass\n"
        "    open(settings['notes'], 'a').write('ended')\n",
        encoding="utf-8",
    )
    notes = tmp_path / "notes"
    with sidecar("zz_beside", settings(tmp_path), patience=PATIENCE):
        deadline = time.monotonic() + PATIENCE
        while not notes.exists() or notes.read_text(encoding="utf-8") != "begun ":
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert notes.read_text(encoding="utf-8") == "begun ended"


@pytest.mark.parametrize(
    "source", ["raise OSError('broken')", "def run(settings): raise OSError('broken')", ""]
)
def test_one_that_fails_harms_nobody(
    source: str, module: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    module.write_text(source, encoding="utf-8")
    reached = False
    with sidecar("zz_beside", settings(tmp_path), patience=PATIENCE):
        reached = True
    assert reached
    assert "Error" in capfd.readouterr().err


def test_one_that_does_not_end_is_killed(
    module: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    module.write_text("import time\ndef run(settings): time.sleep(60)\n", encoding="utf-8")
    began = time.monotonic()
    with sidecar("zz_beside", settings(tmp_path), patience=0.2):
        pass
    assert time.monotonic() - began < PATIENCE
    assert "zz_beside did not end within 0 seconds" in caplog.text


def test_an_exception_passes(module: Path, tmp_path: Path) -> None:
    module.write_text("def run(settings): ...\n", encoding="utf-8")
    with (
        pytest.raises(ValueError, match="mine"),
        sidecar("zz_beside", settings(tmp_path), patience=PATIENCE),
    ):
        raise ValueError("mine")
