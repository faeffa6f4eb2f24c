"""What is left out of the code: git's own rules, by git's own word."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sm_core.errors import SourceError
from sm_core.folders import files_below
from sm_core.ignorefiles import IgnoreRules

Tree = dict[str, str]


def plant(folder: Path, tree: Tree) -> Path:
    for name, text in tree.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return folder


def kept(folder: Path) -> list[str]:
    found = files_below(folder, error=SourceError, skip=IgnoreRules(folder).leaves_out)
    return sorted(path.relative_to(folder).as_posix() for path in found)


@pytest.mark.parametrize(
    ("tree", "left"),
    [
        ({"a.py": "", "a.log": "", ".gitignore": "*.log"}, ["a.py"]),
        ({"a.py": "", ".git/config": "", ".env": "", ".env.local": "", "k.pem": ""}, ["a.py"]),
        ({"a.py": "", "d/.venv/b.py": "", "d/__pycache__/c.pyc": "", "d/id_rsa": ""}, ["a.py"]),
        ({"a.py": "", ".ENV": "", "K.PEM": "", "ID_RSA": "", "d/.AWS/x": ""}, ["a.py"]),
        ({"a.py": "", "kaggle.json": "", ".bash_history": "", "x.Jks": ""}, ["a.py"]),
        # A virtual environment of any name.
        ({"a.py": "", "mine/pyvenv.cfg": "", "mine/lib/x.py": ""}, ["a.py"]),
        # A nearer file decides; what is below a folder that is left out does not come back.
        (
            {".gitignore": "*.csv", "d/.gitignore": "!x.csv", "d/x.csv": "", "x.csv": ""},
            ["d/x.csv"],
        ),
        ({".gitignore": "d/\n!d/x.csv", "d/x.csv": "", "a": ""}, ["a"]),
        ({".gitignore": "d/*\n!d/x.csv", "d/x.csv": "", "d/y.csv": ""}, ["d/x.csv"]),
        # .sagemakerignore has the last word, on names and on all of git's files.
        ({".sagemakerignore": "!.env\n!*.pem", ".env": "", "k.pem": ""}, [".env", "k.pem"]),
        ({".gitignore": "!.env", ".env": "", "a": ""}, ["a"]),
        (
            {".gitignore": "*.bin", ".sagemakerignore": "!w.bin", "w.bin": "", "v.bin": ""},
            ["w.bin"],
        ),
        (
            {".sagemakerignore": "*.bin", "d/.gitignore": "!w.bin", "d/w.bin": "", "a": ""},
            ["a"],
        ),
        ({"d/.sagemakerignore": "/x", "d/x": "", "x": "", "d/e/x": ""}, ["d/e/x", "x"]),
    ],
)
def test_what_is_left_out(tree: Tree, left: list[str], tmp_path: Path) -> None:
    assert kept(plant(tmp_path, tree)) == left


def test_ignore_files_above_count_within_the_repository(tmp_path: Path) -> None:
    tree = {
        ".gitignore": "*.x",
        "repository/.git/HEAD": "",
        "repository/.gitignore": "*.log\n/src/data",
        "repository/src/a.py": "",
        "repository/src/a.log": "",
        "repository/src/a.x": "",
        "repository/src/data/b.py": "",
    }
    plant(tmp_path, tree)
    assert kept(tmp_path / "repository" / "src") == ["a.py", "a.x"]
    (tmp_path / "link").symlink_to("repository/src")
    assert kept(tmp_path / "link") == ["a.py", "a.x"]


@pytest.mark.parametrize("ignored", ["build/", "/build/gen", "gen", "*"])
def test_a_folder_that_is_ignored_as_a_whole_is_meant_nevertheless(
    ignored: str, tmp_path: Path
) -> None:
    tree = {".git/HEAD": "", ".gitignore": ignored, "build/gen/a.py": "", "build/gen/b.log": ""}
    plant(tmp_path, {**tree, "build/gen/.gitignore": "*.log"})
    assert kept(tmp_path / "build" / "gen") == ["a.py"]


def test_a_link_to_a_folder_is_left_out_like_a_folder(tmp_path: Path) -> None:
    plant(tmp_path, {"code/.gitignore": "d/", "code/a": "", "elsewhere/b": ""})
    (tmp_path / "code" / "d").symlink_to(tmp_path / "elsewhere")
    assert kept(tmp_path / "code") == ["a"]


def test_a_broken_link_that_is_left_out_does_no_harm(tmp_path: Path) -> None:
    plant(tmp_path, {".gitignore": "gone", "a": ""})
    (tmp_path / "gone").symlink_to("nowhere")
    assert kept(tmp_path) == ["a"]


def test_a_reason_names_file_line_and_pattern(tmp_path: Path) -> None:
    plant(tmp_path, {".gitignore": "# data\n*.csv\n", "a.csv": ""})
    reason = IgnoreRules(tmp_path).reason
    assert reason(tmp_path / "a.csv", False) == f"{tmp_path}/.gitignore, line 2: '*.csv'"
    assert reason(tmp_path / "a.py", False) is None
    assert reason(tmp_path / ".env", False) == (
        "'.env' is never uploaded unless .sagemakerignore says '!.env'"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_ignore_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    plant(tmp_path, {".gitignore": "", "a": ""})
    (tmp_path / ".gitignore").chmod(0)
    with pytest.raises(SourceError, match=r"cannot read .*\.gitignore: Permission denied"):
        kept(tmp_path)


# By git's word

_NAMES = st.sampled_from(
    [
        *("a", "b", "ab", "x.py", "x", "bx", "A", "\u00e4"),
        *("!x", "#c", "x ", "a b", "-", "]", "[a]"),
    ]
)
_PIECES = st.sampled_from(
    [
        *"ab*?/!#[]x-^\\. \u00e4",
        *("**", "/**/", "**/", "/**", "*.py", "\\ "),
        *("[ab]", "[!a]", "[]-]", "[a-c]", "[b-a]", "[\\]]", "[[:alpha:]]", "[[:nothing:]]"),
    ]
)
_BEGINNINGS = st.sampled_from(["", "!", "/", "**/"])
_PATTERNS = st.one_of(
    st.lists(_PIECES, min_size=1, max_size=5).map("".join),
    st.builds("{}{}{}".format, _BEGINNINGS, _NAMES, st.sampled_from(["", "/", " "])),
)
_IGNORE_FILE = st.lists(_PATTERNS, max_size=4).map("\n".join)
_PATHS = st.lists(_NAMES, min_size=1, max_size=3).map("/".join)


def disjoint(paths: list[str]) -> list[str]:
    """Those that can exist side by side: none is a folder of another."""
    return [path for path in paths if not any(each.startswith(f"{path}/") for each in paths)]


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    paths = disjoint(draw(st.lists(_PATHS, max_size=8, unique=True)))
    folders = sorted({"", *("/".join(path.split("/")[:-1]) for path in paths)})
    tree = dict.fromkeys(paths, "")
    for folder in folders:
        if draw(st.booleans()):
            tree[f"{folder}/.gitignore".lstrip("/")] = draw(_IGNORE_FILE)
    return tree


def kept_by_git(folder: Path, git_dir: Path) -> list[str]:
    command = ["git", f"--git-dir={git_dir}", f"--work-tree={folder}", "ls-files", "-z", "--others"]
    listed = subprocess.run(
        [*command, "--exclude-per-directory=.gitignore"],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "HOME": "/nonexistent"},
        capture_output=True,
        check=True,
    )
    return sorted(os.fsdecode(name) for name in listed.stdout.split(b"\0") if name)


@pytest.fixture(scope="module")
def git_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    folder = tmp_path_factory.mktemp("git")
    subprocess.run(["git", "init", "--quiet", "--bare", str(folder)], check=True)
    subprocess.run(["git", "-C", str(folder), "config", "core.bare", "false"], check=True)
    return folder


@given(tree=trees())
def test_git_keeps_the_same_files(git_dir: Path, tree: Tree) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = plant(Path(name), tree)
        ours = [path for path in kept(folder) if not path.endswith(".gitignore")]
        theirs = [path for path in kept_by_git(folder, git_dir) if not path.endswith(".gitignore")]
        assert ours == theirs
