"""TensorBoard beside a training job: its checkpoints and events, copied here as they arrive."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from sm_core.errors import ConfigurationError
from sm_core.hyperparameters import decode
from sm_core.inputs import split_s3_uri

if TYPE_CHECKING:
    from typing_extensions import Self

    from sm_core.jobs import TrainingJob
    from sm_core.session import Session

__all__ = ["TensorBoard", "require"]

_FIRST_PORT = 6006
_PORTS = 100
_HOST = "127.0.0.1"
#: Seconds between two looks at S3; TensorBoard looks at its folder as often.
_PERIOD = 2.0
_START = 60.0


def require() -> None:
    """See that TensorBoard is installed.

    Raises:
        ConfigurationError: it is not; names the command that installs it.
    """
    if importlib.util.find_spec("tensorboard") is None:
        raise ConfigurationError(
            "run_tensorboard_locally=True needs TensorBoard, which is not installed: "
            "pip install 'sm-tensorflow[tensorboard]'"
        )


class TensorBoard:
    """A TensorBoard process and what keeps its folder like a place in S3.

    Attributes:
        address: where a browser finds it; None before it is entered.
    """

    def __init__(self, place: str, session: Session) -> None:
        """
        Args:
            place: S3 URI that is watched.
            session: whose S3 client reads it.
        """
        self._bucket, prefix = split_s3_uri(place) or ("", "")
        self._prefix = f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""
        self._client: Any = session.client("s3")
        self._folder = Path(tempfile.mkdtemp(prefix="tensorboard-"))
        self._copied: dict[str, str] = {}
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="tensorboard", daemon=True)
        self._process: subprocess.Popen[bytes] | None = None
        self.address: str | None = None

    @classmethod
    def of_job(cls, job: TrainingJob, session: Session) -> TensorBoard:
        """One that watches where `job` saves its checkpoints.

        Raises:
            ConfigurationError: it saves none to S3.
        """
        told = decode(job.describe().get("HyperParameters") or {})
        place = told.get("checkpoint_path") or told.get("model_dir")
        if not isinstance(place, str) or split_s3_uri(place) is None:
            raise ConfigurationError(f"training job {job.name} names no place in S3 to watch")
        return cls(place, session)

    def __enter__(self) -> Self:
        """Start on the first free port from 6006, and print the address."""
        try:
            port = self._started()
        except BaseException:
            self._end()
            raise
        self.address = f"http://localhost:{port}"
        print(f"TensorBoard shows the job's checkpoints at {self.address}", flush=True)  # noqa: T201  # as specified
        self._watcher.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def synchronize(self) -> None:
        """Copy what is new or has changed; files appear whole."""
        pages = self._client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix):
            for entry in page.get("Contents", ()):
                key, mark = entry["Key"], f"{entry['ETag']} {entry['Size']}"
                path = self._path_of(key)
                if path is None or self._copied.get(key) == mark:
                    continue
                path.parent.mkdir(parents=True, exist_ok=True)
                arriving = path.with_name(f".{path.name}.part")
                self._client.download_file(self._bucket, key, str(arriving))
                self._take(arriving, path)
                self._copied[key] = mark

    def _take(self, arriving: Path, path: Path) -> None:
        """Put what arrived in place: events grow where they are, as their reader has them open."""
        if path.exists() and "tfevents" in path.name:
            with path.open("rb+") as grown, arriving.open("rb") as source:
                position = path.stat().st_size
                if arriving.stat().st_size >= position:
                    source.seek(position)
                    grown.seek(position)
                    shutil.copyfileobj(source, grown)
                    arriving.unlink()
                    return
        os.replace(arriving, path)

    def _path_of(self, key: str) -> Path | None:
        """Where an object goes; None for what is no file, or would leave the folder."""
        parts = key[len(self._prefix) :].split("/")
        if not parts[-1] or any(part in ("", ".", "..") for part in parts):
            return None
        return self._folder.joinpath(*parts)

    def _watch(self) -> None:
        while not self._ended.is_set():
            try:
                self.synchronize()
            except Exception as error:  # noqa: BLE001  # the training goes on, whatever S3 says
                print(f"TensorBoard: checkpoints cannot be copied now: {error}", file=sys.stderr)  # noqa: T201  # as the address
            self._ended.wait(_PERIOD)

    def _started(self) -> int:
        for port in range(_FIRST_PORT, _FIRST_PORT + _PORTS):
            if _is_free(port) and self._runs_on(port):
                return port
        last = _FIRST_PORT + _PORTS - 1
        raise ConfigurationError(f"no port from {_FIRST_PORT} to {last} is free for TensorBoard")

    def _runs_on(self, port: int) -> bool:
        """Start the process; whether it answers, rather than finding the port taken."""
        log = self._folder.with_name(f"{self._folder.name}.log")
        arguments = ("--logdir", str(self._folder), "--host", _HOST, "--port", str(port))
        with log.open("wb") as stream:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tensorboard.main", *arguments, "--reload_interval", "2"],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        waiting = threading.Event()
        for _ in range(int(_START / 0.1)):
            if self._process.poll() is not None:
                said = log.read_text(encoding="utf-8", errors="replace")
                if "in use" in said or "could not bind" in said:
                    return False
                raise ConfigurationError(f"TensorBoard did not start: {said[-2000:]}")
            if _answers(port):
                return True
            waiting.wait(0.1)
        raise ConfigurationError(f"TensorBoard did not answer within {_START:.0f} seconds")

    def _end(self) -> None:
        self._ended.set()
        if self._watcher.is_alive():
            self._watcher.join()
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.with_name(f"{self._folder.name}.log").unlink(missing_ok=True)


def _is_free(port: int) -> bool:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((_HOST, port))
        except OSError:
            return False
        return True


def _answers(port: int) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{_HOST}:{port}/data/environment", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
