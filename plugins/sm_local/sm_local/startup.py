"""Find, start, replace and stop the service of a home.

A running service is known by the lock that it holds (``service.lock``), never by a process number.
Starting and stopping are serialised by ``start.lock``. The service reports through a pipe that it
is ready, or why it is not.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from typing import Any, Final

import attrs

from sm_core.errors import LocalServiceError
from sm_local import control
from sm_local.home import HOME_VARIABLE, Home
from sm_local.indexes import PIP_VARIABLES, is_index_variable
from sm_local.locks import free, held, locked
from sm_local.ports import HOST

__all__ = [
    "Service",
    "Stopped",
    "ensure_service",
    "probe",
    "service_environment",
    "shut_down",
    "stop_service",
]

logger = logging.getLogger(__name__)

#: Seconds that a service may take from its start until it is ready.
READY_SECONDS: Final = 60.0
#: Seconds that a service may take to answer a shutdown request, and then to end.
STOP_SECONDS: Final = 60.0
#: Seconds that a training job has to end after it was asked to.
_JOB_GRACE_SECONDS: Final = 120.0
#: Seconds between SIGTERM and SIGKILL for a service that does not answer.
_TERMINATE_SECONDS: Final = 10.0
#: The log is set aside at a start once it is larger than this, in bytes.
_LOG_LIMIT: Final = 16 * 1024 * 1024
_LOG_LINES: Final = 12

#: Variables that the service inherits. The rest of the shell, its secrets above all, stays outside;
#: what the package installer needs (its index, a proxy, certificates) is among them.
_INHERITED: Final = frozenset(
    {
        "ALL_PROXY",
        "CURL_CA_BUNDLE",
        "DYLD_LIBRARY_PATH",
        "HOME",
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "LANG",
        "LANGUAGE",
        "LD_LIBRARY_PATH",
        "LOGNAME",
        "NO_PROXY",
        "PATH",
        "PYENV_ROOT",
        "PYTHONHOME",
        "PYTHONNOUSERSITE",
        "PYTHONUSERBASE",
        "REQUESTS_CA_BUNDLE",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
        "TMPDIR",
        "TZ",
        "USER",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
        "XDG_DATA_HOME",
    }
)
_INHERITED_PATTERNS: Final = re.compile(
    r"LC_\w+|SMCORE_(LOCAL_\w+|TRACE_HOOKS)|UV_PYTHON_(INSTALL_DIR|PREFERENCE)"
)


@attrs.frozen(kw_only=True)
class Service:
    """A running service.

    Attributes:
        pid: its process.
        port: where it listens, on 127.0.0.1.
        version: of sm-local.
        started: seconds since the epoch.
    """

    pid: int
    port: int
    version: str
    started: float

    @property
    def endpoint_url(self) -> str:
        """The address that clients take as ``endpoint_url``."""
        return f"http://{HOST}:{self.port}"


@attrs.frozen(kw_only=True)
class Stopped:
    """What a service said when it ended.

    Attributes:
        endpoints: names of the endpoints whose model servers were stopped.
        jobs: names of the training jobs that go on without it.
    """

    endpoints: tuple[str, ...] = ()
    jobs: tuple[str, ...] = ()


def probe(home: Home) -> Service | None:
    """The service of `home` if one is running and ready; starts nothing.

    Raises:
        LocalServiceError: the home is another user's.
    """
    try:
        return _described(home) if held(home.service_lock) else None
    except PermissionError as error:
        raise LocalServiceError(
            f"{home.path} is closed to this user ({error.strerror}: {error.filename}); "
            f"name a folder of your own in {HOME_VARIABLE}"
        ) from error


def ensure_service(home: Home, *, port: int | None = None) -> Service:
    """The running service of `home`, started first if there is none.

    A service of an older version is ended, its jobs untouched, and replaced; a newer one is used.

    Args:
        home: whose service.
        port: where to start it: see `sm_local.ports.listen`. A service that runs already stays
            where it is.

    Raises:
        LocalServiceError: it does not start; holds the service's own last words.
    """
    running = probe(home)
    if running is not None and not _outdated(running):
        return running
    home.create()
    with locked(home.start_lock):
        running = _settled(home)
        if running is not None and _outdated(running):
            logger.info("replacing the local service %s by %s", running.version, _own_version())
            _end(home, running, jobs=False)
            running = None
        return running or _start(home, port)


def stop_service(home: Home) -> bool:
    """End the service of `home` and its model servers, jobs untouched; False if none was running.

    Raises:
        LocalServiceError: it does not end.
    """
    return shut_down(home, jobs=False) is not None


def shut_down(home: Home, *, jobs: bool) -> Stopped | None:
    """End the service of `home` and its model servers; None if none was running.

    Args:
        home: whose service.
        jobs: stop its training jobs too.

    Raises:
        LocalServiceError: it does not end.
    """
    if not home.path.is_dir():
        return None
    with locked(home.start_lock):
        running = _settled(home)
        return None if running is None else _end(home, running, jobs=jobs)


def service_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of `environment` that the service inherits."""
    inherited = {
        name: value
        for name, value in environment.items()
        if name.upper() in _INHERITED
        or name in PIP_VARIABLES
        or is_index_variable(name)
        or _INHERITED_PATTERNS.fullmatch(name)
    }
    path = environment.get("PYTHONPATH")
    if path:
        # The service runs in another folder and must find what this process found.
        inherited["PYTHONPATH"] = os.pathsep.join(
            os.path.abspath(part) for part in path.split(os.pathsep)
        )
    return inherited | {"PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"}


def _described(home: Home) -> Service | None:
    """What ``service.json`` says; None while the service starts or ends."""
    try:
        members = json.loads(home.service_json.read_bytes())
        return Service(**{field.name: members[field.name] for field in attrs.fields(Service)})
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _settled(home: Home) -> Service | None:
    """The running service, once one that is starting or ending has done so.

    The caller holds ``start.lock``, so that no other one starts meanwhile.
    """
    deadline = time.monotonic() + READY_SECONDS
    while held(home.service_lock):
        running = _described(home)
        if running is not None:
            return running
        if time.monotonic() > deadline:
            raise LocalServiceError(
                f"some process has held {home.service_lock} for {READY_SECONDS:.0f} s and is no "
                f"service that is ready; see {home.service_log}, end the process and try again"
            )
        time.sleep(0.01)
    return None


@cache
def _own_version() -> str:
    return version("sm-local")


def _outdated(running: Service) -> bool:
    return _release(running.version) < _release(_own_version())


def _release(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def _start(home: Home, port: int | None) -> Service:
    _set_aside_large_log(home)
    reader, writer = os.pipe()
    try:
        with open(home.service_log, "ab", opener=_private_opener) as log:
            before = log.tell()
            try:
                process = subprocess.Popen(
                    _command(home, port, writer),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=home.path,
                    env=service_environment(os.environ),
                    pass_fds=(writer,),
                    start_new_session=True,
                )
            finally:
                os.close(writer)
        report = _report(reader, process)
    finally:
        os.close(reader)
    if "error" in report:
        raise LocalServiceError(report["error"])
    if not report:
        raise LocalServiceError(
            "the local service did not start. Its last lines, of "
            f"{home.service_log}:\n{_tail(home, before)}"
        )
    return Service(**report)


def _command(home: Home, port: int | None, writer: int) -> list[str]:
    command = [sys.executable, "-m", "sm_local.service", str(home.path), "--report", str(writer)]
    return command if port is None else [*command, "--port", str(port)]


def _report(reader: int, process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """What the service reports; empty if it ended without a report or took too long."""
    text = b""
    deadline = time.monotonic() + READY_SECONDS
    with selectors.DefaultSelector() as selector:
        selector.register(reader, selectors.EVENT_READ)
        while not text.endswith(b"\n"):
            if not selector.select(max(0.0, deadline - time.monotonic())):
                # The service is a grandchild: only its process group is known here.
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                raise LocalServiceError(
                    f"the local service was not ready after {READY_SECONDS:.0f} s and was ended"
                )
            part = os.read(reader, 65536)
            if not part:
                break
            text += part
    process.wait()
    return json.loads(text) if text.endswith(b"\n") else {}


def _private_opener(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _set_aside_large_log(home: Home) -> None:
    try:
        if home.service_log.stat().st_size > _LOG_LIMIT:
            home.service_log.replace(home.service_log.with_suffix(".log.1"))
    except FileNotFoundError:
        return


def _tail(home: Home, offset: int) -> str:
    with home.service_log.open("rb") as log:
        log.seek(offset)
        lines = log.read().decode(errors="replace").splitlines()[-_LOG_LINES:]
    return "\n".join(f"  {line}" for line in lines) or "  (it said nothing)"


def _end(home: Home, running: Service, *, jobs: bool) -> Stopped:
    try:
        answer = control.call(
            home,
            running.port,
            "POST",
            "/_sm_local/shutdown",
            body={"jobs": jobs},
            timeout=STOP_SECONDS + (_JOB_GRACE_SECONDS if jobs else 0),
        )
    except LocalServiceError as error:
        if held(home.service_lock):
            logger.warning("%s; it is ended by a signal", error)
            _terminate(home, running)
        return Stopped()
    if not free(home.service_lock, STOP_SECONDS):
        logger.warning("the local service did not end by itself; it is ended by a signal")
        _terminate(home, running)
    return Stopped(
        endpoints=tuple(answer.get("endpoints_stopped", ())),
        jobs=tuple(answer.get("jobs_running", ())),
    )


def _terminate(home: Home, running: Service) -> None:
    """End a service that does not answer.

    Its lock is held, and it wrote ``service.json`` itself, so the process number in it is its own.
    """
    for number, patience in (
        (signal.SIGTERM, _TERMINATE_SECONDS),
        (signal.SIGKILL, _TERMINATE_SECONDS),
    ):
        with contextlib.suppress(ProcessLookupError):
            os.kill(running.pid, number)
        if free(home.service_lock, patience):
            return
    raise LocalServiceError(
        f"the local service (process {running.pid}) does not end; see {home.service_log}"
    )
