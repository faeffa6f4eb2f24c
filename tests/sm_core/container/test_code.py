"""The user's code: fetched, unpacked without leaving its folder, imported."""

from __future__ import annotations

import io
import os
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import pytest

from sm_core.container.code import fetch_code, import_script, use_code
from sm_core.errors import SourceError


def archive(path: Path, *members: tarfile.TarInfo, data: bytes = b"x = 1\n") -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for member in members:
            if member.isfile():
                member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def test_an_archive_is_unpacked(tmp_path: Path) -> None:
    packed = archive(
        tmp_path / "a.tar.gz",
        member("train.py"),
        member("lib/helper.py"),
        member("lib/again.py", tarfile.LNKTYPE, "train.py"),
        member("link.py", tarfile.SYMTYPE, "lib/helper.py"),
        member("lib/up.py", tarfile.SYMTYPE, "../train.py"),
    )
    code = tmp_path / "code"
    fetch_code(str(packed), code)
    for name in ("train.py", "lib/helper.py", "lib/again.py", "link.py", "lib/up.py"):
        assert (code / name).read_text(encoding="utf-8") == "x = 1\n"


@pytest.mark.parametrize(
    "members",
    [
        [member("../evil.py")],
        [member("/tmp/evil.py")],
        [member("lib/../../evil.py")],
        [member("out", tarfile.SYMTYPE, "..")],
        [member("out", tarfile.SYMTYPE, "/etc")],
        [member("out", tarfile.LNKTYPE, "../secret")],
        [member("pipe", tarfile.FIFOTYPE)],
        [member("device", tarfile.CHRTYPE)],
        # A link that is harmless where it stands, and not where a second one leads.
        [
            member("a/b", tarfile.SYMTYPE, "../.."),
            member("n", tarfile.SYMTYPE, "a/b/../.."),
            member("n/evil.py"),
        ],
        [member("a", tarfile.SYMTYPE, "."), member("n", tarfile.SYMTYPE, "a/.."), member("n/e")],
    ],
)
def test_nothing_leaves_the_folder(members: list[tarfile.TarInfo], tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    code = tmp_path / "deep" / "code"
    code.mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    packed = archive(tmp_path / "deep" / "a.tar.gz", *members)
    with pytest.raises(SourceError, match=r"cannot unpack the code archive a\.tar\.gz"):
        fetch_code(str(packed), code)
    assert sorted(tmp_path.rglob("*")) == sorted([*before, packed])


@hypothesis.given(st.binary(max_size=300))
def test_what_is_no_archive_is_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / "a.tar.gz").write_bytes(data)
    with pytest.raises(SourceError, match=r"cannot unpack the code archive a\.tar\.gz"):
        fetch_code(str(folder / "a.tar.gz"), folder / "code")


def test_a_folder_or_a_file_is_copied(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "lib").mkdir(parents=True)
    (source / "train.py").touch()
    (source / "lib" / "helper.py").touch()
    fetch_code(str(source), tmp_path / "one")
    assert (tmp_path / "one" / "lib" / "helper.py").is_file()
    fetch_code(str(source / "train.py"), tmp_path / "two")
    assert os.listdir(tmp_path / "two") == ["train.py"]


def test_code_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "train.py").touch()
    fetch_code("s3://nowhere/at-all.tar.gz", tmp_path)
    fetch_code(None, tmp_path / "absent")
    assert not (tmp_path / "absent").exists()


def test_no_code_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no code at '/no/such/place'"):
        fetch_code("/no/such/place", tmp_path / "code")


@pytest.fixture
def interpreter(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Import path, modules, variables and working directory as they were, afterwards."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    before, modules = Path.cwd(), set(sys.modules)
    yield
    os.chdir(before)
    for name in set(sys.modules) - modules:
        del sys.modules[name]


@pytest.mark.usefixtures("interpreter")
def test_a_script_is_imported_whatever_its_name(tmp_path: Path) -> None:
    code = tmp_path / "code"
    (code / "deep").mkdir(parents=True)
    (code / "helper_of_script.py").write_text("value = 3", encoding="utf-8")
    (code / "deep" / "helper_beside_script.py").write_text("other = 4", encoding="utf-8")
    script = (
        "from helper_of_script import value\nfrom helper_beside_script import other\nme = __name__"
    )
    (code / "deep" / "mxnet-train.py").write_text(script, encoding="utf-8")
    use_code(code, tmp_path)
    module = import_script(code, "deep/mxnet-train.py")
    assert (module.value, module.other, module.me) == (3, 4, "mxnet-train")
    assert sys.modules["mxnet-train"] is module
    assert os.environ["PYTHONPATH"] == f"{code}{os.pathsep}/elsewhere"
    assert Path.cwd() == code


@pytest.mark.usefixtures("interpreter")
def test_an_exception_of_the_script_passes_and_leaves_no_half_module(tmp_path: Path) -> None:
    (tmp_path / "broken_script.py").write_text("1 / 0", encoding="utf-8")
    with pytest.raises(ZeroDivisionError):
        import_script(tmp_path, "broken_script")
    assert "broken_script" not in sys.modules


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("absent.py", r"no entry point 'absent\.py' in .*; it holds: json\.py"),
        ("json.py", "hides Python's module 'json'; rename it"),
    ],
)
def test_a_script_that_cannot_be_imported(program: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "json.py").touch()
    with pytest.raises(SourceError, match=reason):
        import_script(tmp_path, program)
