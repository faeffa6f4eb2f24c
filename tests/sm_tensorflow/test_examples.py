"""examples/tensorflow_iris, through the local service."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integ, pytest.mark.timeout(900)]

EXAMPLES = Path(__file__).parents[2] / "examples" / "tensorflow_iris"


def run(folder: Path, *arguments: str) -> str:
    """What a Python program prints there; fails with its output if it does."""
    answer = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "SMCORE_LOCAL_HOME": str(folder / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def test_iris_is_trained_evaluated_exported_and_classified(tmp_path: Path) -> None:
    shutil.copytree(
        EXAMPLES, tmp_path, ignore=shutil.ignore_patterns("data", "__pycache__"), dirs_exist_ok=True
    )
    try:
        output = run(tmp_path, "iris.py")
    finally:
        run(tmp_path, "-m", "sm_core.cli", "local", "down", "--all")
    evaluated = re.search(r"global step 500: accuracy = ([\d.]+)", output)
    assert evaluated is not None, output
    assert float(evaluated[1]) > 0.9
    asked = re.search(r"accuracy on 30 held-out flowers: ([\d.]+)%", output)
    assert asked is not None, output
    assert float(asked[1]) / 100 == pytest.approx(float(evaluated[1]), abs=0.001)
    # As the specification shows it.
    number = r"[\d.e-]+"
    classes = ", ".join(rf"{{'label': '{name}', 'score': {number}}}" for name in range(3))
    shape = rf"{{'result': {{'classifications': \[{{'classes': \[{classes}\]}}\]}}}}"
    assert re.search(rf"^the first answer: {shape}$", output, re.MULTILINE), output
