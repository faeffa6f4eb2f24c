"""TensorBoard beside a job, with the local service's S3 and the real TensorBoard."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from sm_core import Session
from sm_tensorflow import TensorFlow
from sm_tensorflow.tensorboard import TensorBoard

pytestmark = [pytest.mark.integ, pytest.mark.timeout(600)]


def data(address: str, path: str) -> Any:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{address}/data/{path}", timeout=20) as answer:
        return json.loads(answer.read())


def until(found: Any, *, seconds: float = 60) -> Any:
    """What `found` returns, as soon as that is something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := found():
            return value
        threading.Event().wait(0.2)
    raise AssertionError("it did not come")


class Events:
    """A file of events that grows, and is uploaded as checkpoints are."""

    def __init__(self, folder: Path, session: Session, prefix: str) -> None:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._writer = EventFileWriter(str(folder))
        self._folder, self._session, self._prefix = folder, session, prefix
        self.bucket = session.default_bucket()

    def write(self, step: int, loss: float) -> None:
        from tensorboard.compat.proto import event_pb2, summary_pb2

        value = summary_pb2.Summary.Value(tag="loss", simple_value=loss)
        summary = summary_pb2.Summary(value=[value])
        self._writer.add_event(event_pb2.Event(step=step, wall_time=step, summary=summary))
        self._writer.flush()
        (file,) = self._folder.iterdir()
        client = self._session.client("s3")
        client.upload_file(str(file), self.bucket, f"{self._prefix}/{file.name}")

    def close(self) -> None:
        self._writer.close()


def curve(address: str) -> list[tuple[int, float]]:
    runs = data(address, "plugin/scalars/tags")
    if not runs.get(".", {}).get("loss"):
        return []
    found = data(address, "plugin/scalars/scalars?run=.&tag=loss")
    return [(step, round(value, 3)) for _, step, value in found]


def test_the_loss_curve_grows_as_checkpoints_arrive(
    tmp_path: Path, local_session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    session = local_session
    events = Events(tmp_path / "events", session, "job/checkpoints")
    place = f"s3://{events.bucket}/job/checkpoints"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        events.write(1, 0.9)
        with TensorBoard(place, session) as board:
            assert board.address is not None
            port = int(board.address.rpartition(":")[2])
            assert port >= 6006
            assert board.address in capsys.readouterr().out
            until(lambda: curve(board.address or "") == [(1, 0.9)])
            events.write(2, 0.5)
            until(lambda: curve(board.address or "") == [(1, 0.9), (2, 0.5)])
            with TensorBoard(place, session) as second:
                assert second.address is not None
                assert int(second.address.rpartition(":")[2]) > port
            _look_with_a_browser(board.address)
    events.close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def _look_with_a_browser(address: str) -> None:
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    browser = next((found for name in names if (found := shutil.which(name))), None)
    if browser is None:
        print("no Chromium is installed: TensorBoard's page was not looked at")
        return
    arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000"]
    done = subprocess.run(
        [browser, *arguments, "--dump-dom", f"{address}/#timeseries"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "TensorBoard" in done.stdout
    assert "loss" in done.stdout


@pytest.mark.long
def test_ctrl_c_ends_it(local_session: Session) -> None:
    place = f"s3://{local_session.default_bucket()}/job/checkpoints"
    board = TensorBoard(place, local_session)

    def interrupted() -> None:
        with board:
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
            threading.Event().wait(60)

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert board.address is not None
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", int(board.address.rpartition(":")[2])), timeout=5)


SCRIPT = """
import argparse, os, time
import boto3
import tensorflow as tf

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--model_dir")
    place = parser.parse_args().model_dir[len("s3://"):]
    bucket, _, prefix = place.partition("/")
    writer = tf.summary.create_file_writer("/tmp/events-%d" % os.getpid())
    client = boto3.client("s3")
    for step in range(1, 16):
        with writer.as_default():
            tf.summary.scalar("loss", 1 / step, step=step)
        writer.flush()
        folder = "/tmp/events-%d" % os.getpid()
        for name in os.listdir(folder):
            client.upload_file(os.path.join(folder, name), bucket, prefix + "/" + name)
        time.sleep(1)
"""


@pytest.mark.long
def test_fit_shows_a_job_until_it_ends(
    tmp_path: Path, local_session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT, encoding="utf-8")
    estimator = TensorFlow(
        str(script),
        train_instance_type="local",
        framework_version="2.14.1",
        sagemaker_session=local_session,
    )
    seen: list[str] = []
    printed: list[str] = []

    def look() -> None:
        def address() -> str | None:
            printed.append(capsys.readouterr().out)
            found = re.search(r"http://localhost:\d+", "".join(printed))
            return found[0] if found else None

        where = until(address, seconds=300)
        until(lambda: data(where, "plugin/scalars/tags").get("."), seconds=120)
        seen.append(where)

    looking = threading.Thread(target=look)
    looking.start()
    estimator.fit(run_tensorboard_locally=True)
    looking.join(300)
    (where,) = seen
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", int(where.rpartition(":")[2])), timeout=5)
