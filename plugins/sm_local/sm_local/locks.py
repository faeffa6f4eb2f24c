"""Locks on files (flock): they end with the process that holds them, however it ends."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["free", "held", "locked", "take"]

#: Seconds between two looks at a lock that somebody else holds.
_PAUSE = 0.01


def held(path: Path) -> bool:
    """Whether some process holds the lock on `path`; a missing file is held by nobody."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        # A shared lock, so that several who look at once do not take each other for the holder.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def free(path: Path, timeout: float) -> bool:
    """Wait until nobody holds the lock on `path`; False if it is held after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while held(path):
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE)
    return True


def take(path: Path, timeout: float) -> int | None:
    """The descriptor that holds the lock on `path` until it is closed.

    The file is made if it is missing. None if somebody else holds it for `timeout` seconds.
    """
    descriptor = _open(path)
    deadline = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                return None
        time.sleep(_PAUSE)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock on `path` inside the ``with`` block, waiting for it as long as it takes."""
    descriptor = _open(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
