"""examples/quickstart.py, as `make quickstart` runs it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integ

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(*arguments: str | Path) -> str:
    """What a Python program prints; fails with its output if it does."""
    answer = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


@pytest.mark.timeout(900)
def test_the_quickstart_trains_deploys_and_predicts(tmp_path: Path) -> None:
    folder = tmp_path / "examples"
    shutil.copytree(EXAMPLES, folder, ignore=shutil.ignore_patterns("data", "__pycache__"))
    try:
        output = run(folder / "quickstart.py")
    finally:
        stopped = run("-m", "sm_core.cli", "local", "down")
    accuracy = re.search(r"accuracy on 300 held-out digits: ([\d.]+)%", output)
    assert accuracy is not None, output
    assert float(accuracy[1]) > 85
    assert "Epoch[9]" in output
    # Nothing runs any more, and no endpoint would come back.
    assert "The local service has ended." in stopped
    assert "Endpoints" not in stopped
    assert "Training jobs" not in stopped
