"""examples/mxnet_digits, and distributed training, through the local service."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integ, pytest.mark.timeout(900)]

EXAMPLES = Path(__file__).parents[2] / "examples" / "mxnet_digits"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the examples, with a home of its own for the local service."""
    folder = tmp_path_factory.mktemp("examples")
    shutil.copytree(
        EXAMPLES, folder, ignore=shutil.ignore_patterns("data", "__pycache__"), dirs_exist_ok=True
    )
    try:
        yield folder
    finally:
        run(folder, "-m", "sm_core.cli", "local", "down", "--all")


def run(
    folder: Path,
    *arguments: str,
    home: Path | None = None,
    variables: Mapping[str, str] | None = None,
) -> str:
    """What a Python program prints there; fails with its output if it does."""
    answer = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={
            **os.environ,
            "SMCORE_LOCAL_HOME": str(home or folder / "home"),
            **(variables or {}),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def accuracy(output: str, what: str) -> float:
    found = re.search(rf"accuracy {what}: ([\d.]+)%", output)
    assert found is not None, output
    return float(found[1])


def test_two_hosts_learn_as_much_as_one_and_any_format_is_served(folder: Path) -> None:
    alone = accuracy(run(folder, "gluon.py"), "on one host")
    output = run(folder, "distributed.py")
    together = accuracy(output, "on two hosts")
    assert alone > 90
    assert abs(alone - together) < 3
    assert "kvstore: 2 hosts, scheduler at" in output
    own = run(folder, "own_formats.py")
    assert accuracy(own, "by npy") == together
    assert re.search(r"the first: \{'digit': \d, 'probability': [\d.]+\}", own)


#: What a user of AWS runs; the environment says that AWS is the local service.
AS_ON_AWS = """
import io, json, tarfile
from digits import HERE, accuracy, held_out
from sm_core import Session
from sm_mxnet import MXNetModel

session = Session()
client = session.sagemaker_client
(job,) = client.list_training_jobs()["TrainingJobSummaries"]
job = client.describe_training_job(TrainingJobName=job["TrainingJobName"])
model = MXNetModel(
    job["ModelArtifacts"]["S3ModelArtifacts"],
    job["RoleArn"],
    entry_point="train_gluon.py",
    source_dir=str(HERE / "code"),
    framework_version="1.9.0",
    sagemaker_session=session,
)
with model.deploy(1, "ml.c5.xlarge") as predictor:
    pixels, _ = held_out()
    share = accuracy(predictor.predict(pixels / 16))
    served = client.describe_model(ModelName=predictor.endpoint_name)["PrimaryContainer"]
bucket, _, key = served["ModelDataUrl"].removeprefix("s3://").partition("/")
archive = session.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
names = tarfile.open(fileobj=io.BytesIO(archive)).getnames()
print(json.dumps([session.backend.name, share, served, names]))
"""


@pytest.mark.long
def test_a_model_with_the_code_in_its_archive_is_served_as_on_aws(folder: Path) -> None:
    home = folder / "other home"
    alone = accuracy(run(folder, "gluon.py", home=home), "on one host")
    try:
        lines = run(folder, "-m", "sm_core.cli", "local", "env", home=home).splitlines()
        given = dict(line.removeprefix("export ").split("=", 1) for line in lines if "=" in line)
        answer = run(folder, "-c", AS_ON_AWS, home=home, variables=given)
    finally:
        run(folder, "-m", "sm_core.cli", "local", "down", "--all", home=home)
    backend, share, served, names = json.loads(answer.splitlines()[-1])
    assert backend == "aws"
    assert f"{share:.1%}" == f"{alone:.1f}%"
    assert served["Image"].endswith("/mxnet-inference:1.9.0-cpu-py38")
    assert served["Environment"]["SAGEMAKER_SUBMIT_DIRECTORY"] == "/opt/ml/model/code"
    assert {"net.params", "code/train_gluon.py", "code/serve_npy.py"} <= set(names)


FAILING = """
import json, sys
import sm_core
from sm_mxnet import MXNet

estimator = MXNet(
    sys.argv[1], "SageMakerRole", 2, "ml.c4.xlarge", sagemaker_session=sm_core.Session.local()
)
try:
    estimator.fit(logs=False)
except sm_core.TrainingJobFailed as failed:
    print(json.dumps([failed.failure_reason, failed.exit_code]))
"""
#: One worker fails while the other one is in a synchronous push, where MXNet waits for ever.
WORKER = """
import os
import mxnet as mx

def train(current_host, hosts, **kwargs):
    kv = mx.kv.create("dist_sync")
    kv.init("x", mx.nd.ones((2,)))
    if current_host == hosts[{failing}]:
        raise ValueError(current_host + " gives up")
    kv.push("x", mx.nd.ones((2,)))
    kv.pull("x", out=mx.nd.ones((2,)))
    mx.nd.waitall()
"""


@pytest.mark.parametrize("failing", [1, pytest.param(0, marks=pytest.mark.long)])
def test_a_host_that_fails_ends_the_job_with_its_reason(folder: Path, failing: int) -> None:
    (folder / "fails.py").write_text(WORKER.format(failing=failing), encoding="utf-8")
    reason, exit_code = json.loads(run(folder, "-c", FAILING, "fails.py").splitlines()[-1])
    assert f"ValueError: algo-{failing + 1} gives up" in reason
    assert exit_code == 1
    assert kvstore_processes(folder) == []


def kvstore_processes(folder: Path) -> list[int]:
    """Schedulers, servers and workers below a folder that still run."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            variables = (entry / "environ").read_bytes()
            state = (entry / "stat").read_text("utf-8").rpartition(")")[2].split()[0]
        except OSError:
            continue
        if b"DMLC_ROLE=" in variables and str(folder).encode() in variables and state != "Z":
            found.append(int(entry.name))
    return found
