"""What the shell that starts the service holds reaches no job, endpoint, log or file of the home.

The service is started by hand, with the shell's whole environment: less than that is what clients
start it with.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sm_core.containerspec import ContainerSpec
from sm_local.backend import LocalSession, local_boto_session
from sm_local.environmentspec import EnvironmentSpec
from sm_local.home import ENVIRONMENT_TAG, RESERVED_BUCKET, Home
from sm_local.leftovers import end_jobs
from sm_local.locks import held

pytestmark = [
    pytest.mark.integ,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="there is no /proc here"),
]

CONTAINER = str(Path(__file__).with_name("container.py"))
SPEC = EnvironmentSpec(
    container=ContainerSpec(
        framework="plain", version="1", train=(CONTAINER, "train"), serve=(CONTAINER, "serve")
    )
)
COMMON = {
    "ExecutionRoleArn": "arn:aws:iam::000000000000:role/SageMakerRole",
    "Tags": [{"Key": ENVIRONMENT_TAG, "Value": SPEC.digest}],
}
#: In every secret.
PLANTED = b"pl4nt3d"
SECRETS = {
    "AWS_ACCESS_KEY_ID": "AKIApl4nt3d",
    "AWS_SECRET_ACCESS_KEY": "pl4nt3d",
    "AWS_SESSION_TOKEN": "pl4nt3d",
    "AWS_PROFILE": "pl4nt3d",
    "GITHUB_TOKEN": "ghp_pl4nt3d",
    "PIP_INDEX_URL": "https://ann:pl4nt3d@127.0.0.1:9/simple",
    "UV_DEFAULT_INDEX": "https://ann:pl4nt3d@127.0.0.1:9/simple",
    "UV_INDEX_MINE_PASSWORD": "pl4nt3d",
    "HTTPS_PROXY": "http://ann:pl4nt3d@127.0.0.1:9",
    "https_proxy": "http://ann:pl4nt3d@127.0.0.1:9",
    "SAGEMAKER_PROGRAM": "pl4nt3d",
    "SMCORE_PACKAGE_INDEX": '{"UV_INDEX": "pl4nt3d"}',
    "PYTHONSTARTUP": "pl4nt3d",
    "MY_PASSWORD": "pl4nt3d",
    "_": "pl4nt3d",
    "ü": "pl4nt3d",
}
SECONDS = 120.0


def until(condition: Callable[[], Any]) -> Any:
    """What `condition` answers, once that is something."""
    deadline = time.monotonic() + SECONDS
    while not (answer := condition()):
        assert time.monotonic() < deadline, condition
        time.sleep(0.05)
    return answer


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A home whose service has all the secrets in its environment."""
    home = Home(tmp_path / "home").create()
    with home.service_log.open("ab") as log:
        service = subprocess.Popen(
            [sys.executable, "-m", "sm_local.service", str(home.path), "--port", "0"],
            env={**os.environ, **SECRETS},
            stdout=log,
            stderr=log,
        )
    try:
        until(lambda: service.poll() is not None or home.service_json.exists())
        assert PLANTED in Path(f"/proc/{service.pid}/environ").read_bytes()
        assert held(home.service_lock)
        yield home
    finally:
        service.terminate()
        service.wait(SECONDS)
        end_jobs(home)


@pytest.fixture
def session(home: Home) -> LocalSession:
    session = local_boto_session(home)
    s3 = session.client("s3")
    s3.put_object(Bucket=RESERVED_BUCKET, Key=f"specs/{SPEC.digest}.json", Body=SPEC.to_json())
    s3.create_bucket(Bucket="data")
    s3.put_object(Bucket="data", Key="in/a", Body=b"1")
    return session


def processes_of(home: Home) -> dict[int, bytes]:
    """What the kernel shows as the variables of every process that has to do with `home`.

    But the service. A supervisor has the home in its command, a container in its variables.
    """
    found, where = {}, os.fsencode(home.path)
    for entry in Path("/proc").iterdir():
        # A process may end meanwhile; one of another user's is none of the home's.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            if entry.name.isdigit():
                command = (entry / "cmdline").read_bytes()
                variables = (entry / "environ").read_bytes()
                if where in command + variables and b"sm_local.service" not in command:
                    found[int(entry.name)] = variables
    return found


def assert_nowhere(home: Home) -> None:
    """Neither in the variables of processes nor in any file of the home, log, state or object."""
    for pid, variables in processes_of(home).items():
        assert PLANTED not in variables, pid
    for path in home.path.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # a job's, which goes with its end
            if path.is_file() and not path.is_symlink():
                content = path.read_bytes()
                if content.startswith(b"\x1f\x8b"):
                    content += gzip.decompress(content)
                assert PLANTED not in content, path


def test_none_reaches_a_job(home: Home, session: LocalSession, tmp_path: Path) -> None:
    sagemaker, go = session.client("sagemaker"), tmp_path / "go"
    for name, mode in (("waits", "wait"), ("shows", "environment")):
        sagemaker.create_training_job(
            TrainingJobName=name,
            RoleArn=COMMON["ExecutionRoleArn"],
            HyperParameters={"mode": mode, "until": str(go)},
            AlgorithmSpecification={"TrainingImage": "any", "TrainingInputMode": "Pipe"},
            InputDataConfig=[
                {
                    "ChannelName": "train",
                    "DataSource": {
                        "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://data/in"}
                    },
                }
            ],
            OutputDataConfig={"S3OutputPath": "s3://data/out"},
            ResourceConfig={
                "InstanceType": "ml.c4.xlarge",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
            },
            StoppingCondition={"MaxRuntimeInSeconds": 600},
            Tags=COMMON["Tags"],
        )
    until(lambda: any("waiting" in log.read_text() for log in home.jobs.glob("waits-*/logs/*")))
    # The supervisor, what feeds the channel, and the container.
    assert len(processes_of(home)) >= 3
    assert_nowhere(home)
    go.touch()
    for name in ("waits", "shows"):
        job = until(partial(ended, sagemaker, name))
        assert job["TrainingJobStatus"] == "Completed", job
    shown = session.client("s3").get_object(Bucket="data", Key="out/shows/output/output.tar.gz")
    variables = gzip.decompress(shown["Body"].read())
    assert b"TRAINING_JOB_NAME" in variables
    assert PLANTED not in variables
    assert_nowhere(home)


def ended(sagemaker: Any, name: str) -> dict[str, Any] | None:
    job: dict[str, Any] = sagemaker.describe_training_job(TrainingJobName=name)
    return None if job["TrainingJobStatus"] == "InProgress" else job


def test_none_reaches_an_endpoint(home: Home, session: LocalSession) -> None:
    sagemaker = session.client("sagemaker")
    sagemaker.create_model(ModelName="serves", PrimaryContainer={"Image": "any"}, **COMMON)
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": "serves",
        "InstanceType": "ml.c4.xlarge",
        "InitialInstanceCount": 1,
    }
    sagemaker.create_endpoint_config(EndpointConfigName="serves", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="serves", EndpointConfigName="serves")

    def status() -> str:
        answer: str = sagemaker.describe_endpoint(EndpointName="serves")["EndpointStatus"]
        return answer

    until(lambda: status() != "Creating")
    assert status() == "InService"
    # The supervisor and the container.
    assert len(processes_of(home)) >= 2
    assert_nowhere(home)
