"""A container for tests: trains and serves with the standard library alone."""

from __future__ import annotations

import json
import os
import signal
import socket
import socketserver
import sys
import threading
import time
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

BASE = Path(os.environ["SAGEMAKER_BASE_DIR"])


def train() -> None:
    """Do what the hyperparameter ``mode`` says."""
    parameters = json.loads((BASE / "input/config/hyperparameters.json").read_text())
    mode = parameters.get("mode", "complete")
    print(f"training: {mode}", flush=True)
    data = BASE / "input/data"
    listing = {
        path.relative_to(data).as_posix(): path.read_text()
        for path in data.rglob("*")
        if path.is_file()
    }
    if mode != "nothing":
        (BASE / "model/listing.json").write_text(json.dumps(listing))
    if mode == "environment":
        (BASE / "output/data/environment.json").write_text(json.dumps(dict(os.environ)))
    if mode.startswith("link "):
        _, name, target = mode.split(" ")
        (BASE / name).rename(BASE.parent / "aside")
        (BASE / name).symlink_to(target)
    if mode == "link":
        (BASE / "model/secret").symlink_to("/etc/passwd")
    if mode == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if mode == "exit":
        sys.exit(3)
    if mode == "failure":
        (BASE / "output/failure").write_text("ValueError: boom\n" + "x" * 2000)
        sys.exit(1)
    if mode == "signal":
        os.kill(os.getpid(), signal.SIGKILL)
    if mode.startswith("large "):
        with (BASE / "model/large").open("wb", buffering=0) as file:
            for _ in range(int(mode.split(" ")[1]) >> 16):
                file.write(os.urandom(1 << 16))
    if mode == "wait":
        wait(Path(parameters["until"]))
    if mode == "hosts":
        meet(json.loads((BASE / "input/config/resourceconfig.json").read_text()))
    if mode == "second-fails":
        second_fails()
    if mode.startswith("checkpoint"):
        step = BASE / mode.partition(" ")[2] / "step"
        number = int(step.read_text()) if step.exists() else 0
        step.write_text(str(number + 1))
        print(f"loss={10 - number}; step 1\nloss={9.5 - number}; step 2", flush=True)
        wait(Path(parameters["until"]))
    if mode.startswith("pipes "):
        pipes(mode.split(" ")[1:])


def meet(resources: dict[str, Any]) -> None:
    """Listen where the other hosts look for this one, and ask each of them who it is."""
    own, hosts = resources["current_host"], resources["hosts"]
    addresses = json.loads(os.environ.get("SMCORE_HOST_ADDRESSES", "{}"))
    # With ports of its own a host listens there; without, every host has this one.
    port = int(addresses[own].partition(":")[2].partition("-")[0]) if addresses else 5000
    with socket.create_server(("", port)) as listener:
        (BASE / "checkpoints" / own).write_text("is listening")
        while len(list((BASE / "checkpoints").iterdir())) < len(hosts):
            time.sleep(0.01)
        answering = threading.Thread(target=answer, args=(listener, own, len(hosts)))
        answering.start()
        found = {}
        for host in hosts:
            address, _, ports = addresses.get(host, f"{host}:5000").partition(":")
            with socket.create_connection((address, int(ports.partition("-")[0]))) as connection:
                found[host] = connection.makefile().read()
        answering.join()
    service = urlsplit(os.environ["AWS_ENDPOINT_URL"])
    asking = HTTPConnection(service.hostname or "", service.port)
    asking.request("GET", "/")
    seen = {
        "found": found,
        "service": asking.getresponse().status,
        "resources": resources,
        "cpus": sorted(os.sched_getaffinity(0)),
        "interfaces": [name for _, name in socket.if_nameindex()],
        "name": socket.gethostname(),
        "proxy": os.environ.get("HTTPS_PROXY"),
    }
    (BASE / "model" / f"{own}.json").write_text(json.dumps(seen))
    (BASE / "model" / "same").write_text(own)
    (BASE / "output" / "data" / own).write_text("output")
    asking.close()


def answer(listener: socket.socket, own: str, count: int) -> None:
    """Tell `count` callers who this is."""
    for _ in range(count):
        connection, _ = listener.accept()
        with connection:
            connection.sendall(own.encode())


def pipes(channels: list[str]) -> None:
    """Read two epochs of each channel; of the first one, only the beginning if it is ``early``."""
    own = json.loads((BASE / "input/config/resourceconfig.json").read_text())["current_host"]
    for channel in channels:
        for epoch in range(2):
            path = BASE / "input/data" / f"{channel}_{epoch}"
            while not path.exists():
                time.sleep(0.01)
            with path.open("rb") as stream:
                data = stream.read(10) if channel == "early" and epoch == 0 else stream.read()
            (BASE / "model" / f"{own}-{channel}-{epoch}").write_bytes(data)


def second_fails() -> None:
    """The second host ends with an error; the others wait for it."""
    resources = json.loads((BASE / "input/config/resourceconfig.json").read_text())
    if resources["current_host"] == "algo-2":
        (BASE / "output/failure").write_text("ValueError: of the second")
        sys.exit(4)
    time.sleep(600)


def wait(path: Path) -> None:
    """Until the file is there, or until SIGTERM."""

    def stopped(number: int, frame: object) -> None:
        (BASE / "model/stopped").write_text("by SIGTERM")
        print("stopped", flush=True)
        sys.exit(1)

    signal.signal(signal.SIGTERM, stopped)
    print("waiting", flush=True)
    while not path.exists():
        time.sleep(0.02)
    print("waited", flush=True)


class Handler(BaseHTTPRequestHandler):
    """Answers as the request's body says."""

    protocol_version = "HTTP/1.1"

    def address_string(self) -> str:
        """There is none."""
        return "client"

    def do_GET(self) -> None:
        """Ready once the file that READY_FILE names is there."""
        ready = os.environ.get("READY_FILE")
        self.answer(200 if ready is None or Path(ready).exists() else 503, b"")

    def do_POST(self) -> None:
        """Echo, or fail in some way."""
        body = self.rfile.read(int(self.headers["content-length"]))
        if body == b"die":
            print("dying", flush=True)
            os._exit(7)
        if body == b"hang up":
            self.close_connection = True
        elif body.isdigit():
            self.answer(int(body), b'{"problem": "yours"}')
        else:
            self.echo(body)

    def echo(self, body: bytes) -> None:
        """The body, and what else came, as JSON."""
        seen = {
            "body": body.decode(),
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "model": sorted(path.name for path in (BASE / "model").rglob("*")),
            "pid": os.getpid(),
            "user": os.environ.get("GREETING"),
            "key": os.environ["AWS_ACCESS_KEY_ID"],
            "secret": os.environ["AWS_SECRET_ACCESS_KEY"],
        }
        self.answer(
            200,
            json.dumps(seen).encode(),
            {"X-Amzn-SageMaker-Custom-Attributes": "back"} if body == b"attributes" else {},
        )

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        """Send a response."""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """HTTP on a Unix socket."""

    daemon_threads = True


def serve() -> None:
    """Serve, or fail as the variable ``MODE`` says."""
    print("serving", flush=True)
    if os.environ.get("MODE") == "fail":
        raise RuntimeError("the model cannot be loaded")
    if os.environ.get("MODE") == "once":
        marker = BASE / "started"
        if marker.exists():
            sys.exit(5)
        marker.touch()
    handler: Any = Handler
    with Server(os.environ["SMCORE_SERVER_SOCKET"], handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    {"train": train, "serve": serve}[sys.argv[1]]()
