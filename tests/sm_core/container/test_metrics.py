"""Use of the machine: measured, and sent to what answers as CloudWatch does."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import pytest

from sm_core.container.metrics import Meter
from sm_core.testing.containers import Container

PATIENCE = 30.0
TRAIN = {"sagemaker_program": "train.py", "sagemaker_enable_cloudwatch_metrics": True}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text(
        "MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable:  250 kB\nHugePages_Total: 0\n",
        encoding="utf-8",
    )
    return tmp_path


def write_stat(root: Path, busy: int, idle: int) -> None:
    text = f"cpu  {busy} 0 0 {idle} 0 0 0 0 0 0\ncpu0 1 0 0 1 0 0 0 0 0 0\ncpu1 1 0 0 1 0 0 0\n"
    (root / "proc/stat").write_text(f"{text}intr 1 2\n", encoding="utf-8")


def test_what_is_measured(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    meter = Meter(root, root)
    write_stat(root, busy=100, idle=100)
    first = meter.read()
    assert set(first) == {"MemoryUtilization", "DiskUtilization"}
    assert first["MemoryUtilization"] == 75
    assert 0 < first["DiskUtilization"] <= 100
    write_stat(root, busy=130, idle=170)
    # 30 of 100 ticks, on two CPUs.
    assert meter.read()["CPUUtilization"] == 60


def test_what_cannot_be_measured_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    assert Meter(tmp_path / "none", tmp_path).read() == {}


@pytest.mark.integ
@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("50, 10, 100\n30, 100, 100", {"GPUUtilization": 80, "GPUMemoryUtilization": 110}),
        ("[N/A], 10, 100", {"GPUUtilization": 0, "GPUMemoryUtilization": 10}),
        ("No devices were found", {}),
    ],
)
def test_gpus_are_summed_up(
    rows: str, expected: dict[str, float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\ncat <<'E'\n{rows}\nE\n", encoding="utf-8")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = Meter(tmp_path, tmp_path).read()
    assert {name: value for name, value in found.items() if name.startswith("GPU")} == expected


@hypothesis.given(text=st.text(alphabet="cpuMemTotalAvib: \n0123456789kB", max_size=60))
def test_any_text_of_the_kernel_is_read(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("root")
    (folder / "proc").mkdir()
    (folder / "proc/meminfo").write_text(text, encoding="utf-8")
    assert all(value == value for value in Meter(folder, folder).read().values())


class CloudWatch(ThreadingHTTPServer):
    """Takes whatever is put."""

    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: list[bytes] = []


class _Handler(BaseHTTPRequestHandler):
    server: CloudWatch

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append(body)
        self.send_response(self.server.status)
        # boto3 chooses one of the service's protocols; this is an empty map in each.
        content_type = self.headers["Content-Type"]
        answer = b"\xbf\xff" if "cbor" in content_type else b"{}"
        if "cbor" in content_type:
            self.send_header("smithy-protocol", "rpc-v2-cbor")
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing of this belongs in the tests' output."""


@pytest.fixture
def cloudwatch() -> Iterator[CloudWatch]:
    with CloudWatch() as server:
        threading.Thread(target=server.serve_forever).start()
        yield server
        server.shutdown()


def variables(server: CloudWatch) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
        "AWS_ACCESS_KEY_ID": "A" * 16,
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "eu-west-1",
        "AWS_MAX_ATTEMPTS": "1",
        "SMCORE_METRICS_SECONDS": "0.2",
        "TRAINING_JOB_NAME": "digits",
    }


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


WAITS = """
import os, time
while not os.path.exists("../output/data/enough"):
    time.sleep(0.02)
"""


@pytest.mark.integ
def test_training_sends_metrics_while_it_runs(tmp_path: Path, cloudwatch: CloudWatch) -> None:
    container = Container(tmp_path)
    container.write_code({"train.py": WAITS})
    with container.training(hyperparameters=TRAIN, variables=variables(cloudwatch)) as process:
        wait_for(lambda: len(cloudwatch.bodies) >= 2)
        (container.base / "output/data/enough").touch()
        assert container.ended(process).exit_code == 0, container.log()
    body = cloudwatch.bodies[-1]
    names = (b"CPUUtilization", b"MemoryUtilization", b"DiskUtilization")
    for text in (*names, b"AWS/SageMakerContainer", b"Percent", b"Host", b"digits/algo-1"):
        assert text in body


@pytest.mark.integ
def test_serving_sends_metrics_too(tmp_path: Path, cloudwatch: CloudWatch) -> None:
    container = Container(tmp_path)
    container.write_code(
        {"serve.py": "def transform_fn(*_): return ''\ndef model_fn(_): return 1\n"}
    )
    own = {"SAGEMAKER_PROGRAM": "serve.py", "SAGEMAKER_ENABLE_CLOUDWATCH_METRICS": "true"}
    with container.serve(variables={**variables(cloudwatch), **own}) as server:
        wait_for(lambda: bool(cloudwatch.bodies))
        assert server.stop() == 0
    for text in (b"CPUUtilization", b"AWS/SageMakerContainer", socket.gethostname().encode()):
        assert text in cloudwatch.bodies[-1]
    wait_for(lambda: not senders(container.base))


@pytest.mark.integ
def test_a_failure_to_send_is_one_warning(tmp_path: Path, cloudwatch: CloudWatch) -> None:
    cloudwatch.status = 403
    container = Container(tmp_path)
    container.write_code({"train.py": WAITS})
    with container.training(hyperparameters=TRAIN, variables=variables(cloudwatch)) as process:
        wait_for(lambda: len(cloudwatch.bodies) >= 3)
        (container.base / "output/data/enough").touch()
        ended = container.ended(process)
    assert (ended.exit_code, ended.succeeded) == (0, True)
    assert ended.log.count("cannot send metrics to CloudWatch") == 1
    assert ended.log.count("the job goes on without them") == 1
    assert "Traceback" not in ended.log


@pytest.mark.integ
def test_nothing_is_sent_unasked(tmp_path: Path, cloudwatch: CloudWatch) -> None:
    container = Container(tmp_path)
    container.write_code({"train.py": "import time; time.sleep(0.5)"})
    hyperparameters = {**TRAIN, "sagemaker_enable_cloudwatch_metrics": False}
    ended = container.train(hyperparameters=hyperparameters, variables=variables(cloudwatch))
    assert ended.exit_code == 0
    assert not cloudwatch.bodies


@pytest.mark.integ
def test_the_sender_ends_with_a_container_that_is_killed(
    tmp_path: Path, cloudwatch: CloudWatch
) -> None:
    container = Container(tmp_path)
    container.write_code({"train.py": WAITS})
    with container.training(hyperparameters=TRAIN, variables=variables(cloudwatch)) as process:
        wait_for(lambda: bool(cloudwatch.bodies))
        process.kill()
        process.wait()
    wait_for(lambda: not senders(container.base))


def senders(base: Path) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes()
            own = f"SAGEMAKER_BASE_DIR={base}".encode() in (entry / "environ").read_bytes()
        except OSError:
            continue
        if own and b"sm_core.container.metrics" in command:
            found.append(entry.name)
    return found
