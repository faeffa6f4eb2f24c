"""The built-in formats with numpy 1, which MXNet's containers and many clients have."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEEDED = ("numpy==1.26.4", "pandas<3", "scipy<1.14", "hypothesis", "pytest", "pytest-timeout")


@pytest.mark.long
@pytest.mark.skipif(sys.version_info >= (3, 13), reason="numpy 1 ends at Python 3.12")
def test_the_formats_hold_with_numpy_1(tmp_path: Path) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    folder = tmp_path / "tests"
    folder.mkdir()
    shutil.copy(ROOT / "tests" / "sm_core" / "test_formats.py", folder)
    venv.create(python.parents[1], with_pip=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--editable", str(ROOT), *NEEDED]
    subprocess.run(install, check=True)
    answer = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder],
        cwd=folder,
        env={**os.environ, "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout
    assert " passed" in answer.stdout
