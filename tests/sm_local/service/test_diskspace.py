"""What is written again once there is room for it."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
from pathlib import Path

import pytest

from sm_local.service import diskspace
from sm_local.service.diskspace import full_disk_note, once_there_is_room

FULL = [
    OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
    sqlite3.OperationalError("database or disk is full"),
]


def test_it_is_tried_until_there_is_room(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(diskspace, "_PAUSE", 0)
    errors, made_room = list(FULL), []

    async def write() -> str:
        if errors:
            raise errors.pop()
        return "written"

    answer = asyncio.run(once_there_is_room(write, lambda: made_room.append(1), name="job"))
    assert answer == "written"
    assert len(made_room) == len(FULL)
    assert [record.getMessage() for record in caplog.records] == [
        "job waits until there is room on the disk: database or disk is full"
    ]


def test_other_errors_are_not_waited_for() -> None:
    async def write() -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with pytest.raises(sqlite3.OperationalError, match="I/O"):
        asyncio.run(once_there_is_room(write, lambda: None, name="job"))


def test_a_note_where_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert full_disk_note(tmp_path) == ""
    monkeypatch.setattr(diskspace, "_FULL", 1 << 80)
    assert "No space left on device" in full_disk_note(tmp_path)
