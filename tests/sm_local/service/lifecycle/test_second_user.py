"""Another user of the machine reads nothing of the home, and is answered 403."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.integ,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        sys.platform != "linux" or os.geteuid() != 0, reason="only root may become another user"
    ),
]

#: Becomes nobody, tries what it is told to, and tells what it could do.
INTRUDER = """
import http.client, json, os, socket, sys
asked = json.load(sys.stdin)
http.client.HTTPConnection("127.0.0.1", 9).close()  # all is imported while it may be
"é".encode("idna")
os.setgroups([])
os.setgid(65534)
os.setuid(65534)

def can(function, *arguments):
    try:
        return function(*arguments) or True
    except OSError as error:
        return type(error).__name__

def read(path):
    if os.path.isdir(path) and not os.path.islink(path):
        return os.listdir(path)
    with open(path, "rb") as file:
        return bool(file.read(1))

def connect(path):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)

def status(method, path, headers):
    connection = http.client.HTTPConnection("127.0.0.1", asked["port"], timeout=60)
    connection.request(method, path, headers=headers)
    return connection.getresponse().status

print(json.dumps({
    "user": os.getuid(),
    "files": {path: can(read, path) for path in asked["files"]},
    "sockets": {path: can(connect, path) for path in asked["sockets"]},
    "signals": {pid: can(os.kill, pid, 0) for pid in asked["pids"]},
    "requests": [status(*request) for request in asked["requests"]],
}))
"""
#: With signatures that are none.
SIGNED = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/s3/aws4_request,"
    " SignedHeaders=host;x-amz-date, Signature=" + 64 * "0",
    "X-Amz-Date": "20260101T000000Z",
}
REQUESTS = [
    ("GET", "/", {}),
    ("GET", "/", SIGNED),
    ("GET", "/data/kept", {}),
    ("GET", "/data/kept?AWSAccessKeyId=AKID&Expires=9999999999&Signature=x", {}),
    ("PUT", "/data/kept", {"Content-Length": "0"}),
    ("POST", "/", {"X-Amz-Target": "SageMaker.ListTrainingJobs", "Content-Length": "0"}),
    ("POST", "/endpoints/serves/invocations", {"Content-Length": "0"}),
    ("POST", "/_sm_local/shutdown", {"Content-Length": "0"}),
    ("GET", "/_sm_local/status", {}),
]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may enter, as pytest's own are not."""
    path = Path(tempfile.mkdtemp(prefix="sm-", dir="/tmp"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path)


def intrude(**asked: Any) -> dict[str, Any]:
    """What nobody could do of what it is asked to try."""
    ended = subprocess.run(
        [sys.executable, "-I", "-S", "-c", INTRUDER],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    assert found["user"] == 65534
    return found


def test_another_user(
    folder: Path, run_service: Callable[[Path], AbstractContextManager[Any]]
) -> None:
    everybodys = folder / "everybodys"
    everybodys.write_text("read by all")
    everybodys.chmod(0o644)
    with run_service(folder) as service:
        service.upload({"kept": b"kept"})
        service.deploy("serves")
        assert service.endpoint("serves")["EndpointStatus"] == "InService"
        service.train("waits", mode="wait")
        service.until(lambda: "waiting" in service.log("waits"))
        home = service.home.path
        specs = [json.loads(path.read_text()) for path in home.rglob("spec.json")]
        variables = [host["environment"] for spec in specs for host in spec["hosts"]]
        name = "SMCORE_SERVER_SOCKET"
        (socket,) = [each[name] for each in variables if name in each]
        assert Path(socket).is_socket()
        files = [home, *(path for path in home.rglob("*") if not path.is_fifo())]
        for each in (service.home.credentials_json, service.home.state_db):
            assert each in files
        assert {path.parent.parent for path in files} >= {service.home.jobs, service.home.endpoints}
        pid = service.process.pid
        found = intrude(
            port=service.port,
            files=[str(everybodys), f"/proc/{pid}/environ", *map(str, files)],
            sockets=[socket],
            pids=[pid, service.invoke("serves")["pid"]],
            requests=REQUESTS,
        )
        (folder / "waits.go").touch()
        assert service.ended("waits")["TrainingJobStatus"] == "Completed"
    assert found["files"].pop(str(everybodys)) is True
    assert not {path: got for path, got in found["files"].items() if got != "PermissionError"}
    assert found["sockets"] == {socket: "PermissionError"}
    assert set(found["signals"].values()) == {"PermissionError"}
    assert found["requests"] == [403] * len(REQUESTS)
