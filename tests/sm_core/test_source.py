"""The user's code: found, listed, packed the same way each time."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sm_core.archives import unpack
from sm_core.errors import SourceError
from sm_core.source import Source

#: SHA-256 of the tar of one script, ``train.py``.
TRAIN_PY = "5d976cdb415b5bae8134eef62dce7ccb6a47132355cd28024ebac84183baafef"


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
    assert list(members(source.archive().data)) == ["train.py"]


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
    packed = members(source.archive().data)
    assert list(packed) == list(listed)
    assert {name: member.size for name, member in packed.items()} == {
        name: file.size for name, file in listed.items()
    }
    assert packed["run.sh"].mode == 0o755
    assert packed["train.py"].mode == 0o644
    assert listed["run.sh"].executable
    assert listed["lib/util.py"].path == code / "lib" / "util.py"


def test_the_same_files_make_the_same_bytes(code: Path, tmp_path: Path) -> None:
    before = Source.locate("train.py", "code").archive()
    copy = tmp_path / "elsewhere" / "copy"
    old = os.umask(0o077)
    try:
        # In another order, at another time, with other permissions.
        for path in sorted(code.rglob("*"), reverse=True):
            target = copy / path.relative_to(code)
            (target if path.is_dir() else target.parent).mkdir(parents=True, exist_ok=True)
            if path.is_file():
                target.write_bytes(path.read_bytes())
                target.chmod(0o700 if path.stat().st_mode & 0o100 else 0o600)
                os.utime(target, (0, 0))
    finally:
        os.umask(old)
    again = Source.locate("train.py", copy).archive()
    assert again == before
    assert again.sha256 == hashlib.sha256(before.data).digest()
    (copy / "train.py").write_text("changed")
    assert Source.locate("train.py", copy).archive() != before


def test_the_bytes_do_not_change_from_release_to_release(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("print('ä')\n", encoding="utf-8")
    packed = gzip.decompress(Source.locate(script).archive().data)
    assert hashlib.sha256(packed).hexdigest() == TRAIN_PY


@given(
    st.dictionaries(
        st.text(
            st.characters(exclude_characters="/\0", exclude_categories=["Cs"]),
            min_size=1,
            max_size=20,
        )
        .map(lambda name: f"f{name}")
        .filter(lambda name: len(name.encode()) < 200),
        st.binary(max_size=100),
        max_size=5,
    )
)
def test_any_names_and_contents_arrive(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, out = Path(name, "in"), Path(name, "out")
        folder.mkdir()
        (folder / "a.py").touch()
        for each, content in files.items():
            (folder / each).write_bytes(content)
        listed = Source.locate("a.py", folder).listing()
        Path(name, "a.tar.gz").write_bytes(Source.locate("a.py", folder).archive().data)
        unpack(Path(name, "a.tar.gz"), out)
        expected = {file.name: file.path.read_bytes() for file in listed}
        assert {path.name: path.read_bytes() for path in out.iterdir()} == expected
        assert set(expected) >= {each for each in files if each.isalnum()}


def test_ignore_files_are_honoured(code: Path) -> None:
    (code / ".gitignore").write_text("*.csv\n")
    (code / "data" / ".gitignore").write_text("!keep.csv\n")
    (code / "data" / "keep.csv").touch()
    (code / ".sagemakerignore").write_text("lib/\n!server.pem\n")
    names = [file.name for file in Source.locate("train.py", "code").listing()]
    assert names == ["data/keep.csv", "keys/server.pem", "run.sh", "train.py"]
    with pytest.raises(SourceError) as caught:
        Source.locate("lib/util.py", "code")
    assert "'lib/util.py' would not be uploaded: " in str(caught.value)
    assert str(caught.value).endswith("code/.sagemakerignore, line 1: 'lib/'")


# Dependencies


@pytest.mark.parametrize("source_dir", [None, "code"])
def test_dependencies_lie_beside_the_code(
    code: Path, tmp_path: Path, source_dir: str | None
) -> None:
    package = tmp_path / "libs" / "common"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "inner" / "x.py").touch()
    (package / "x.pyc").touch()
    (package / ".sagemakerignore").write_text("*.md")
    (package / "README.md").touch()
    (tmp_path / "requirements.txt").write_text("attrs")
    entry = "train.py" if source_dir else code / "train.py"
    source = Source.locate(entry, source_dir, ["libs/common", tmp_path / "requirements.txt"])
    names = [file.name for file in source.listing()]
    own = ["data/x.csv", "lib/util.py", "run.sh"] if source_dir else []
    beside = ["common/__init__.py", "common/inner/x.py", "requirements.txt"]
    assert names == sorted([*own, *beside, "train.py"])
    assert list(members(source.archive().data)) == names


def test_a_dependency_has_the_name_of_what_its_path_leads_to(
    code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(code / "lib")
    (code / "main.py").touch()
    source = Source.locate("../main.py", None, ["."])
    assert [file.name for file in source.listing()] == ["lib/util.py", "main.py"]


@pytest.mark.parametrize(
    ("source_dir", "dependencies", "message"),
    [
        (None, ["nowhere"], "dependency 'nowhere' does not exist; looked at /"),
        (None, "code", "dependencies is 'code'; give a list of paths"),
        (None, ["/"], "dependency '/' is the whole disk"),
        ("s3://b/c.tar.gz", ["code"], "dependencies cannot be put beside source_dir 's3://b/c.tar"),
    ],
)
def test_dependencies_that_cannot_be(
    code: Path, source_dir: str | None, dependencies: list[str], message: str
) -> None:
    with pytest.raises(SourceError) as caught:
        Source.locate("code/train.py", source_dir, dependencies)
    assert message in str(caught.value)


def test_two_things_of_one_name_are_refused(code: Path, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    with pytest.raises(SourceError, match="dependency 'lib' would lie beside the code as 'lib'"):
        Source.locate("train.py", "code", ["lib"]).listing()
    with pytest.raises(SourceError, match="another file or folder of that name"):
        Source.locate("code/train.py", None, ["lib", "code/lib"]).listing()


# What is missing, and what is too much


def test_a_requirements_txt_that_is_not_uploaded_is_a_warning(code: Path) -> None:
    (code / "requirements.txt").write_text("attrs")
    text = r"requirements\.txt is not uploaded, and so not installed: dependencies= or source_dir="
    with pytest.warns(UserWarning, match=text) as caught:
        Source.locate("code/train.py").archive()
    assert caught[0].filename == __file__
    Source.locate("code/train.py", None, ["code/requirements.txt"]).archive()
    Source.locate("train.py", "code").archive()
    (code / ".gitignore").write_text("*.txt")
    with pytest.warns(UserWarning, match=r"not installed: \.sagemakerignore can change that"):
        Source.locate("train.py", "code").archive()


def test_much_code_is_a_warning_that_names_the_biggest_files(code: Path) -> None:
    source = Source.locate("train.py", "code")
    with (code / "data" / "weights.bin").open("wb") as stream:
        stream.truncate(60 * 2**20)
    text = r"is 62\.9 MB in 5 files; the biggest: data/weights\.bin \(62\.9 MB\)\. A \.sagemakerig"
    with pytest.warns(UserWarning, match=text) as caught:
        source.archive()
    assert caught[0].filename == __file__
    with (code / "data" / "weights.bin").open("wb") as stream:
        stream.truncate(6 * 2**30)
    with pytest.raises(SourceError, match=r"6,442\.5 MB\).*S3 takes 5 GB in one piece"):
        source.archive()


def test_what_links_lead_to_is_packed(code: Path, tmp_path: Path) -> None:
    (tmp_path / "shared.py").write_text("shared")
    (code / "shared.py").symlink_to(tmp_path / "shared.py")
    source = Source.locate("shared.py", "code")
    assert members(source.archive().data)["shared.py"].isfile()


def test_an_archive_in_s3_is_left_there() -> None:
    source = Source.locate("pkg/train.py", "s3://bucket/code.tar.gz")
    assert source.uri == "s3://bucket/code.tar.gz"
    assert source.program == "pkg/train.py"
    assert source.listing() == []


@pytest.mark.parametrize("uri", ["s3://bucket/code/", "s3://code.tar.gz", "s3:///code.tar.gz"])
def test_an_archive_in_s3_is_one_file(uri: str) -> None:
    with pytest.raises(SourceError, match=rf"'{uri}' is no archive: in S3 it is one"):
        Source.locate("train.py", uri)


def test_code_is_known_again_where_it_was_uploaded(code: Path) -> None:
    for source in (Source.locate("code/train.py"), Source.locate("train.py", "code", ["code/lib"])):
        there = source.uploaded("s3://bucket/a")
        assert (there.uri, there.program, there.listing()) == ("s3://bucket/a", "train.py", [])


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
        (".venv/bin/python", "code", "would not be uploaded: '.venv' is never uploaded unless"),
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
