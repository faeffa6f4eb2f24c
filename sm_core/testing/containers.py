"""Drive a container through its contract, without an engine: a tree of files, processes, HTTP.

::

    container = Container(tmp_path)
    container.write_code({"train.py": "…"})
    ended = container.train(hyperparameters={"sagemaker_program": "train.py"})
    with container.serve(variables={"SAGEMAKER_PROGRAM": "train.py"}) as server:
        answer = server.invoke(b"[[1, 2]]", content_type="application/json")
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

__all__ = ["Answer", "Container", "Ended", "ModelServer"]

_MODULE = ("-m", "sm_core.container")
#: Seconds within which a model server must answer, or end.
_PATIENCE = 120.0


@attrs.frozen(kw_only=True)
class Ended:
    """A container that has ended.

    Attributes:
        exit_code: of its process; negative for a signal.
        log: what it wrote, errors in between.
        failure: content of ``output/failure``; None if there is no such file.
        succeeded: whether there is an ``output/success``.
    """

    exit_code: int
    log: str
    failure: str | None
    succeeded: bool


@attrs.frozen(kw_only=True)
class Answer:
    """A response of a model server; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Container:
    """The tree of one container below `folder`, and the processes that run on it."""

    def __init__(self, folder: Path, *, python: str = sys.executable) -> None:
        """
        Args:
            folder: an empty folder of the test.
            python: interpreter of the environment that stands for the image.
        """
        self.base = folder / "ml"
        self._python = python
        # Paths of Unix sockets are short.
        self.socket = folder / "s"
        self._log = folder / "log"
        for part in ("input/config", "input/data", "model", "code"):
            (self.base / part).mkdir(parents=True, exist_ok=True)

    def write_code(self, files: Mapping[str, str]) -> None:
        """Put files with the user's code, by relative path, into ``code``."""
        for name, text in files.items():
            path = self.base / "code" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def write_channel(self, channel: str, files: Mapping[str, str]) -> None:
        """Put files into an input channel."""
        for name, text in files.items():
            path = self.base / "input" / "data" / channel / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def train(
        self,
        *,
        hyperparameters: Mapping[str, Any],
        hosts: Sequence[str] = ("algo-1",),
        host: str = "algo-1",
        pipes: Sequence[str] = (),
        content_types: Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> Ended:
        """Run a training container to its end.

        Args:
            hyperparameters: values; JSON-encoded here, as an SDK does.
            hosts: of the job.
            host: which of them this is.
            pipes: channels in Pipe mode; their FIFOs are the test's to make.
            content_types: of channels, by name.
            variables: more environment variables.
        """
        with self.training(
            hyperparameters=hyperparameters,
            hosts=hosts,
            host=host,
            pipes=pipes,
            content_types=content_types,
            variables=variables,
        ) as process:
            return self.ended(process)

    @contextmanager
    def training(
        self,
        *,
        hyperparameters: Mapping[str, Any],
        hosts: Sequence[str] = ("algo-1",),
        host: str = "algo-1",
        pipes: Sequence[str] = (),
        content_types: Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A training container that runs; arguments as for `train`."""
        folders = [path for path in (self.base / "input" / "data").iterdir() if path.is_dir()]
        modes = {**{path.name: "File" for path in folders}, **dict.fromkeys(pipes, "Pipe")}
        channels = {name: {"TrainingInputMode": modes[name]} for name in sorted(modes)}
        for name, content_type in (content_types or {}).items():
            channels[name]["ContentType"] = content_type
        self._write_config(
            hyperparameters={name: json.dumps(value) for name, value in hyperparameters.items()},
            inputdataconfig=channels,
            resourceconfig={"current_host": host, "hosts": list(hosts)},
        )
        with self._started("train", variables) as process:
            yield process

    def ended(self, process: subprocess.Popen[bytes]) -> Ended:
        """Wait for `process`; how it ended and what it left."""
        process.wait()
        failure = self.base / "output" / "failure"
        return Ended(
            exit_code=process.returncode,
            log=self.log(),
            failure=failure.read_text(encoding="utf-8") if failure.is_file() else None,
            succeeded=(self.base / "output" / "success").is_file(),
        )

    def log(self) -> str:
        """What its processes have written so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def processes(self) -> list[int]:
        """Identifiers of the processes of this container that run, as Linux's /proc has them.

        Helpers that the toolkit started in sessions of their own are among them.
        """
        own = f"SAGEMAKER_BASE_DIR={self.base}".encode()
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                variables = (entry / "environ").read_bytes().split(b"\0")
                state = (entry / "stat").read_text("utf-8").rpartition(")")[2].split()[0]
            except (OSError, IndexError):
                continue  # it has ended meanwhile, or is another user's
            if own in variables and state != "Z":
                found.append(int(entry.name))
        return found

    @contextmanager
    def serve(self, *, variables: Mapping[str, str]) -> Iterator[ModelServer]:
        """A model server that answers; the code in ``code`` is its own unless `variables` say so.

        Raises:
            AssertionError: it ended, or did not answer in time; with its log.
        """
        with self.serving(variables=variables) as server:
            server.wait_until_healthy()
            yield server

    @contextmanager
    def serving(self, *, variables: Mapping[str, str]) -> Iterator[ModelServer]:
        """A model server that has just started, as `serve`."""
        own = {
            "SMCORE_SERVER_SOCKET": str(self.socket),
            "SAGEMAKER_SUBMIT_DIRECTORY": str(self.base / "code"),
            "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
        }
        with self._started("serve", {**own, **variables}) as process:
            yield ModelServer(process, self)

    def _write_config(self, **files: Mapping[str, Any]) -> None:
        for name, content in files.items():
            path = self.base / "input" / "config" / f"{name}.json"
            path.write_text(json.dumps(content), encoding="utf-8")

    @contextmanager
    def _started(
        self, command: str, variables: Mapping[str, str] | None
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A process in a group of its own, which is killed at the end."""
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                [self._python, *_MODULE, command],
                env={
                    "PATH": os.environ.get("PATH", os.defpath),
                    "SAGEMAKER_BASE_DIR": str(self.base),
                    **(variables or {}),
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class ModelServer:
    """A model server on a Unix socket."""

    def __init__(self, process: subprocess.Popen[bytes], container: Container) -> None:
        self.process = process
        self._container = container

    def wait_until_healthy(self) -> None:
        """Wait until ``/ping`` answers 200."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                code, log = self.process.returncode, self._container.log()
                raise AssertionError(f"the model server ended with {code}\n{log}")
            try:
                if self.request("GET", "/ping").status == 200:
                    return
            except (ConnectionError, FileNotFoundError):
                time.sleep(0.02)
        raise AssertionError(
            f"no answer to /ping within {_PATIENCE:.0f} seconds\n{self._container.log()}"
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request on a connection of its own."""
        connection = _UnixConnection("model-server", timeout=_PATIENCE)
        connection.path = self._container.socket
        try:
            connection.request(method, path, body=body, headers=dict(headers or {}))
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Answer(status=response.status, headers=names, body=response.read())
        finally:
            connection.close()

    def invoke(
        self, body: bytes | str, *, content_type: str | None = None, accept: str | None = None
    ) -> Answer:
        """POST `body` to ``/invocations``."""
        given = {"Content-Type": content_type, "Accept": accept}
        headers = {name: value for name, value in given.items() if value is not None}
        data = body.encode() if isinstance(body, str) else body
        return self.request("POST", "/invocations", body=data, headers=headers)

    def stop(self) -> int:
        """Send SIGTERM and wait; the exit code."""
        self.process.terminate()
        return self.process.wait(_PATIENCE)


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    path: Path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))
