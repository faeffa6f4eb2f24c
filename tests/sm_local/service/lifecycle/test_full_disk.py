"""A disk that is full: what does not fit is refused with that reason, and all else stays."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = [pytest.mark.integ, pytest.mark.timeout(300)]

MIB = 1 << 20
#: Of the disk that the home lies on.
SIZE = 12 * MIB

RunService = Callable[[Path], AbstractContextManager[Any]]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    options = f"size={SIZE},mode=700"
    mount = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no file system may be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        # At once, whatever a failed test has left open there.
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def service(disk: Path, run_service: RunService) -> Iterator[Any]:
    with run_service(disk) as running:
        yield running


def fill(disk: Path, *, left: int) -> Path:
    """A file of somebody else's that leaves as many bytes as that."""
    found = os.statvfs(disk)
    other = disk / "other"
    with other.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, found.f_bavail * found.f_frsize - left)
    return other


def refused(call: Callable[..., Any], **request: Any) -> str:
    """The message of the refusal, which is that of a full disk."""
    with pytest.raises(ClientError) as caught:
        call(**request)
    answer = caught.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 507, answer
    assert answer["Error"]["Code"] == "InsufficientStorage", answer
    message: str = answer["Error"]["Message"]
    return message


def test_objects_that_do_not_fit(disk: Path, service: Any) -> None:
    s3 = service.client("s3")
    kept = os.urandom(MIB)
    service.upload({"kept": kept})
    upload = s3.create_multipart_upload(Bucket="data", Key="parts")["UploadId"]
    parts = {"Bucket": "data", "Key": "parts", "UploadId": upload}
    first = s3.upload_part(**parts, PartNumber=1, Body=kept)
    other = fill(disk, left=4 * MIB)
    for size in (5 * MIB, 6 * MIB + 1):
        message = refused(s3.put_object, Bucket="data", Key="kept", Body=os.urandom(size))
        assert "No space left on device" in message
        assert str(service.home.path) in message
        refused(s3.upload_part, **parts, PartNumber=2, Body=os.urandom(size))
        # What was written of it does not stay in the way.
        assert not list((service.home.blobs / "tmp").iterdir())
    assert s3.get_object(Bucket="data", Key="kept")["Body"].read() == kept
    # What fits is taken.
    service.upload({"small": b"small"})
    other.unlink()
    s3.upload_part(**parts, PartNumber=2, Body=kept)
    # All but the last part must have 5 MiB: the object is to have one of them only.
    made = [{"PartNumber": 1, "ETag": first["ETag"]}]
    s3.complete_multipart_upload(**parts, MultipartUpload={"Parts": made})
    assert s3.get_object(Bucket="data", Key="parts")["Body"].read() == kept
    s3.put_object(Bucket="data", Key="kept", Body=b"new")
    service.kill()
    service.start()
    assert s3.get_object(Bucket="data", Key="kept")["Body"].read() == b"new"
    assert s3.get_object(Bucket="data", Key="parts")["Body"].read() == kept


def test_state_that_does_not_fit(disk: Path, service: Any) -> None:
    s3 = service.client("s3")
    service.upload({"kept": b"kept"})
    other = fill(disk, left=0)
    tags = [{"Key": f"key{number}", "Value": "x" * 200} for number in range(40)]
    request = {
        "PrimaryContainer": {"Image": "test"},
        "ExecutionRoleArn": "arn:aws:iam::000000000000:role/SageMakerRole",
        "Tags": tags,
    }
    create = service.client("sagemaker").create_model
    made: list[str] = []
    with pytest.raises(ClientError, match="InsufficientStorage"):
        create_until_refused(create, request, made)
    assert s3.get_object(Bucket="data", Key="kept")["Body"].read() == b"kept"
    other.unlink()
    service.kill()
    service.start()
    describe = service.client("sagemaker").describe_model
    for name in made:
        assert describe(ModelName=name)["ModelName"] == name
    create(ModelName="another", **request)


def create_until_refused(
    create: Callable[..., Any], request: dict[str, Any], made: list[str]
) -> None:
    """Models, whose names `made` gets, until one is refused."""
    for number in range(10_000):
        create(ModelName=f"model-{number}", **request)
        made.append(f"model-{number}")


@pytest.mark.skipif(sys.platform != "linux", reason="prlimit(2) is Linux's")
def test_a_limit_of_the_size_of_files(tmp_path: Path, run_service: RunService) -> None:
    with run_service(tmp_path) as service:
        service.upload({"kept": b"kept"})
        pid, s3 = service.process.pid, service.client("s3")
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (MIB, hard))
        message = refused(s3.put_object, Bucket="data", Key="kept", Body=bytes(2 * MIB))
        assert "File too large" in message
        assert not list((service.home.blobs / "tmp").iterdir())
        assert s3.get_object(Bucket="data", Key="kept")["Body"].read() == b"kept"
        service.upload({"small": b"small"})


def test_a_job_whose_output_does_not_fit(disk: Path, service: Any) -> None:
    service.train("large", mode=f"large {8 * MIB}")
    job = service.ended("large")
    assert job["TrainingJobStatus"] == "Failed"
    assert "No space left on device" in job["FailureReason"], job["FailureReason"]
    # What it has written is gone, and there is room for the next one.
    service.until(lambda: not list(service.home.jobs.glob("large-*/spec.json")))
    service.train("small")
    assert service.ended("small")["TrainingJobStatus"] == "Completed"


def test_a_job_that_fills_the_disk(disk: Path, service: Any) -> None:
    service.train("larger", mode=f"large {2 * SIZE}")
    job = service.ended("larger")
    assert job["TrainingJobStatus"] == "Failed"
    assert "No space left on device" in job["FailureReason"], job["FailureReason"]
    service.until(lambda: not list(service.home.jobs.glob("larger-*/spec.json")))
    service.train("small")
    assert service.ended("small")["TrainingJobStatus"] == "Completed"
