"""Locks on files: who holds them, and that they end with their holder."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sm_local.locks import free, held, locked, take


def test_a_missing_file_is_held_by_nobody(tmp_path: Path) -> None:
    assert not held(tmp_path / "lock")
    assert not (tmp_path / "lock").exists()


def test_take_until_closed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    descriptor = take(path, timeout=0)
    assert descriptor is not None
    assert held(path)
    assert take(path, timeout=0.05) is None
    assert not free(path, timeout=0.05)
    os.close(descriptor)
    assert free(path, timeout=0)
    assert path.stat().st_mode & 0o777 == 0o600


def test_two_who_look_at_once_see_no_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    seen: list[bool] = []
    threads = [
        threading.Thread(target=lambda: seen.extend(held(path) for _ in range(200)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 800
    assert not any(seen)


def test_locked_waits_for_the_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    order: list[str] = []
    inside = threading.Event()

    def second() -> None:
        inside.wait()
        with locked(path):
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with locked(path):
        inside.set()
        assert not free(path, timeout=0.05)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert not held(path)


@pytest.mark.integ
def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    program = (
        "import sys, pathlib, sm_local.locks as locks\n"
        "locks.take(pathlib.Path(sys.argv[1]), 0)\n"
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert held(path)
        holder.kill()
    assert free(path, timeout=20)
