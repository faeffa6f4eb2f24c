"""Folders for Unix sockets."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from sm_local.service.sockets import SOCKET_PATH_LIMIT, new_socket, remove_socket


@pytest.mark.parametrize("runtime", ["", "short", "long" * 40, "missing", "relative"])
def test_a_socket_has_a_short_path_in_a_private_folder(
    runtime: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / runtime
    if runtime not in ("", "missing"):
        folder.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime if runtime in ("", "relative") else str(folder))
    path = new_socket()
    try:
        assert len(os.fsencode(path)) < SOCKET_PATH_LIMIT
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert not path.exists()
        path.touch()
    finally:
        remove_socket(path)
    assert not path.parent.exists()


def test_only_its_own_folders_are_removed(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    remove_socket(tmp_path / "other" / "http")
    assert (tmp_path / "other").exists()
