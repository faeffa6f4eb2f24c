"""Archives round-trip, and nothing that is in one can reach outside its folder."""

from __future__ import annotations

import errno
import gzip
import io
import os
import shutil
import socket
import stat
import tarfile
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sm_core.archives import pack, unpack
from sm_core.errors import ArchiveError


def member(name: str, **fields: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def symlink(name: str, target: str) -> tarfile.TarInfo:
    return member(name, type=tarfile.SYMTYPE, linkname=target)


def hard_link(name: str, target: str) -> tarfile.TarInfo:
    return member(name, type=tarfile.LNKTYPE, linkname=target)


def archive_of(path: Path, members: Iterable[tarfile.TarInfo], content: bytes = b"x") -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for info in members:
            if info.isreg():
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            else:
                tar.addfile(info)
    return path


def listing(folder: Path) -> dict[str, str | bytes | None]:
    found: dict[str, str | bytes | None] = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = os.readlink(path)
        else:
            found[name] = path.read_bytes() if path.is_file() else None
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "folder"
    path.mkdir()
    return path


def test_round_trip(folder: Path, tmp_path: Path) -> None:
    (folder / "code" / "empty").mkdir(parents=True)
    (folder / "code" / "train.py").write_text("print('ä')")
    (folder / "run.sh").write_text("#!/bin/sh")
    (folder / "run.sh").chmod(0o700)
    (folder / "latest").symlink_to("code/train.py")
    os.link(folder / "run.sh", folder / "twin.sh")
    os.utime(folder / "run.sh", (1_500_000_000, 1_500_000_000))

    pack(folder, tmp_path / "a.tar.gz")
    unpack(tmp_path / "a.tar.gz", tmp_path / "out")

    assert listing(tmp_path / "out") == listing(folder)
    assert os.access(tmp_path / "out" / "run.sh", os.X_OK)
    assert not os.access(tmp_path / "out" / "code" / "train.py", os.X_OK)
    assert (tmp_path / "out" / "run.sh").stat().st_mtime == 1_500_000_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar.gz", "folder", "out"]


def test_pack_stores_paths_relative_and_names_nobody(folder: Path, tmp_path: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "model.params").write_bytes(b"1")
    pack(folder, tmp_path / "a.tar.gz")
    with tarfile.open(tmp_path / "a.tar.gz") as tar:
        assert tar.getnames() == ["sub", "sub/model.params"]
        assert {(info.uid, info.gid, info.uname, info.gname) for info in tar} == {(0, 0, "", "")}


def test_pack_makes_links_that_unpack_takes(folder: Path, tmp_path: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "file").write_bytes(b"file")
    (folder / "sub" / "absolute").symlink_to(folder / "file")
    (folder / "sub" / "roundabout").symlink_to(f"../../{folder.name}/file")
    (folder / "sub" / "self").symlink_to(".")

    pack(folder, tmp_path / "a.tar.gz")
    unpack(tmp_path / "a.tar.gz", tmp_path / "out")

    assert listing(tmp_path / "out") == {
        "file": b"file",
        "sub": None,
        "sub/absolute": "../file",
        "sub/roundabout": "../file",
        "sub/self": ".",
    }


def test_a_link_to_a_file_with_two_names_costs_neither_its_content(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "epoch-9.params").write_bytes(b"weights")
    os.link(folder / "epoch-9.params", folder / "model.params")
    (folder / "best.params").symlink_to("epoch-9.params")

    pack(folder, tmp_path / "a.tar.gz")
    unpack(tmp_path / "a.tar.gz", tmp_path / "out")

    assert listing(tmp_path / "out") == {
        "best.params": "epoch-9.params",
        "epoch-9.params": b"weights",
        "model.params": b"weights",
    }


def test_pack_leaves_out_what_cannot_be_packed(
    folder: Path,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    archive = tmp_path_factory.mktemp("elsewhere") / "a.tar.gz"
    outside = tmp_path_factory.mktemp("outside")
    (outside / "data").write_bytes(b"data")
    (folder / "file").symlink_to(outside / "data")
    (folder / "through").symlink_to("elsewhere/data")
    (folder / "elsewhere").symlink_to(outside)
    (folder / "model").write_bytes(b"1")
    (folder / "broken").symlink_to("nowhere")
    (folder / "loop").symlink_to("loop")
    (folder / "up").symlink_to(tmp_path)
    os.mkfifo(folder / "fifo")
    warnings: list[str] = []
    with socket.socket(socket.AF_UNIX) as server:
        here = os.open(folder, os.O_RDONLY)
        try:
            server.bind(f"/proc/self/fd/{here}/socket")
            pack(folder, archive, warn=warnings.append)
        finally:
            os.close(here)
    assert warnings == [
        "broken is a broken link or no file, and is not packed",
        "elsewhere leads outside its folder, and is not packed",
        "fifo is a broken link or no file, and is not packed",
        "file leads outside its folder, and is not packed",
        "loop is a broken link or no file, and is not packed",
        "socket is a broken link or no file, and is not packed",
        "through leads outside its folder, and is not packed",
        "up leads outside its folder, and is not packed",
    ]
    with tarfile.open(archive) as tar:
        assert tar.getnames() == ["model"]


@pytest.mark.parametrize("kind", ["link", "file"])
def test_pack_takes_no_link_for_a_folder(kind: str, folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "place"
    if kind == "link":
        place.symlink_to(folder)
    else:
        place.touch()
    with pytest.raises(ArchiveError, match="place is a link or a file, not a folder"):
        pack(place, tmp_path / "a.tar.gz")
    assert not (tmp_path / "a.tar.gz").exists()


def test_a_failed_pack_leaves_the_old_archive(folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(b"old")
    with pytest.raises(FileNotFoundError):
        pack(folder / "missing", archive)
    assert archive.read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar.gz", "folder"]


@pytest.mark.parametrize(
    "members",
    [
        pytest.param([member("/etc/x")], id="absolute"),
        pytest.param([member("../x")], id="parent"),
        pytest.param([member("a/../../x")], id="parent further in"),
        pytest.param([symlink("a", "/etc")], id="absolute link"),
        pytest.param([symlink("a", "../x")], id="link to parent"),
        pytest.param([symlink("d/a", "../../x")], id="link above"),
        pytest.param([symlink("a", "."), symlink("b", "a/..")], id="link through a link"),
        pytest.param([symlink("b", "a/.."), symlink("a", ".")], id="link through a later link"),
        pytest.param([symlink("a", "a")], id="link to itself"),
        pytest.param([symlink("a", "b"), symlink("b", "a")], id="links in a circle"),
        pytest.param([symlink("a", "b"), member("a/x")], id="file below a link"),
        pytest.param([symlink("a", "b"), member("a/c/x")], id="file far below a link"),
        pytest.param([member("a/x"), symlink("a", "b")], id="link in a folder's place"),
        pytest.param([member("a"), member("a/x")], id="file below a file"),
        pytest.param([member("a/x"), member("a")], id="file in a folder's place"),
        pytest.param([hard_link("a", "/etc/passwd")], id="absolute hard link"),
        pytest.param([hard_link("a", "../../etc/passwd")], id="hard link to parent"),
        pytest.param([hard_link("a", "missing")], id="hard link to nothing"),
        pytest.param([symlink("a", "b"), hard_link("c", "a")], id="hard link to a link"),
        pytest.param([member("a"), hard_link("a", "a")], id="hard link to itself"),
        pytest.param([member("a", type=tarfile.CHRTYPE)], id="character device"),
        pytest.param([member("a", type=tarfile.BLKTYPE)], id="block device"),
        pytest.param([member("a", type=tarfile.FIFOTYPE)], id="pipe"),
        pytest.param([member(".")], id="file without a name"),
        pytest.param([member("n" * 300)], id="name too long"),
        pytest.param([member("a", pax_headers={"path": "a\0b"})], id="zero byte"),
        pytest.param([member("a", pax_headers={"mtime": "nan"})], id="time that is none"),
        pytest.param([member("a", pax_headers={"size": "-1000"})], id="negative size"),
    ],
)
def test_refused(members: list[tarfile.TarInfo], tmp_path: Path) -> None:
    archive = archive_of(tmp_path / "a.tar.gz", members)
    with pytest.raises(ArchiveError, match=r"a\.tar\.gz"):
        unpack(archive, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar.gz"]


def test_taken(tmp_path: Path) -> None:
    members = [
        member("./", type=tarfile.DIRTYPE),
        member("./d//x"),
        symlink("d/up", "../d/x"),
        symlink("dangling", "nothing"),
        hard_link("twin", "d/x"),
        symlink("replaced", "nothing"),
        member("replaced"),
        member("d/x"),
    ]
    unpack(archive_of(tmp_path / "a.tar.gz", members), tmp_path / "new" / "out")
    assert listing(tmp_path / "new" / "out") == {
        "d": None,
        "d/up": "../d/x",
        "d/x": b"x",
        "dangling": "nothing",
        "replaced": b"x",
        "twin": b"x",
    }


def test_set_user_id_and_strange_modes_are_dropped(tmp_path: Path) -> None:
    members = [
        member("d", type=tarfile.DIRTYPE, mode=0o7777),
        member("d/s", mode=0o7777),
        member("d/unreadable", mode=0o000),
    ]
    unpack(archive_of(tmp_path / "a.tar.gz", members), tmp_path / "out")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("out/**/*")}
    umask = os.umask(0)
    os.umask(umask)
    assert modes == {"d": 0o755 & ~umask, "s": 0o755 & ~umask, "unreadable": 0o644 & ~umask}


def test_the_folder_must_be_empty(folder: Path, tmp_path: Path) -> None:
    archive = archive_of(tmp_path / "a.tar.gz", [member("x")])
    unpack(archive, folder)
    assert listing(folder) == {"x": b"x"}
    with pytest.raises(ArchiveError, match="not empty"):
        unpack(archive, folder)


def test_a_volume_in_the_folder_s_place_is_filled(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = archive_of(tmp_path / "a.tar.gz", [member("d/x"), symlink("d/y", "x")])
    replace = Path.replace

    def mounted(self: Path, target: Path) -> Path:
        """As the kernel answers for a mount point."""
        if target == folder:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", mounted)
    unpack(archive, folder)
    assert listing(folder) == {"d": None, "d/x": b"x", "d/y": "x"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar.gz", "folder"]


def test_more_than_the_disk_holds(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    with gzip.open(path, "wb") as stream:
        stream.write(member("big", size=1 << 60).tobuf())
    with pytest.raises(ArchiveError, match=r"'big' has 1,152,921,504,606,846,976 bytes"):
        unpack(path, tmp_path / "out")


@pytest.mark.parametrize("keep", [0, 1, 15, 40, 120, -9, -1])
def test_truncated(tmp_path: Path, keep: int) -> None:
    content = os.urandom(100_000)
    archive = archive_of(tmp_path / "a.tar.gz", [member("a"), member("b")], content)
    archive.write_bytes(archive.read_bytes()[:keep])
    with pytest.raises(ArchiveError, match="damaged"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"PK\x03\x04 not at all", id="another format"),
        pytest.param(gzip.compress(b"no tar inside" * 100), id="no tar"),
        pytest.param(gzip.compress(b""), id="nothing"),
        pytest.param(gzip.compress(member("a").tobuf()[:300]), id="half a header"),
        pytest.param(gzip.compress(member("a", size=9).tobuf() + b"1234"), id="half a member"),
        pytest.param(gzip.compress(member("a").tobuf() + b"garbage" * 100), id="damage within"),
        pytest.param(gzip.compress(member("L", type=b"L", size=1 << 40).tobuf()), id="huge name"),
        pytest.param(gzip.compress(member("L", type=b"L").tobuf() * 5000), id="names without end"),
        pytest.param(gzip.compress(bytes(1024))[:-8] + bytes(8), id="wrong checksum"),
        pytest.param(gzip.compress(bytes(80_000_000), 9), id="zeros without end"),
    ],
)
def test_no_archive(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.tar.gz").write_bytes(data)
    with pytest.raises(ArchiveError, match=r"a\.tar\.gz is damaged"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "out")


def test_uncompressed_tar(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w") as tar:
        tar.addfile(member("a"))
    with pytest.raises(ArchiveError, match=r"no tar\.gz archive"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "out")


def test_many_aligned_files_are_read_once(tmp_path: Path) -> None:
    # Their sizes are such that a careless reader would rewind and decompress from the start again.
    members = [member(f"{number:04}") for number in range(1500)]
    archive = archive_of(tmp_path / "a.tar.gz", members, bytes(16_384))
    begin = time.process_time()
    unpack(archive, tmp_path / "out")
    assert time.process_time() - begin < 10
    assert len(list((tmp_path / "out").iterdir())) == 1500


_PARTS = st.sampled_from(["a", "b", "c", "..", ".", "", "a\0", "/"])
_NAMES = st.lists(_PARTS, min_size=1, max_size=4).map("/".join)
_MEMBERS = st.builds(
    member,
    _NAMES,
    type=st.sampled_from(
        [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE]
    ),
    linkname=_NAMES,
    mode=st.integers(0, 0o7777),
)


def test_a_link_to_no_name_is_refused(tmp_path: Path) -> None:
    archive = archive_of(tmp_path / "a.tar.gz", [member("a", type=tarfile.SYMTYPE, linkname="")])
    with pytest.raises(ArchiveError, match="the link 'a' leads to no name"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@given(st.lists(_MEMBERS, max_size=8))
def test_nothing_leaves_the_folder(members: list[tarfile.TarInfo]) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "canary").write_bytes(b"alive")
        archive = archive_of(root / "a.tar.gz", members)
        try:
            unpack(archive, root / "above" / "out")
        except ArchiveError:
            assert list((root / "above").iterdir()) == []
        else:
            for path in (root / "above" / "out").rglob("*"):
                assert Path(os.path.realpath(path)).is_relative_to(root / "above" / "out")
                assert not path.lstat().st_mode & 0o7022 or path.is_symlink()
        shutil.rmtree(root / "above", ignore_errors=True)
        assert listing(root) == {"canary": b"alive", "a.tar.gz": archive.read_bytes()}


@given(st.data())
def test_damage_is_an_error_or_harmless(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for info in (member("ä" * 60), symlink("l" * 120, "ä" * 120), member("z")):
                info.size = 700 if info.isreg() else 0
                archive.addfile(info, io.BytesIO(bytes(info.size)))
        damaged = bytearray(tar.getvalue())
        for _ in range(data.draw(st.integers(1, 6))):
            damaged[data.draw(st.integers(0, 6000))] = data.draw(st.integers(0, 255))
        (root / "a.tar.gz").write_bytes(gzip.compress(bytes(damaged)))
        try:
            unpack(root / "a.tar.gz", root / "out")
        except ArchiveError:
            assert [path.name for path in root.iterdir()] == ["a.tar.gz"]
