"""The model servers that are compared: ours, and the public toolkit's on multi-model-server."""

from __future__ import annotations

import http.client
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = [
    "Skipped",
    "bare_uvicorn",
    "free_port",
    "gunicorn_server",
    "install_ours",
    "install_peer",
    "our_server",
    "peer_server",
    "wait_until_healthy",
]

_ROOT = Path(__file__).parents[2]
#: The newest Python that multi-model-server is known to run on.
_PEER_PYTHON = "3.8"
_PEER = ("sagemaker-inference", "multi-model-server", "setuptools<70")
_PEER_PROGRAM = """
import importlib, sys
from sagemaker_inference import model_server
model_server.MMS_CONFIG_FILE = sys.argv[1]
module, _, function = sys.argv[2].partition(":")
getattr(importlib.import_module(module), function)()
"""
_PEER_START = "sagemaker_inference.model_server:start_model_server"
_BARE = """
async def application(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})
"""
_PATIENCE = 120.0


class Skipped(Exception):
    """Something that the measurement needs is not here; the text says what."""


def free_port() -> int:
    """A TCP port that nobody uses at the moment, of those that multi-model-server takes."""
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def install_ours(folder: Path, *requirements: str, python: Sequence[str] = ()) -> Path:
    """Install sm-core as a container has it; the environment's ``bin`` folder.

    Args:
        folder: where to.
        requirements: beside it; numpy alone, as a container of no framework has it, if absent.
        python: versions of Python, of which the first that is here is taken; if absent, this one.

    Raises:
        Skipped: there is no package index, or no such Python.
    """
    interpreter = _python(python) if python else Path(sys.executable)
    wanted = requirements or ("numpy",)
    return _install(folder / "ours", interpreter, f"{_ROOT}[container]", *wanted)


def _python(versions: Sequence[str]) -> Path:
    for version in versions:
        found = subprocess.run(
            [_ROOT / "tools" / "find-python", version], capture_output=True, text=True, check=False
        )
        if not found.returncode:
            return Path(found.stdout.strip())
    raise Skipped(f"Python {' or '.join(versions)} is needed, and is not here")


def install_peer(folder: Path, *requirements: str) -> Path:
    """Install the public toolkit and its server; the environment's ``bin`` folder.

    Args:
        folder: where to.
        requirements: beside it.

    Raises:
        Skipped: there is no Java, no Python that is old enough, or no package index.
    """
    if shutil.which("java") is None:
        raise Skipped("multi-model-server needs Java: install a headless JRE")
    return _install(folder / "theirs", _python([_PEER_PYTHON]), *_PEER, *requirements)


def _install(environment: Path, python: Path, *requirements: str) -> Path:
    uv = Path(sys.executable).parent / "uv"
    interpreter = environment / "bin" / "python"
    commands: list[list[str | Path]] = [
        [uv, "venv", "--quiet", "--python", python, environment],
        [uv, "pip", "install", "--quiet", "--python", interpreter, *requirements],
    ]
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Skipped(f"{requirements[0]} cannot be installed: {done.stderr.strip()}")
    return environment / "bin"


@contextmanager
def _started(
    command: Sequence[str | Path], *, folder: Path, variables: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    # SIGTERM is to end the measurement as Ctrl-C does, by way of what is cleaned up.
    previous = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield process
    except Exception:
        sys.stderr.write((folder / "log").read_text(encoding="utf-8", errors="replace"))
        raise
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        signal.signal(signal.SIGTERM, previous)


def wait_until_healthy(process: subprocess.Popen[bytes], port: int, *, pause: float) -> None:
    """Ask ``/ping`` every `pause` seconds until it answers 200."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with exit code {process.returncode}")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/ping")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass  # it does not listen yet
        finally:
            connection.close()
        time.sleep(pause)
    raise RuntimeError("the server does not become healthy")


@contextmanager
def our_server(
    base: Path, *, port: int, workers: int, python: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """``python -m sm_core.container serve`` on the tree `base`, of the environment `python`."""
    variables = _variables(base, port, workers, python)
    command: list[str | Path] = [python / "python", "-m", "sm_core.container", "serve"]
    with _started(command, folder=base, variables=variables) as process:
        yield process


@contextmanager
def bare_uvicorn(base: Path, *, port: int, python: Path) -> Iterator[subprocess.Popen[bytes]]:
    """uvicorn with an application that answers 200 to everything."""
    (base / "bare.py").write_text(_BARE, encoding="utf-8")
    command: list[str | Path] = [python / "python", "-m", "uvicorn", "--no-access-log"]
    options = ["--host", "127.0.0.1", "--port", str(port), "bare:application"]
    variables = {"PATH": os.environ.get("PATH", os.defpath)}
    with _started([*command, *options], folder=base, variables=variables) as process:
        yield process


@contextmanager
def peer_server(
    base: Path, *, port: int, workers: int, python: Path, start: str = _PEER_START
) -> Iterator[subprocess.Popen[bytes]]:
    """The public toolkit's server on the tree `base`, of the environment `python`.

    Args:
        base: the tree.
        port: to listen on.
        workers: processes.
        python: the environment's ``bin`` folder.
        start: what an image calls, as ``module:function``.
    """
    logs = str(base / "logs")
    variables = {
        **_variables(base, port, workers, python),
        "LOG_LOCATION": logs,
        "METRICS_LOCATION": logs,
        # Its sockets and its process number lie here.
        "TEMP": str(base),
        "TMPDIR": str(base),
    }
    command: list[str | Path] = [
        python / "python",
        "-c",
        _PEER_PROGRAM,
        str(base / "mms.properties"),
        start,
    ]
    with _started(command, folder=base, variables=variables) as process:
        yield process


def _variables(base: Path, port: int, workers: int, python: Path) -> dict[str, str]:
    return {
        "PATH": os.pathsep.join([str(python), os.environ.get("PATH", os.defpath)]),
        "SAGEMAKER_BASE_DIR": str(base),
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "SAGEMAKER_MODEL_SERVER_WORKERS": str(workers),
        "SAGEMAKER_PROGRAM": "inference.py",
        # One thread for each worker's arithmetic, for either server.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


@contextmanager
def gunicorn_server(
    base: Path, *, port: int, workers: int, python: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """The Flask application ``app:app`` in the folder `base` behind gunicorn.

    Worker processes have a thread each and keep connections open, as our server does.
    """
    options = ["--worker-class", "gthread", "--threads", "1", "--workers", str(workers)]
    place = ["--bind", f"127.0.0.1:{port}", "--keep-alive", "60", "app:app"]
    command: list[str | Path] = [python / "python", "-m", "gunicorn", *options, *place]
    variables = {"PATH": os.environ.get("PATH", os.defpath), "TF_CPP_MIN_LOG_LEVEL": "2"}
    with _started(command, folder=base, variables=variables) as process:
        yield process
