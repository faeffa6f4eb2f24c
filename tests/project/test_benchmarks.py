"""`make bench` prints each measurement as a ratio, and fails when one fails."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integ

RUNNER = Path(__file__).parents[2] / "benchmarks" / "run.py"


def run(*names: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, RUNNER, *names], capture_output=True, text=True, check=False
    )


def test_importing_costs_a_fraction_of_boto3() -> None:
    answer = run("import_time")
    assert answer.returncode == 0, answer.stderr
    row = re.search(r"^ +(-?[\d.]+) .* import sm_core / import boto3$", answer.stdout, re.MULTILINE)
    assert row is not None
    assert float(row[1]) < 0.5


def test_an_unknown_measurement_is_a_failure() -> None:
    assert run("no_such_measurement").returncode == 1


def test_records_are_written_and_read_at_a_quarter_of_the_speed_of_a_copy() -> None:
    answer = run("records_memory")
    assert answer.returncode == 0, answer.stderr
    row = re.search(r"^ +([\d.]+) .* / memory copied$", answer.stdout, re.MULTILINE)
    assert row is not None
    assert float(row[1]) > 0.125, "a loaded machine may have half of what is promised, not less"
