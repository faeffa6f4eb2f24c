"""Objects written to S3 piece by piece: all of them or none, in little memory."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from sm_amazon_algos import upload
from sm_amazon_algos.upload import PART, Uploads
from sm_core.errors import SMError
from sm_core.session import Session

Objects = Callable[[str], dict[str, bytes]]
BUCKET = "records"


@pytest.fixture
def client(session: Session) -> Any:
    made = session.client("s3")
    made.create_bucket(Bucket=BUCKET)
    return made


def test_small_and_large_objects(client: Any, stored: Objects) -> None:
    moved: list[int] = []
    large = bytes(range(256)) * 50_000
    with Uploads(client, BUCKET, moved.append) as uploads:
        one, two, three = (uploads.open(key) for key in ("one", "two", "three"))
        for start in range(0, len(large), 1_000_000):
            two.write(memoryview(large)[start : start + 1_000_000])
            one.write(b"x")
        three.close()
        for writer in (one, two, two):
            writer.close()
        uploads.finish()
        late = uploads.open("late", metadata={"a": "b"})
        late.write(b"manifest")
        late.close()
    assert stored(BUCKET) == {"one": b"x" * 13, "two": large, "three": b"", "late": b"manifest"}
    assert sum(moved) == 13 + len(large) + 8
    assert client.head_object(Bucket=BUCKET, Key="late")["Metadata"] == {"a": "b"}


def left_over(client: Any, stored: Objects) -> tuple[dict[str, bytes], list[Any]]:
    return stored(BUCKET), client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])


def write_some(client: Any, *, then: Callable[[], None] = lambda: None) -> None:
    with Uploads(client, BUCKET, lambda _: None) as uploads:
        done, large = uploads.open("done"), uploads.open("large")
        done.write(b"x")
        done.close()
        for _ in range(8):
            large.write(bytes(PART))
        then()
        large.close()


def test_an_exception_in_the_block_leaves_nothing(client: Any, stored: Objects) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_some(client, then=interrupt)
    assert left_over(client, stored) == ({}, [])


@pytest.mark.parametrize(
    "operation", ["PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"]
)
def test_a_refused_call_leaves_nothing(client: Any, stored: Objects, operation: str) -> None:
    calls = itertools.count()

    def refuse(**_: Any) -> None:
        if operation != "UploadPart" or next(calls) == 3:
            raise SMError("no")

    client.meta.events.register(f"before-call.s3.{operation}", refuse)
    with pytest.raises(SMError, match="no"):
        write_some(client)
    client.meta.events.unregister(f"before-call.s3.{operation}", refuse)
    assert left_over(client, stored) == ({}, [])


def test_what_cannot_be_removed_is_logged_and_hides_nothing(
    client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(**_: Any) -> None:
        raise SMError("never")

    def fail() -> None:
        raise ValueError("the reason")

    client.meta.events.register("before-call.s3.DeleteObject", refuse)
    with caplog.at_level(logging.WARNING), pytest.raises(ValueError, match="the reason"):
        write_some(client, then=fail)
    assert "s3://records/done could not be removed: never" in caplog.text


class Slow:
    """A client whose parts take their time, and that counts what it holds."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.now = self.most = self.parts = 0

    def create_multipart_upload(self, **_: Any) -> dict[str, str]:
        """Begin."""
        return {"UploadId": "1"}

    def upload_part(self, *, Body: bytearray, **_: Any) -> dict[str, str]:
        """Hold the part for a moment."""
        with self.lock:
            self.now += 1
            self.parts += 1
            self.most = max(self.most, self.now)
        time.sleep(0.002)
        with self.lock:
            self.now -= 1
        return {"ETag": "x"}

    def complete_multipart_upload(self, *, MultipartUpload: Any, **_: Any) -> None:
        """End."""
        numbers = [part["PartNumber"] for part in MultipartUpload["Parts"]]
        assert numbers == list(range(1, self.parts + 1))


def test_parts_go_up_in_parallel_and_few_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "PART", 1000)
    client = Slow()
    with Uploads(client, BUCKET, lambda _: None) as uploads:
        writer = uploads.open("key")
        for _ in range(200):
            writer.write(bytes(1000))
        writer.close()
    assert client.parts == 200
    assert 2 <= client.most <= upload.WORKERS


def test_later_parts_are_larger_so_that_ten_thousand_suffice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upload, "PART", 10)
    monkeypatch.setattr(upload, "GROWTH", 4)
    client = Slow()
    with Uploads(client, BUCKET, lambda _: None) as uploads:
        writer = uploads.open("key")
        for _ in range(4 * 10 + 4 * 20 + 30):
            writer.write(b"x")
        writer.close()
    assert client.parts == 4 + 4 + 1
