"""Last values of metrics, out of logs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sm_local.jobnetwork import program_environment
from sm_local.logmetrics import final_metrics

pytestmark = pytest.mark.integ


def search(folder: Path, *regexes: str, seconds: float = 60) -> list[dict[str, Any]]:
    definitions = [{"Name": f"m{number}", "Regex": regex} for number, regex in enumerate(regexes)]
    logs = [folder / name for name in ("algo-1.log", "algo-2.log", "missing.log")]
    return final_metrics(definitions, logs, environment=program_environment(), seconds=seconds)


def test_the_latest_value_of_all_hosts(tmp_path: Path) -> None:
    (tmp_path / "algo-1.log").write_text("1000 loss=3\n9000 loss=1e-1 end\ntorn line\n")
    (tmp_path / "algo-2.log").write_bytes(b"2000 loss=2 \xff\n3000 loss=nan\n4000 loss=x\n")
    assert search(tmp_path, r"loss=(\S+)", "loss", "none=(.)", "(no)?such|loss") == [
        {"name": "m0", "value": 0.1, "time": 9.0}
    ]


def test_an_expression_that_takes_for_ever(tmp_path: Path) -> None:
    (tmp_path / "algo-1.log").write_text(f"1000 {'a' * 60}!\n")
    with pytest.raises(TimeoutError, match="took longer than 1 s"):
        search(tmp_path, "((a+)+)$", seconds=1)


def test_an_expression_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"^searching the log failed: .*unterminated"):
        search(tmp_path, "(")
