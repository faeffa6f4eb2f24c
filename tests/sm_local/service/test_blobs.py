"""Blobs: files that are there whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from contextlib import closing
from pathlib import Path

import pytest

from sm_local.service.blobs import Blobs, copy_bytes
from sm_local.service.wire import BLOCK

DATA = bytes(range(256)) * 5000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def blobs(folder: Path) -> Blobs:
    return Blobs(folder)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_what_is_written_and_finished_is_there(blobs: Blobs, folder: Path) -> None:
    with closing(blobs.writer()) as writer:
        writer.write(DATA[:1000])
        writer.write(DATA[1000:])
        blob = writer.finish()
    path = blobs.path(blob.name)
    assert path.read_bytes() == DATA
    assert (blob.size, blob.md5) == (len(DATA), hashlib.md5(DATA).hexdigest())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert files(folder) == [path]


def test_what_is_not_finished_is_gone(blobs: Blobs, folder: Path) -> None:
    with closing(blobs.writer()) as writer:
        writer.write(DATA)
        assert files(folder)
    assert files(folder) == []


def test_a_file_is_copied(blobs: Blobs, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(DATA)
    blob = blobs.take(source, move=False)
    source.write_bytes(b"changed")
    assert blobs.path(blob.name).read_bytes() == DATA
    assert blob.md5 == hashlib.md5(DATA).hexdigest()


def test_a_file_is_moved(blobs: Blobs, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(DATA)
    source.chmod(0o644)
    inode = source.stat().st_ino
    blob = blobs.take(source, move=True)
    path = blobs.path(blob.name)
    assert not source.exists()
    assert path.stat().st_ino == inode
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (blob.size, blob.md5) == (len(DATA), hashlib.md5(DATA).hexdigest())


def test_a_file_with_another_name_is_not_shared(blobs: Blobs, tmp_path: Path) -> None:
    source, other = tmp_path / "source", tmp_path / "other"
    source.write_bytes(DATA)
    other.hardlink_to(source)
    blob = blobs.take(source, move=True)
    other.write_bytes(b"changed")
    assert not source.exists()
    assert blobs.path(blob.name).read_bytes() == DATA


def test_a_symbolic_link_is_followed(blobs: Blobs, tmp_path: Path) -> None:
    source, link = tmp_path / "source", tmp_path / "link"
    source.write_bytes(DATA)
    link.symlink_to(source)
    blob = blobs.take(link, move=True)
    assert source.exists()
    assert not link.is_symlink()
    assert not blobs.path(blob.name).is_symlink()
    assert blobs.path(blob.name).read_bytes() == DATA


def test_a_file_of_another_file_system_is_copied(
    blobs: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    source.write_bytes(DATA)
    rename = Path.rename

    def refuse(path: Path, target: Path) -> Path:
        if path == source:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse)
    blob = blobs.take(source, move=True)
    assert not source.exists()
    assert blobs.path(blob.name).read_bytes() == DATA


def test_a_missing_file_leaves_nothing(blobs: Blobs, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        blobs.take(tmp_path / "missing", move=False)
    assert files(folder) == []


def test_a_sweep_leaves_only_what_is_in_use(blobs: Blobs, folder: Path) -> None:
    kept, lost = (blobs.writer() for _ in range(2))
    kept.write(b"kept")
    lost.write(b"lost")
    used, unused = kept.finish(), lost.finish()
    torn = blobs.writer()
    torn.write(b"torn")
    # As after a kill: the next service has the folder, and nobody closes the writer before.
    assert Blobs(folder).sweep({used.name}) == 2
    torn.close()
    assert files(folder) == [blobs.path(used.name)]
    assert not blobs.path(unused.name).exists()


def test_removing_twice_is_no_error(blobs: Blobs) -> None:
    with closing(blobs.writer()) as writer:
        blob = writer.finish()
    blobs.remove(blob.name)
    blobs.remove(blob.name)


@pytest.mark.parametrize("error", [None, errno.EXDEV, errno.ENOSYS])
def test_bytes_are_copied_to_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int | None
) -> None:
    def refuse(*_: object) -> int:
        assert error is not None
        raise OSError(error, os.strerror(error))

    if error is not None:
        monkeypatch.setattr(os, "copy_file_range", refuse)
    data = DATA + b"x" * BLOCK
    (tmp_path / "source").write_bytes(data)
    with (
        (tmp_path / "source").open("rb", buffering=0) as source,
        (tmp_path / "target").open("wb", buffering=0) as target,
    ):
        assert copy_bytes(source, target) == len(data)
        source.seek(0)
        assert copy_bytes(source, target) == len(data)
    assert (tmp_path / "target").read_bytes() == data * 2
