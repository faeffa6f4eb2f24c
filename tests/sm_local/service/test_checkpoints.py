"""Folders that are kept in S3."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from sm_local.home import Home
from sm_local.service.channels import DownloadError
from sm_local.service.checkpoints import CheckpointFolder, below_base
from sm_local.service.checks import S3Location
from sm_local.service.context import Context
from sm_local.service.errors import ServiceError
from sm_local.service.objects import Objects


@pytest.fixture
def objects(tmp_path: Path) -> Iterator[Objects]:
    context = Context.open(Home(tmp_path / "home").create(), port=1)
    context.objects.create_bucket("data")
    yield context.objects
    context.database.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "kept").mkdir()
    return tmp_path / "kept"


def stored(objects: Objects) -> dict[str, bytes]:
    found = {}
    for info in objects.list("data"):
        _, file = objects.open("data", info.key)
        with file:
            found[info.key] = file.read()
    return found


def test_only_what_has_settled_is_saved(objects: Objects, folder: Path) -> None:
    kept = CheckpointFolder(objects, folder, S3Location("data", "p/"))
    (folder / "sub").mkdir()
    (folder / "sub" / "a").write_bytes(b"1")
    assert kept.save(settled=True) == 0
    (folder / "sub" / "a").write_bytes(b"12")
    assert kept.save(settled=True) == 0
    assert kept.save(settled=True) == 1
    assert stored(objects) == {"p/sub/a": b"12"}
    assert kept.save(settled=False) == 0
    (folder / "b").write_bytes(b"2")
    (folder / "sub" / "a").unlink()
    assert kept.save(settled=False) == 1
    assert stored(objects) == {"p/b": b"2", "p/sub/a": b"12"}


def test_what_was_restored_is_not_saved_again(objects: Objects, folder: Path) -> None:
    objects.put_bytes("data", "p/sub/a", b"1")
    objects.put_bytes("data", "p/dir/", b"")
    objects.put_bytes("data", "px", b"another prefix")
    kept = CheckpointFolder(objects, folder, S3Location("data", "p"))
    assert kept.restore() == 1
    assert (folder / "sub" / "a").read_bytes() == b"1"
    assert kept.save(settled=False) == 0


def test_links_lead_nowhere(objects: Objects, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "key").write_text("secret")
    (folder / "file").symlink_to(tmp_path / "secrets" / "key")
    (folder / "folder").symlink_to(tmp_path / "secrets")
    kept = CheckpointFolder(objects, folder, S3Location("data", ""))
    assert kept.save(settled=False) == 0
    aside = tmp_path / "aside"
    folder.rename(aside)
    folder.symlink_to(tmp_path / "secrets")
    assert kept.save(settled=False) == 0
    assert stored(objects) == {}


def test_keys_that_would_leave_the_folder(objects: Objects, folder: Path) -> None:
    objects.put_bytes("data", "p/../../x", b"1")
    with pytest.raises(DownloadError, match="is no path below"):
        CheckpointFolder(objects, folder, S3Location("data", "p")).restore()


def test_where_checkpoints_may_lie() -> None:
    assert below_base("/opt/ml/checkpoints/") == PurePosixPath("checkpoints")
    assert below_base("/opt/ml/a/b") == PurePosixPath("a/b")
    for path in ("/opt/ml", "/opt/ml/model", "/opt/ml/a/../../x", "/tmp/x", "checkpoints"):
        with pytest.raises(ServiceError, match="is not available"):
            below_base(path)
