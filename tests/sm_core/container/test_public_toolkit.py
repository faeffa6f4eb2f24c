"""The public toolkit, installed beside ours: the same tree gives a script the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import uv

from sm_local.environments import index_settings

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

DUMP = """
import json, os, sys
seen = {"arguments": sys.argv[1:], "folder": os.getcwd(), "variables": dict(os.environ)}
with open(os.environ["SEEN"], "w") as file:
    json.dump(seen, file)
"""
SHELL = 'python dump.py "$@"\n'
HYPERPARAMETERS = {
    "epochs": "5",
    "batch-size": "32",
    "n": "7",
    "name": '"mlp"',
    "quoted": '"a b"',
    "plain": "plain text",
    "nothing": "null",
    "flag": "true",
    "off": "false",
    "rate": "0.1",
    "tiny": "1e-05",
    "layers": '{"b": 2, "a": [1]}',
    "nested": '{"x": {"y": 1}}',
    "listed": '[1, "a", null, true]',
    "accented": '"\\u00e9"',
    "empty": '""',
    "empty-text": "",
    "9lives": "9",
    "a.b": "1",
    "_tuning_objective_metric": '"validation:accuracy"',
    "sagemaker_region": '"eu-west-1"',
    "sagemaker_job_name": '"digits"',
    "sagemaker_mpi_enabled": "false",
    "sagemaker_custom": '"z"',
    "sagemaker_container_log_level": "20",
    "sagemaker_enable_cloudwatch_metrics": "false",
}
CHANNELS = {
    "train": {
        "TrainingInputMode": "File",
        "S3DistributionType": "FullyReplicated",
        "RecordWrapperType": "None",
    },
    "Eval-x": {"TrainingInputMode": "Pipe", "ContentType": "text/csv"},
}


def resources(hosts: list[str]) -> dict[str, Any]:
    group = {
        "instance_group_name": "homogeneousCluster",
        "instance_type": "ml.m5.xlarge",
        "hosts": hosts,
    }
    return {
        "current_host": hosts[0],
        "hosts": hosts,
        "network_interface_name": "eth0",
        "current_instance_type": "ml.m5.xlarge",
        "current_group_name": "homogeneousCluster",
        "instance_groups": [group],
    }


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the public toolkit; its ``bin`` folder."""
    folder = tmp_path_factory.mktemp("public") / "environment"
    install = ("pip", "install", "--quiet", "--python", str(folder / "bin" / "python"))
    for arguments in (
        ("venv", "--quiet", "--python", sys.executable, str(folder)),
        (*install, "sagemaker-training", "setuptools"),
    ):
        subprocess.run(
            [uv.find_uv_bin(), *arguments],
            env={**os.environ, **index_settings(os.environ)},
            check=True,
        )
    return folder / "bin"


def run(
    folder: Path,
    command: list[str],
    *,
    path: str,
    hyperparameters: dict[str, str],
    hosts: list[str],
) -> dict[str, Any]:
    """What the script of a training container saw; both toolkits use the same folder."""
    base = folder / "ml"
    for part in ("input/config", "input/data/train", "code", "model", "output"):
        (base / part).mkdir(parents=True, exist_ok=True)
    (base / "code/dump.py").write_text(DUMP, encoding="utf-8")
    (base / "code/run.sh").write_text(SHELL, encoding="utf-8")
    files = {
        "hyperparameters": hyperparameters,
        "inputdataconfig": CHANNELS,
        "resourceconfig": resources(hosts),
    }
    for name, content in files.items():
        (base / "input/config" / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    seen = folder / "seen.json"
    ended = subprocess.run(
        command,
        env={
            "PATH": path,
            "HOME": str(folder),
            "SAGEMAKER_BASE_DIR": str(base),
            "SM_STUDIO_LOCAL_MODE": "True",
            "TRAINING_JOB_NAME": "digits",
            "SEEN": str(seen),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found: dict[str, Any] = json.loads(seen.read_bytes())
    return found


def comparable(seen: dict[str, Any]) -> dict[str, Any]:
    """Without what the two do in ways of their own."""
    variables = dict(seen["variables"])
    for name in ("PATH", "PYTHONPATH", "PYTHONUNBUFFERED", "PYTHONFAULTHANDLER", "PWD", "_"):
        variables.pop(name, None)
    # Ours alone: where checkpoints lie.
    variables.pop("SM_CHECKPOINT_DIR", None)
    for name in ("SHLVL", "OLDPWD", "LC_CTYPE"):
        variables.pop(name, None)
    everything = json.loads(variables.pop("SM_TRAINING_ENV"))
    return {**seen, "variables": variables, "environment": everything}


@pytest.mark.parametrize("program", ["dump.py", "run.sh"])
@pytest.mark.parametrize(
    ("hosts", "more"),
    [
        (["algo-1"], {}),
        (["algo-1", "algo-2"], {}),
        (["algo-1", "algo-2"], {"sagemaker_parameter_server_enabled": "true"}),
    ],
)
def test_a_script_sees_the_same(
    program: str, hosts: list[str], more: dict[str, str], public: Path, tmp_path: Path
) -> None:
    hyperparameters = {**HYPERPARAMETERS, **more, "sagemaker_program": json.dumps(program)}
    path = os.environ.get("PATH", os.defpath)
    theirs = run(
        tmp_path,
        [str(public / "train")],
        path=f"{public}:{path}",
        hyperparameters=hyperparameters,
        hosts=hosts,
    )
    ours = run(
        tmp_path,
        [sys.executable, "-m", "sm_core.container", "train"],
        path=f"{Path(sys.executable).parent}:{path}",
        hyperparameters=hyperparameters,
        hosts=hosts,
    )
    assert comparable(ours) == comparable(theirs)
