"""The environments of a home: what there is, which are in use, and getting rid of the others."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import attrs

from sm_local import processes
from sm_local.environments import MARKER
from sm_local.home import Home

__all__ = ["BuiltEnvironment", "built_environments", "prune"]

#: Seconds for which an environment counts as in use after a job or endpoint has asked for it: the
#: time between that and the start of the process.
_JUST_ASKED_FOR = 600.0


@attrs.frozen(kw_only=True)
class BuiltEnvironment:
    """One environment.

    Attributes:
        folder: where it lies; its name is the key of its content.
        what: framework and version.
        python: interpreter that it was made with.
        size: bytes.
        used: when a job or endpoint last asked for it, seconds since the epoch.
        in_use: a job or model server runs in it, or is about to.
    """

    folder: Path
    what: str
    python: str
    size: int
    used: float
    in_use: bool


def built_environments(home: Home) -> list[BuiltEnvironment]:
    """All complete environments, the one that was used last first. Blocks."""
    running = list(_running_commands(home))
    found = []
    for marker in home.environments.glob(f"*/{MARKER}"):
        folder = marker.parent
        facts = json.loads(marker.read_bytes())
        used = marker.stat().st_mtime
        inside = f"{folder.absolute()}/"
        found.append(
            BuiltEnvironment(
                folder=folder,
                what=facts.get("what", "unknown"),
                python=facts["python"],
                size=_size(folder),
                used=used,
                in_use=time.time() - used < _JUST_ASKED_FOR
                or any(argument.startswith(inside) for argument in running),
            )
        )
    return sorted(found, key=lambda each: each.used, reverse=True)


def prune(home: Home, *, unused_seconds: float) -> list[BuiltEnvironment]:
    """Remove environments that nobody asked for in that time and that are not in use; these.

    What is needed again is built again. Blocks.
    """
    removed = []
    for each in built_environments(home):
        if each.in_use or time.time() - each.used < unused_seconds:
            continue
        # The lock that builders hold: whoever asks for it now waits, and builds it anew.
        lock = os.open(each.folder.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # The marker goes first: what is left of a removal that breaks off is no environment.
            (each.folder / MARKER).unlink(missing_ok=True)
            shutil.rmtree(each.folder)
        finally:
            os.close(lock)
        removed.append(each)
    return removed


def _running_commands(home: Home) -> Iterator[str]:
    """The arguments of everything that runs under the home's supervisors."""
    for spec in (*home.jobs.glob("*/spec.json"), *home.endpoints.glob("*/*/spec.json")):
        if processes.status(spec.parent).alive:
            for host in json.loads(spec.read_bytes())["hosts"]:
                yield from host["command"]


def _size(folder: Path) -> int:
    return sum(
        Path(root, name).lstat().st_size for root, _, names in os.walk(folder) for name in names
    )
