"""A container of no framework needs nothing that a plugin of one needs, whichever are there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integ

WITHOUT_FRAMEWORKS = """
import runpy, sys

HEAVY = ("array_api_compat", "google", "mxnet", "numpy", "scipy", "tensorflow", "torch")

sys.modules.update(dict.fromkeys(HEAVY))  # as if they were not installed
sys.argv = ["sm_core.container", "train"]
runpy.run_module("sm_core.container", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("hosts", [["algo-1"], ["algo-1", "localhost"]])
def test_a_script_trains_with_all_plugins_and_no_framework(
    hosts: list[str], tmp_path: Path
) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "train.py").write_text("print('trained')\n", encoding="utf-8")
    config = tmp_path / "input" / "config"
    config.mkdir(parents=True)
    resources = {"hosts": hosts, "current_host": "algo-1"}
    (config / "resourceconfig.json").write_text(json.dumps(resources), encoding="utf-8")
    addresses = dict.fromkeys(hosts, "127.0.0.1")
    variables = {
        "PATH": os.environ["PATH"],
        "SAGEMAKER_BASE_DIR": str(tmp_path),
        "SAGEMAKER_PROGRAM": "train.py",
        "SMCORE_HOST_ADDRESSES": json.dumps(addresses),
    }
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_FRAMEWORKS],
        capture_output=True,
        text=True,
        env=variables,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "trained" in done.stdout + done.stderr
