"""The user's code: found, listed, packed the same way each time."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from sm_core.errors import SourceError
from sm_core.source import Source


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source folder, with what should not be uploaded in it; also the working directory."""
    folder = tmp_path / "code"
    for name in (
        "train.py",
        "lib/util.py",
        "lib/__pycache__/util.cpython-311.pyc",
        ".git/config",
        ".env",
        "keys/server.pem",
        ".venv/bin/python",
        "data/x.csv",
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o750)
    monkeypatch.chdir(tmp_path)
    return folder


def members(archive: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        return {member.name: member for member in tar.getmembers()}


def test_a_script_alone(code: Path) -> None:
    source = Source.locate("code/train.py")
    assert source.program == "train.py"
    assert [file.name for file in source.listing()] == ["train.py"]
    assert list(members(source.archive())) == ["train.py"]


@pytest.mark.parametrize("entry", ["train.py", "./train.py", "lib/../train.py", "{code}/train.py"])
def test_a_script_in_a_folder(code: Path, entry: str) -> None:
    source = Source.locate(entry.format(code=code), "code")
    assert source.program == "train.py"


def test_paths_do_as_well_as_text(code: Path) -> None:
    assert Source.locate(code / "train.py").program == "train.py"
    assert Source.locate(Path("lib/util.py"), code).program == "lib/util.py"


def test_a_home_folder_is_found(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(code))
    assert Source.locate("~/train.py").program == "train.py"
    assert Source.locate("train.py", "~").program == "train.py"


def test_the_listing_is_what_is_packed_and_leaves_secrets_and_caches_out(code: Path) -> None:
    source = Source.locate("train.py", str(code))
    listed = {file.name: file for file in source.listing()}
    assert list(listed) == ["data/x.csv", "lib/util.py", "run.sh", "train.py"]
    packed = members(source.archive())
    assert list(packed) == list(listed)
    assert {name: member.size for name, member in packed.items()} == {
        name: file.size for name, file in listed.items()
    }
    assert packed["run.sh"].mode == 0o755
    assert packed["train.py"].mode == 0o644
    assert listed["run.sh"].executable
    assert listed["lib/util.py"].path == code / "lib" / "util.py"


def test_the_same_files_make_the_same_bytes(code: Path) -> None:
    source = Source.locate("train.py", "code")
    before = source.archive()
    for path in code.rglob("*.py"):
        os.utime(path, (0, 0))
    assert source.archive() == before
    (code / "train.py").write_text("changed")
    assert source.archive() != before


def test_what_links_lead_to_is_packed(code: Path, tmp_path: Path) -> None:
    (tmp_path / "shared.py").write_text("shared")
    (code / "shared.py").symlink_to(tmp_path / "shared.py")
    source = Source.locate("shared.py", "code")
    assert members(source.archive())["shared.py"].isfile()


def test_an_archive_in_s3_is_left_there() -> None:
    source = Source.locate("pkg/train.py", "s3://bucket/code.tar.gz")
    assert source.uri == "s3://bucket/code.tar.gz"
    assert source.program == "pkg/train.py"
    assert source.listing() == []


@pytest.mark.parametrize(
    ("entry_point", "source_dir", "message"),
    [
        ("absent.py", None, "entry_point 'absent.py' does not exist; looked at /"),
        ("code/absent.py", None, "; Python files there: train.py"),
        ("no/such/folder.py", None, "entry_point 'no/such/folder.py' does not exist"),
        ("code", None, "entry_point 'code' is a folder; give the script's name as entry_point"),
        ("", None, "entry_point '' is a folder"),
        ("train.py", "absent", "source_dir 'absent' does not exist; looked at /"),
        ("train.py", "code/train.py", "source_dir 'code/train.py' is a file"),
        ("absent.py", "code", "entry_point 'absent.py' is not in source_dir 'code': /"),
        ("code/train.py", "code", "entry_point is relative to source_dir"),
        ("lib", "code", "is a folder"),
        ("", "code", "is a folder"),
        ("../outside.py", "code", "entry_point '../outside.py' leads out of source_dir 'code'"),
        ("/etc/hostname", "code", "leads out of source_dir"),
        (".venv/bin/python", "code", "lies in '.venv', which is never uploaded"),
    ],
)
def test_code_that_is_not_there_is_named(
    code: Path, entry_point: str, source_dir: str | None, message: str
) -> None:
    (code.parent / "outside.py").write_text("")
    with pytest.raises(SourceError) as caught:
        Source.locate(entry_point, source_dir)
    assert message in str(caught.value)


def test_a_broken_link_is_named_before_anything_is_packed(code: Path) -> None:
    (code / "lib" / "gone.py").symlink_to("nowhere.py")
    with pytest.raises(SourceError, match=r"gone\.py is a link to nowhere\.py"):
        Source.locate("train.py", "code").listing()


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_cannot_be_read_is_named(code: Path) -> None:
    (code / "data" / "x.csv").chmod(0)
    with pytest.raises(SourceError, match=r"cannot read .*x\.csv: Permission denied"):
        Source.locate("train.py", "code").archive()


def test_a_file_that_has_gone_away_is_named(code: Path) -> None:
    source = Source.locate("code/train.py")
    (code / "train.py").unlink()
    with pytest.raises(SourceError, match=r"cannot read .*train\.py: No such file"):
        source.archive()
