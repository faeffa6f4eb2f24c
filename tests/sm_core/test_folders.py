"""Walking a user's folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sm_core.errors import InputError, SourceError
from sm_core.folders import check_holds_data, files_below


def names(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in files_below(folder, error=InputError)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "b" / "c").mkdir(parents=True)
    for name in ("z.txt", "b/y.txt", "b/c/x.txt", "a.txt"):
        (root / name).write_text(name)
    return root


def test_files_come_by_name_with_those_of_folders_below(folder: Path) -> None:
    assert names(folder) == ["a.txt", "b/c/x.txt", "b/y.txt", "z.txt"]


def test_links_are_followed(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "w.txt").write_text("w")
    (folder / "link").symlink_to(other)
    (folder / "again").symlink_to(other)
    (folder / "file").symlink_to(other / "w.txt")
    assert names(folder)[1:3] == ["again/w.txt", "b/c/x.txt"]
    assert {"link/w.txt", "file"} <= set(names(folder))


@pytest.mark.parametrize(("at", "to"), [("loop", "."), ("b/loop", ".."), ("b/c/loop", "../../b")])
def test_a_link_to_a_folder_that_contains_it_is_an_error(folder: Path, at: str, to: str) -> None:
    (folder / at).symlink_to(to)
    with pytest.raises(InputError, match=rf"{at} is a link to a folder that contains it"):
        names(folder)


def test_links_to_each_other_are_an_error(folder: Path) -> None:
    (folder / "d").mkdir()
    (folder / "d" / "to_b").symlink_to("../b")
    (folder / "b" / "to_d").symlink_to("../d")
    with pytest.raises(InputError, match="a link to a folder that contains it"):
        names(folder)


@pytest.mark.parametrize("to", ["nowhere", "broken"])
def test_a_link_that_leads_nowhere_is_an_error_of_the_wanted_kind(folder: Path, to: str) -> None:
    (folder / "broken").symlink_to(to)
    with pytest.raises(SourceError, match=rf"broken is a link to {to}, which does not exist"):
        list(files_below(folder, error=SourceError))


def test_what_is_skipped_is_not_looked_at(folder: Path) -> None:
    (folder / "b" / "broken").symlink_to("nowhere")
    left = files_below(folder, error=InputError, skip=lambda path, _: path.name == "b")
    assert [path.name for path in left] == ["a.txt", "z.txt"]


def test_a_pipe_is_left_out(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    assert "pipe" not in names(folder)


def test_data_to_upload_must_be_there(folder: Path, tmp_path: Path) -> None:
    check_holds_data(folder)
    check_holds_data(folder / "a.txt")
    with pytest.raises(InputError, match=r"absent does not exist; looked at /.*/absent"):
        check_holds_data(tmp_path / "absent")
    (tmp_path / "empty" / "folder").mkdir(parents=True)
    with pytest.raises(InputError, match="empty holds no file"):
        check_holds_data(tmp_path / "empty")
