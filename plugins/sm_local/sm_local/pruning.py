"""The environments of a home: what there is, which are in use, and getting rid of the others."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from sm_local import processes
from sm_local.environments import MARKER, lock_file
from sm_local.home import Home

__all__ = ["BuiltEnvironment", "built_environments", "prune"]


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
    markers = home.environments.glob(f"*/{MARKER}")
    found = [each for marker in markers if (each := _described(marker, running)) is not None]
    return sorted(found, key=lambda each: each.used, reverse=True)


def _described(marker: Path, running: Sequence[str]) -> BuiltEnvironment | None:
    """The environment that has this marker; None if it is just being removed.

    Args:
        marker: its path.
        running: the arguments of everything that runs.
    """
    folder = marker.parent
    # By its own name alone: the folder of the home may have several.
    inside = f"/{folder.parent.name}/{folder.name}/"
    try:
        facts = json.loads(marker.read_bytes())
        used = marker.stat().st_mtime
        size = _size(folder)
        with _locked(folder) as free:
            leased = not free
    except FileNotFoundError:
        return None
    return BuiltEnvironment(
        folder=folder,
        what=facts.get("what", "unknown"),
        python=facts["python"],
        size=size,
        used=used,
        in_use=leased or any(inside in argument for argument in running),
    )


def prune(home: Home, *, unused_seconds: float) -> list[BuiltEnvironment]:
    """Remove environments that nobody asked for in that time and that are not in use; these.

    What was left of builds that broke off goes, too. What is needed again is built again. Blocks.
    """
    removed = []
    for each in built_environments(home):
        if each.in_use or time.time() - each.used < unused_seconds:
            continue
        with _locked(each.folder) as free:
            # Somebody may have asked for it since it was looked at.
            if free and _used(each.folder) == each.used:
                # The marker goes first: what is left of a removal that breaks off is no
                # environment.
                (each.folder / MARKER).unlink()
                shutil.rmtree(each.folder)
                removed.append(each)
    for folder in home.environments.glob("*/"):
        with _locked(folder) as free:
            if free and _used(folder) is None:
                shutil.rmtree(folder, ignore_errors=True)
    return removed


def _used(folder: Path) -> float | None:
    """When somebody last asked for an environment; None if it is not complete."""
    try:
        return (folder / MARKER).stat().st_mtime
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Keep others from asking for an environment meanwhile; False if somebody builds or wants it.

    Whoever asks for it waits, and builds it anew.
    """
    with lock_file(folder).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


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
