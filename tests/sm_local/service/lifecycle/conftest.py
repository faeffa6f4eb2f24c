"""A service in a process of its own, whose containers are ready made, and boto3 clients for it."""

from __future__ import annotations

import importlib.util
import io
import json
import signal
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest
from botocore.config import Config

from sm_local.home import REGION, Home
from sm_local.leftovers import end_jobs

DRIVER = Path(__file__).with_name("driver.py")
ROLE = "arn:aws:iam::000000000000:role/SageMakerRole"
SECONDS = 30.0


class LocalService:
    """A running service.

    Attributes:
        home: its home.
        folder: for the test's own files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = Home(folder / "home").create()
        self.environment = folder / "environment"
        (self.environment / "bin").mkdir(parents=True)
        (self.environment / "bin" / "python").symlink_to(sys.executable)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
        self.client = cache(self._client)

    def start(self) -> None:
        """Start the process and wait until it answers."""
        with (self.folder / "service.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, DRIVER, self.home.path, str(self.port), self.environment],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.until(self._listens)

    def kill(self) -> None:
        """End the process as a crash would."""
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """End the process in an orderly way, its endpoints with it."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(40)

    def until(self, condition: Callable[[], Any]) -> Any:
        """What `condition` answers, once that is something; an error after half a minute."""
        deadline = time.monotonic() + SECONDS
        while not (answer := condition()):
            if time.monotonic() > deadline:
                log = (self.folder / "service.log").read_text()
                raise TimeoutError(f"{condition}: {answer}\n{log}")
            time.sleep(0.02)
        return answer

    def upload(self, objects: Mapping[str, str | bytes], bucket: str = "data") -> None:
        """Put objects into a bucket, made if need be."""
        self.client("s3").create_bucket(Bucket=bucket)
        for key, body in objects.items():
            self.client("s3").put_object(Bucket=bucket, Key=key, Body=body)

    def train(self, name: str, mode: str = "complete", **changes: Any) -> None:
        """Create a training job."""
        parameters = {"mode": mode, "until": str(self.folder / f"{name}.go")}
        request: dict[str, Any] = {
            "TrainingJobName": name,
            "RoleArn": ROLE,
            "HyperParameters": parameters,
            "AlgorithmSpecification": {"TrainingImage": "test", "TrainingInputMode": "File"},
            "OutputDataConfig": {"S3OutputPath": "s3://models/out/"},
            "ResourceConfig": {
                "InstanceType": "ml.c4.xlarge",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        }
        self.client("sagemaker").create_training_job(**{**request, **changes})

    def describe(self, name: str) -> dict[str, Any]:
        """DescribeTrainingJob."""
        answer: dict[str, Any] = self.client("sagemaker").describe_training_job(
            TrainingJobName=name
        )
        return answer

    def ended(self, name: str) -> dict[str, Any]:
        """DescribeTrainingJob, once the job has ended."""
        final = ("Completed", "Failed", "Stopped")
        self.until(lambda: self.describe(name)["TrainingJobStatus"] in final)
        return self.describe(name)

    def log(self, name: str, host: str = "") -> list[str]:
        """The lines of a training job's streams, or of one host; none before there are some."""
        logs = self.client("logs")
        group = "/aws/sagemaker/TrainingJobs"
        try:
            streams = logs.describe_log_streams(
                logGroupName=group, logStreamNamePrefix=f"{name}/{host}"
            )["logStreams"]
        except logs.exceptions.ResourceNotFoundException:
            return []
        return [
            event["message"]
            for stream in streams
            for event in logs.get_log_events(
                logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True
            )["events"]
        ]

    def model(self, name: str, **changes: Any) -> None:
        """Create a model."""
        container = {"Image": "test", **changes}
        self.client("sagemaker").create_model(
            ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE
        )

    def deploy(self, name: str, **container: Any) -> None:
        """Create a model, an endpoint configuration and an endpoint, all of one name."""
        self.model(name, **container)
        client = self.client("sagemaker")
        variant = {
            "VariantName": "AllTraffic",
            "ModelName": name,
            "InitialInstanceCount": 1,
            "InstanceType": "ml.c4.xlarge",
        }
        client.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
        client.create_endpoint(EndpointName=name, EndpointConfigName=name)

    def endpoint(self, name: str) -> dict[str, Any]:
        """DescribeEndpoint, once it is not moving."""
        client = self.client("sagemaker")

        def settled() -> Any:
            answer = client.describe_endpoint(EndpointName=name)
            return answer if answer["EndpointStatus"] not in ("Creating", "Deleting") else None

        answer: dict[str, Any] = self.until(settled)
        return answer

    def invoke(self, name: str, body: bytes = b"hello", **changes: Any) -> dict[str, Any]:
        """What the container saw, as it tells it."""
        answer = self.client("sagemaker-runtime").invoke_endpoint(
            EndpointName=name, Body=body, **changes
        )
        seen: dict[str, Any] = json.loads(answer["Body"].read())
        return seen

    def archive(self, key: str, bucket: str = "models") -> dict[str, bytes]:
        """The files of a tar.gz in a bucket."""
        body = self.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(body)) as archive:
            return {
                member.name.removeprefix("./"): file.read()
                for member in archive
                if (file := archive.extractfile(member)) is not None
            }

    def _client(self, service: str) -> Any:
        pair = self.home.credentials()
        session = boto3.Session(
            aws_access_key_id=pair.access_key_id,
            aws_secret_access_key=pair.secret_access_key,
            region_name=REGION,
        )
        return session.client(
            service,  # type: ignore[call-overload]  # any service
            endpoint_url=f"http://127.0.0.1:{self.port}",
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )

    def _listens(self) -> bool:
        assert self.process.poll() is None, (self.folder / "service.log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@contextmanager
def running_service(folder: Path) -> Iterator[LocalService]:
    """A service that is stopped at the end, with all that it has started."""
    service = LocalService(folder)
    service.start()
    try:
        service.client("s3").create_bucket(Bucket="models")
        yield service
    finally:
        service.end()
        end_jobs(service.home)


@pytest.fixture(scope="session")
def driver() -> ModuleType:
    """The module of the service's process."""
    spec = importlib.util.spec_from_file_location("lifecycle_driver", DRIVER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def service(tmp_path: Path) -> Iterator[LocalService]:
    """A service for one test."""
    with running_service(tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalService]:
    """A service for the tests of one module."""
    with running_service(tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture(scope="session")
def run_service() -> Callable[[Path], AbstractContextManager[LocalService]]:
    """Runs a service in a folder inside of a ``with`` block."""
    return running_service
