"""Folders of several hosts, put together."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sm_local.service.merging import merge


def write(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def read(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_other_names_are_added_and_the_first_file_stays(tmp_path: Path) -> None:
    first = write(tmp_path / "1", {"a": "1", "sub/b": "1"})
    second = write(tmp_path / "2", {"a": "2", "sub/b": "2", "sub/c": "2", "d/e": "2"})
    third = write(tmp_path / "3", {"d/e": "3", "f": "3"})
    assert merge([first, second, third]) == ["a", "d/e", "sub/b"]
    assert read(first) == {"a": "1", "sub/b": "1", "sub/c": "2", "d/e": "2", "f": "3"}


def test_it_can_be_done_again(tmp_path: Path) -> None:
    first = write(tmp_path / "1", {"a": "1"})
    second = write(tmp_path / "2", {"a": "2", "b": "2"})
    assert merge([first, second]) == merge([first, second]) == ["a"]
    assert read(first) == {"a": "1", "b": "2"}


def test_folders_that_are_missing(tmp_path: Path) -> None:
    second = write(tmp_path / "2", {"a": "2"})
    assert merge([tmp_path / "1", second, tmp_path / "3"]) == []
    assert read(tmp_path / "1") == {"a": "2"}


def test_a_file_where_another_host_has_a_folder(tmp_path: Path) -> None:
    first = write(tmp_path / "1", {"a": "1"})
    second = write(tmp_path / "2", {"a/b": "2"})
    assert merge([first, second]) == ["a"]
    assert read(first) == {"a": "1"}


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside", {"kept": "outside"})
    first = write(tmp_path / "1", {})
    (first / "sub").symlink_to(outside)
    second = write(tmp_path / "2", {"sub/kept": "2", "sub/new": "2"})
    (second / "link").symlink_to(outside)
    assert merge([first, second]) == ["sub"]
    assert read(outside) == {"kept": "outside"}
    assert (first / "link").is_symlink()


def test_folders_that_nobody_may_write_to(tmp_path: Path) -> None:
    first = write(tmp_path / "1", {"sub/a": "1"})
    second = write(tmp_path / "2", {"sub/b": "2"})
    (first / "sub").chmod(0o500)
    (second / "sub").chmod(0o500)
    assert merge([first, second]) == []
    assert read(first) == {"sub/a": "1", "sub/b": "2"}


NAMES = st.sets(st.sampled_from(["a", "b", "c", "x/a", "x/b", "y/z/a"]))


@given(hosts=st.lists(NAMES, min_size=2, max_size=4))
def test_every_name_is_there_once_from_the_first_host_that_has_it(
    tmp_path_factory: pytest.TempPathFactory, hosts: list[set[str]]
) -> None:
    root = tmp_path_factory.mktemp("hosts")
    folders = [
        write(root / str(number), dict.fromkeys(names, str(number)))
        for number, names in enumerate(hosts)
    ]
    clashes = merge(folders)
    expected: dict[str, str] = {}
    for number, names in enumerate(hosts):
        for name in names:
            expected.setdefault(name, str(number))
    assert read(folders[0]) == expected
    assert clashes == sorted(name for name in expected if sum(name in names for names in hosts) > 1)
