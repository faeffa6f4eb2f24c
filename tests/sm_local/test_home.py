"""The home: names, modes, the key pair, and the folders it refuses."""

from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sm_core.errors import LocalServiceError
from sm_local.home import HOME_VARIABLE, Home, network_filesystem, write_private

MOUNTS = """\
/dev/vda1 / ext4 rw,relatime 0 0
proc /proc proc rw 0 0
server:/home /home nfs4 rw,vers=4.2 0 0
/dev/vdb1 /home/ann ext4 rw 0 0
//nas/share /mnt/my\\040share cifs rw 0 0
user@host: /mnt/remote fuse.sshfs rw 0 0
tmpfs /mnt/remote/tmp tmpfs rw 0 0
/dev/vdc1 /twice nfs rw 0 0
/dev/vdc1 /twice ext4 rw 0 0
broken
"""


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_default_is_the_named_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "x" / ".." / "home"))
    assert Home.default().path == tmp_path / "home"


def test_default_without_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(HOME_VARIABLE, "")
    assert Home.default().path == tmp_path / ".sm" / "local"


def test_without_a_home_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOME_VARIABLE, "~nobody-has-this-name/local")
    with pytest.raises(LocalServiceError, match=f"name a folder .* in {HOME_VARIABLE}"):
        Home.default()


def test_create_makes_private_folders(tmp_path: Path) -> None:
    home = Home(tmp_path / "a" / "home").create()
    names = {"blobs", "environments", "wheels", "jobs", "endpoints"}
    assert {folder.name for folder in home.path.iterdir()} == names
    for folder in (home.path, *home.path.iterdir()):
        assert mode(folder) == 0o700
    home.create()


def test_an_empty_open_folder_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir(mode=0o755)
    Home(folder).create()
    assert mode(folder) == 0o700


def test_an_open_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir(mode=0o755)
    (folder / "notes.txt").touch()
    with pytest.raises(LocalServiceError, match=f"chmod 700 {folder}"):
        Home(folder).create()
    assert mode(folder) == 0o755


def test_a_file_in_the_place_of_the_home(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LocalServiceError, match=HOME_VARIABLE):
        Home(tmp_path / "file").create()


def test_credentials_are_made_once_and_private(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with ThreadPoolExecutor(8) as pool:
        pairs = set(pool.map(lambda _: Home(home.path).credentials(), range(16)))
    assert len(pairs) == 1
    assert mode(home.credentials_json) == 0o600
    pair = pairs.pop()
    assert len(pair.access_key_id) == 20
    assert len(pair.secret_access_key) == 40
    assert pair.secret_access_key not in repr(pair)
    assert [path.name for path in home.path.iterdir() if path.is_file()] == ["credentials.json"]


@pytest.mark.parametrize("text", ["", "[]", json.dumps({"access_key_id": "A"})])
def test_broken_credentials_say_what_to_do(tmp_path: Path, text: str) -> None:
    home = Home(tmp_path / "home").create()
    home.credentials_json.write_text(text)
    with pytest.raises(LocalServiceError, match="delete the file"):
        home.credentials()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/root/.sm/local", None),
        ("/home/bob/.sm/local", "nfs4"),
        ("/home/ann/.sm/local", None),
        ("/homework", None),
        ("/mnt/my share/x", "cifs"),
        ("/mnt/remote/x", "fuse.sshfs"),
        ("/mnt/remote/tmp/x", None),
        ("/twice/x", None),
    ],
)
def test_network_filesystem(path: str, kind: str | None) -> None:
    assert network_filesystem(Path(path), MOUNTS) == kind


def test_write_private_leaves_one_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_private(path, b"one")
    write_private(path, b"two")
    assert path.read_bytes() == b"two"
    assert mode(path) == 0o600
    assert [found.name for found in tmp_path.iterdir()] == ["file"]
