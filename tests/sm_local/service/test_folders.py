"""Folders that others have filled."""

from __future__ import annotations

import os
from pathlib import Path

from sm_local.service.folders import remove_tree


def test_read_only_folders_go_too(tmp_path: Path) -> None:
    inner = tmp_path / "tree" / "inner"
    inner.mkdir(parents=True)
    (inner / "file").write_text("x")
    inner.chmod(0o000)
    (tmp_path / "tree").chmod(0o500)
    remove_tree(tmp_path / "tree")
    assert not (tmp_path / "tree").exists()


def test_links_are_removed_and_not_followed(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir(mode=0o500)
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "link").symlink_to(kept)
    (tmp_path / "link").symlink_to(kept)
    remove_tree(tmp_path / "tree")
    remove_tree(tmp_path / "link")
    assert not (tmp_path / "link").is_symlink()
    assert kept.stat().st_mode & 0o777 == 0o500


def test_a_pipe_is_removed_and_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    remove_tree(tmp_path / "pipe")
    assert not (tmp_path / "pipe").exists()


def test_nothing_to_remove(tmp_path: Path) -> None:
    remove_tree(tmp_path / "absent")
