"""Start, watch and stop the supervisor of a job's or an instance's folder.

Every function takes the folder; none keeps anything in memory, so that any process of this user can
call them, and a new service goes on where the last one ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import attrs

__all__ = [
    "Finished",
    "HostProcess",
    "Status",
    "launch",
    "log_line",
    "read_log",
    "status",
    "stop",
    "sweep",
]

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
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path
    log: Path


@attrs.frozen(kw_only=True)
class Finished:
    """How a supervisor's work ended.

    Attributes:
        outcome: ``completed`` (every host exited with 0), ``failed``, ``stopped``, ``max_runtime``.
        codes: exit code of each host; -N is signal N; 126 and 127: it could not be started.
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
        finished: None while alive, and for ever if the supervisor was killed.
        message: the supervisor's own words when it could not do its work.
    """

    alive: bool
    started: float | None = None
    stopping: str | None = None
    finished: Finished | None = None
    message: str = ""


def launch(
    folder: Path, hosts: Sequence[HostProcess], *, max_runtime: int | None, grace: int
) -> None:
    """Start a supervisor for ``hosts`` and return when it holds the folder's lock.

    Args:
        folder: of the job or instance; must exist.
        hosts: at least one.
        max_runtime: seconds after which the hosts are stopped; None for no limit.
        grace: seconds between SIGTERM and SIGKILL.

    Raises:
        LocalServiceError: no supervisor runs; the message is the supervisor's own.
    """
    raise NotImplementedError


def status(folder: Path) -> Status:
    """Return what is known about the folder's last launch."""
    raise NotImplementedError


def stop(folder: Path) -> bool:
    """Ask the supervisor to stop its hosts; False if there is none. Returns at once."""
    raise NotImplementedError


def sweep(folder: Path) -> None:
    """End whatever a dead supervisor left running; those of a living one are left alone."""
    raise NotImplementedError


def log_line(path: Path, text: str) -> None:
    """Append ``text`` to a log, each of its lines stamped with the time."""
    raise NotImplementedError


def read_log(path: Path, offset: int = 0, limit: int = 10_000) -> tuple[list[tuple[int, str]], int]:
    """Return up to ``limit`` whole lines from byte ``offset`` on, and the offset after them.

    Each line is (milliseconds since the epoch, text). A missing file has no lines.
    """
    raise NotImplementedError
