"""Code from S3, by boto3 over HTTP."""

from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sm_core.testing.containers import Container

pytestmark = pytest.mark.integ


def packed() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo("train.py")
        text = b"print('from the bucket')\n"
        member.size = len(text)
        tar.addfile(member, io.BytesIO(text))
    return buffer.getvalue()


class Bucket(BaseHTTPRequestHandler):
    """Answers for one object as S3 does."""

    def do_GET(self) -> None:
        known = self.path.partition("?")[0] == "/bucket/job/source/sourcedir.tar.gz"
        body = packed() if known else None
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(body or b"")))
        self.send_header("ETag", '"x"')
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body or b"")

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Nothing of this belongs in the tests' output."""


@pytest.fixture
def endpoint() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Bucket) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def variables(endpoint: str) -> dict[str, str]:
    return {
        "S3_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "A" * 16,
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_MAX_ATTEMPTS": "1",
    }


def test_the_code_archive_is_fetched(tmp_path: Path, endpoint: str) -> None:
    ended = Container(tmp_path).train(
        hyperparameters={
            "sagemaker_program": "train.py",
            "sagemaker_region": "us-east-1",
            "sagemaker_submit_directory": "s3://bucket/job/source/sourcedir.tar.gz",
        },
        variables=variables(endpoint),
    )
    assert ended.exit_code == 0, ended.log
    assert "from the bucket\n" in ended.log
    assert "botocore" not in ended.log


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("s3://bucket/absent.tar.gz", "cannot download s3://bucket/absent.tar.gz: "),
        ("s3://bucket", "'s3://bucket' does not name an object"),
    ],
)
def test_what_cannot_be_fetched_is_named(
    tmp_path: Path, endpoint: str, uri: str, reason: str
) -> None:
    ended = Container(tmp_path).train(
        hyperparameters={
            "sagemaker_program": "train.py",
            "sagemaker_region": "us-east-1",
            "sagemaker_submit_directory": uri,
        },
        variables=variables(endpoint),
    )
    assert ended.exit_code == 1
    assert ended.failure is not None
    assert ended.failure.startswith(reason)
    assert "Traceback" not in ended.log
