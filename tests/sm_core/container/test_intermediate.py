"""Intermediate output: copied to what answers as S3 does, while the job runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sm_core.testing.containers import Container

pytestmark = pytest.mark.integ

PATIENCE = 30.0


class Bucket(ThreadingHTTPServer):
    """Keeps what is put."""

    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}


class _Handler(BaseHTTPRequestHandler):
    server: Bucket
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.status == 200:
            self.server.objects[self.path.partition("?")[0]] = body
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.send_header("ETag", '"x"')
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing of this belongs in the tests' output."""


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with Bucket() as server:
        threading.Thread(target=server.serve_forever).start()
        yield server
        server.shutdown()


def variables(bucket: Bucket) -> dict[str, str]:
    return {
        "S3_ENDPOINT_URL": f"http://127.0.0.1:{bucket.server_port}",
        "AWS_ACCESS_KEY_ID": "A" * 16,
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "eu-west-1",
        "AWS_MAX_ATTEMPTS": "1",
        # Bodies as they are, without the chunks of a checksum behind them.
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        "TRAINING_JOB_NAME": "digits",
    }


TRAIN = {"sagemaker_program": "train.py", "sagemaker_s3_output": "s3://bucket/out/"}
PLACE = "/bucket/out/digits/output/intermediate"
SCRIPT = """
import os, time
folder = os.environ["SM_OUTPUT_INTERMEDIATE_DIR"]
open(folder + "/first.txt", "w").write("one")
os.makedirs(folder + "/deep/er")
open(folder + "/deep/er/second.txt", "w").write("two")
while not os.path.exists("../output/data/enough"):
    time.sleep(0.02)
open(folder + "/last.txt", "w").write("three")
"""


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_files_are_copied_while_the_job_runs_and_at_its_end(tmp_path: Path, bucket: Bucket) -> None:
    container = Container(tmp_path)
    container.write_code({"train.py": SCRIPT})
    with container.training(hyperparameters=TRAIN, variables=variables(bucket)) as process:
        wait_for(lambda: len(bucket.objects) == 2)
        assert bucket.objects == {
            f"{PLACE}/first.txt": b"one",
            f"{PLACE}/deep/er/second.txt": b"two",
        }
        (container.base / "output/data/enough").touch()
        assert container.ended(process).exit_code == 0, container.log()
    assert bucket.objects[f"{PLACE}/last.txt"] == b"three"


def test_what_cannot_be_copied_is_a_warning(tmp_path: Path, bucket: Bucket) -> None:
    bucket.status = 403
    container = Container(tmp_path)
    container.write_code({"train.py": SCRIPT})
    (container.base / "output/data").mkdir(parents=True)
    (container.base / "output/data/enough").touch()
    ended = container.train(hyperparameters=TRAIN, variables=variables(bucket))
    assert (ended.exit_code, ended.succeeded) == (0, True)
    assert f"cannot upload {container.base}/output/intermediate/last.txt to s3://" in ended.log
    assert "Traceback" not in ended.log


def test_a_folder_that_is_there_is_the_platform_s(tmp_path: Path, bucket: Bucket) -> None:
    container = Container(tmp_path)
    container.write_code({"train.py": SCRIPT})
    for name in ("data", "intermediate"):
        (container.base / "output" / name).mkdir(parents=True)
    (container.base / "output/data/enough").touch()
    assert container.train(hyperparameters=TRAIN, variables=variables(bucket)).exit_code == 0
    assert not bucket.objects


def test_a_place_that_is_not_in_s3_is_named(tmp_path: Path) -> None:
    container = Container(tmp_path)
    container.write_code({"train.py": ""})
    ended = container.train(hyperparameters={**TRAIN, "sagemaker_s3_output": "bucket/x"})
    assert ended.failure == (
        "hyperparameter sagemaker_s3_output is 'bucket/x'; it must begin with s3://"
    )
