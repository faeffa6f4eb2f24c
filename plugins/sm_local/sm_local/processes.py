"""Start, watch and stop the supervisor of a job's or an instance's folder.

Every function takes the folder; none keeps anything in memory, so that any process of this user can
call them, and a new service goes on where the last one ended.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import secrets
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import attrs

from sm_core.errors import LocalServiceError
from sm_local import supervisor
from sm_local.locks import held

__all__ = [
    "Finished",
    "HostProcess",
    "Status",
    "exit_text",
    "launch",
    "log_line",
    "read_log",
    "status",
    "stop",
    "sweep",
]

_START_PATIENCE = 30.0  # seconds; 30 ms where nothing else runs
_KILL_PATIENCE = 10.0  # seconds for killed processes to go, which a hanging disk can delay
_MESSAGE_LIMIT = 2000  # characters
_READ_LIMIT = 1_048_576  # bytes
#: What a supervisor gets of our environment: what the interpreter may need to start.
_INHERITED = re.compile(r"PATH|HOME|LANG|LC_\w+|TZ|TMPDIR|(DY)?LD_\w+")

Outcome = Literal["completed", "failed", "stopped", "max_runtime"]


@attrs.frozen(kw_only=True)
class HostProcess:
    """One host of a job, or one instance of an endpoint: a process and where its output goes.

    Attributes:
        name: the host's name (``algo-1``).
        command: program and arguments; never put a secret here, every user can read it.
        environment: all its variables; nothing else is inherited.
        directory: its working directory.
        log: file that its standard output and standard error are appended to.
        helper: it serves the others, and is ended when all of them have ended; if it fails before
            that, they are ended as by a host's failure.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path
    log: Path
    helper: bool = False


@attrs.frozen(kw_only=True)
class Finished:
    """How a supervisor's work ended.

    Attributes:
        outcome: ``completed`` (every host exited with 0), ``failed``, ``stopped``, ``max_runtime``.
        codes: exit code of each host that is no helper; -N is signal N; 126 and 127: it could not
            be started.
        time: seconds since the epoch.
    """

    outcome: Outcome
    codes: Mapping[str, int]
    time: float


@attrs.frozen(kw_only=True)
class Status:
    """What the folder tells about the last launch.

    Attributes:
        alive: a supervisor holds the folder's lock.
        started: when its first host started, seconds since the epoch.
        stopping: why it is ending its hosts, or has: ``stop``, ``max_runtime`` or ``failed`` (one
            host's failure).
        failed: the host that failed first, if that is why.
        finished: None while alive, and for ever if the supervisor was killed.
        message: the supervisor's own words when it could not do its work.
    """

    alive: bool
    started: float | None = None
    stopping: str | None = None
    failed: str | None = None
    finished: Finished | None = None
    message: str = ""


def launch(
    folder: Path, hosts: Sequence[HostProcess], *, max_runtime: int | None, grace: int
) -> None:
    """Start a supervisor for ``hosts`` and return when it holds the folder's lock.

    What an earlier supervisor of the folder left running is ended first. A host that cannot be
    started is no error here: it exits at once, with code 126 or 127 and the reason in its log.

    Args:
        folder: of the job or instance; must exist.
        hosts: at least one, with different names.
        max_runtime: seconds after which the hosts are stopped; None for no limit.
        grace: seconds between SIGTERM and SIGKILL.

    Raises:
        LocalServiceError: no supervisor was started; the message is the supervisor's own.
    """
    with _one_at_a_time(folder):
        last = status(folder)
        if last.alive and last.finished is None:
            raise LocalServiceError(f"a supervisor runs in {folder} already")
        _end_leftovers(folder)
        for host in hosts:
            host.log.parent.mkdir(parents=True, exist_ok=True)
        _write_spec(folder, hosts, max_runtime=max_runtime, grace=grace)
        words = _start_supervisor(folder)
    if words != supervisor.READY:
        message = words.decode("utf-8", "replace").strip() or "it ended without a word"
        raise LocalServiceError(f"cannot start the supervisor of {folder}: {message}")


@contextlib.contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Keep others from launching and sweeping, who would see a supervisor only half started."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _start_supervisor(folder: Path) -> bytes:
    """Return all that a new supervisor writes at first: READY, or what is wrong."""
    with subprocess.Popen(
        [sys.executable, "-I", "-S", supervisor.__file__, str(folder.absolute())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={name: value for name, value in os.environ.items() if _INHERITED.fullmatch(name)},
        cwd="/",
        start_new_session=True,
    ) as process:
        return _first_words(process)


def _first_words(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    words = b""
    deadline = time.monotonic() + _START_PATIENCE
    while select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
        data = os.read(process.stdout.fileno(), 65_536)
        if not data:
            return words
        words += data
    os.killpg(process.pid, signal.SIGKILL)
    return b"%b\nnot ready after %d s" % (words, _START_PATIENCE)


def _write_spec(
    folder: Path, hosts: Sequence[HostProcess], *, max_runtime: int | None, grace: int
) -> None:
    spec = {
        "hosts": [
            {
                "name": host.name,
                "command": list(host.command),
                "environment": dict(host.environment),
                "directory": str(host.directory),
                "log": str(host.log.absolute()),
                "helper": host.helper,
            }
            for host in hosts
        ],
        "max_runtime": max_runtime,
        "grace": grace,
        "marker": secrets.token_hex(16),
    }
    path = folder / "spec.json"
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        json.dump(spec, stream)
    temporary.replace(path)


def status(folder: Path) -> Status:
    """Return what is known about the folder's last launch.

    A supervisor that has written its last event may be ``alive`` for another moment.
    """
    alive = held(folder / "lock")
    started: float | None = None
    stopping: str | None = None
    failed: str | None = None
    finished: Finished | None = None
    for event in _last_events(folder):
        match event:
            case {"event": "started", "time": time_}:
                started = started or time_
            case {"event": "stopping", "reason": reason}:
                stopping = reason
                failed = event.get("host")
            case {"event": "finished", "time": time_, "outcome": outcome, "codes": codes}:
                finished = Finished(outcome=outcome, codes=codes, time=time_)
    return Status(
        alive=alive,
        started=started,
        stopping=stopping,
        failed=failed,
        finished=finished,
        message="" if alive or finished else _last_words(folder),
    )


def _last_events(folder: Path) -> list[dict[str, Any]]:
    try:
        lines = (folder / "events.jsonl").read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    events: list[dict[str, Any]] = []
    for line in lines:
        with contextlib.suppress(ValueError):  # cut off by the death of its writer, or empty
            event = json.loads(line)
            events = [event] if event["event"] == "launched" else [*events, event]
    return events


def _last_words(folder: Path) -> str:
    try:
        text = (folder / "supervisor.log").read_text("utf-8", "replace")
    except FileNotFoundError:
        return ""
    return text[-_MESSAGE_LIMIT:].strip()


def stop(folder: Path) -> bool:
    """Ask the supervisor to stop its hosts; False if there is none. Returns at once."""
    try:
        control = os.open(folder / "control", os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.ENOENT):
            return False
        raise
    try:
        os.write(control, b"stop\n")
    except BrokenPipeError:
        return False
    finally:
        os.close(control)
    return True


def sweep(folder: Path) -> None:
    """End whatever a dead supervisor left running; those of a living one are left alone.

    Raises:
        LocalServiceError: a killed process does not end.
    """
    if not folder.exists():
        return
    with _one_at_a_time(folder):
        if not held(folder / "lock"):
            _end_leftovers(folder)


def _end_leftovers(folder: Path) -> None:
    if not (folder / "spec.json").exists():
        return  # nothing was ever launched
    marker = json.loads((folder / "spec.json").read_bytes())["marker"]
    deadline = time.monotonic() + _KILL_PATIENCE
    while pids := _marked(marker):
        if time.monotonic() > deadline:
            raise LocalServiceError(f"processes {pids} of {folder} were killed and do not end")
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)


def _marked(marker: str) -> list[int]:
    if Path("/proc/self/environ").exists():
        return supervisor.leftovers(marker)
    return marked_by_ps(marker)


def marked_by_ps(marker: str) -> list[int]:
    """Return the processes of this user that carry the marker, by ``ps``: for want of /proc."""
    listing = subprocess.run(
        ["ps", "axeww", "-o", "pid=,stat=,command="], capture_output=True, check=True
    ).stdout
    wanted = f"{supervisor.MARKER_VARIABLE}={marker}".encode()
    processes = (line.split() for line in listing.splitlines() if wanted in line.split())
    return [int(pid) for pid, state, *_ in processes if not state.startswith(b"Z")]


def log_line(path: Path, text: str) -> None:
    """Append ``text`` to a log, made if need be; each of its lines is stamped with the time."""
    stamp = int(time.time() * 1000)
    lines = "".join(f"{stamp} {line}\n" for line in text.rstrip("\n").split("\n"))
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, lines.encode("utf-8", "replace"))
    finally:
        os.close(descriptor)


def read_log(path: Path, offset: int = 0, limit: int = 10_000) -> tuple[list[tuple[int, str]], int]:
    """Return whole lines from byte ``offset`` on, and the offset after them.

    Each line is (milliseconds since the epoch, text). At most ``limit`` lines and about 1 MiB come
    at once: read on until none comes. A missing file has no lines.
    """
    lines: list[tuple[int, str]] = []
    stamp = 0
    end = offset + _READ_LIMIT
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        return lines, offset
    with stream:
        stream.seek(offset)
        while len(lines) < limit and offset < end:
            line = stream.readline()
            if not line.endswith(b"\n"):
                break  # still being written
            offset += len(line)
            head, _, text = line[:-1].partition(b" ")
            if head.isdigit():
                stamp = int(head)
            else:
                text = line[:-1]  # its beginning did not reach a full disk
            lines.append((stamp, text.decode("utf-8", "replace")))
    return lines, offset


def exit_text(code: int) -> str:
    """An exit code as a shell has it, and what is known of the signal that it stands for.

    Args:
        code: of a process; -N is signal N.
    """
    shown = code if code >= 0 else 128 - code
    try:
        name = signal.Signals(shown - 128).name
    except ValueError:
        return str(shown)
    hint = "; this machine's memory may have run out" if name == "SIGKILL" else ""
    return f"{shown} ({name}{hint})"
