"""The interpreter that a framework needs is found, or the error says how to get it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from sm_local import interpreters
from sm_local.environmentspec import EnvironmentFailed
from sm_local.interpreters import find_python, is_in_range

RUNNING = ".".join(map(str, sys.version_info[:3]))


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which PATH, uv and pyenv have no Python; only the running one is there."""
    for name in ("PATH", "PYENV_ROOT", "HOME", "UV_PYTHON_INSTALL_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
        (tmp_path / name.lower()).mkdir()
    monkeypatch.setenv("UV_PYTHON_PREFERENCE", "only-managed")
    return tmp_path


def python(path: Path, version: str, comment: str = "") -> Path:
    """Write a program that answers like an interpreter of that version."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{comment}\necho {version.replace('.', ' ')} {path}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("range", [f"=={RUNNING}", ">=3.10", ">=3, !=3.9.*", ""])
def test_the_running_one_comes_first(nowhere: Path, range: str) -> None:
    python(nowhere / "path" / f"python3.{sys.version_info.minor}", RUNNING)
    assert find_python(range) == Path(os.path.realpath(sys.executable))


def test_the_newest_on_path(nowhere: Path) -> None:
    python(nowhere / "path" / "python3.7", "3.7.4")
    newest = python(nowhere / "path" / "python3.8", "3.8.1")
    python(nowhere / "path" / "python3", "3.6.1")
    assert find_python("<3.9") == newest
    assert find_python("<3.7") == nowhere / "path" / "python3"


def test_what_does_not_work_is_passed_over(nowhere: Path) -> None:
    python(nowhere / "path" / "python3.8", "3.8.1", "exit 127")
    python(nowhere / "path" / "python3.7", "not a version")
    (nowhere / "path" / "python3.6").write_text("no program")
    (nowhere / "path" / "python3.6").chmod(0o755)
    other = python(nowhere / "path" / "python3.5", "3.4.9")
    assert find_python("<3.9") == other


def test_a_build_without_the_interpreter_lock_does_not_count(nowhere: Path) -> None:
    path = python(nowhere / "path" / "python3.8", "3.8.1")
    path.write_text("#!/bin/sh\necho '3 8 1 '\n")
    with pytest.raises(EnvironmentFailed, match=r"no Python <3\.9 was found"):
        find_python("<3.9")


def test_the_newest_of_pyenv(nowhere: Path) -> None:
    versions = nowhere / "pyenv_root" / "versions"
    python(versions / "3.8.9" / "bin" / "python3.8", "3.8.9")
    newest = python(versions / "3.8.10" / "bin" / "python3.8", "3.8.10")
    python(versions / "my environment" / "bin" / "python3.8", "3.8.11")
    assert find_python("==3.8.*") == newest


def test_shims_of_pyenv_are_not_asked(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shims = nowhere / "pyenv_root" / "shims"
    python(shims / "python3.8", "3.8.1")
    monkeypatch.setenv("PATH", str(shims))
    with pytest.raises(EnvironmentFailed):
        find_python("<3.9")


def test_one_that_was_uninstalled_is_not_offered_again(nowhere: Path) -> None:
    first = python(nowhere / "path" / "python3.8", "3.8.1")
    second = python(nowhere / "path" / "python3.7", "3.7.1")
    assert find_python("<3.9") == first
    first.unlink()
    assert find_python("<3.9") == second


@pytest.mark.parametrize(
    ("range", "advice"),
    [
        (">=3.6,<3.9", "uv python install 3.8"),
        (">=3.29", "uv python install 3.29"),
        (">=3.9,<3.9", "there cannot be one"),
    ],
)
def test_none_is_found(nowhere: Path, range: str, advice: str) -> None:
    with pytest.raises(EnvironmentFailed, match=f"{RUNNING}.*{advice}"):
        find_python(range)


@pytest.mark.parametrize("range", ["3.10", ">=3.10 <3.12", "=>3.10", ">=3.10rc1", ">=3.10.*", "x"])
def test_bad_ranges(nowhere: Path, range: str) -> None:
    with pytest.raises(EnvironmentFailed, match=r"range of Python versions|go with"):
        find_python(range)


CLAUSES = st.builds(
    "{}{}".format,
    st.sampled_from(["==", "!=", "<=", ">=", "<", ">", "~="]),
    st.sampled_from(["3.8", "3.9", "3.9.0", "3.9.5", "3.10", "3.10.0.1"]),
) | st.sampled_from(["==3.9.*", "!=3.9.*", "==3.*", "!=3.10.4.*"])


@given(
    st.lists(CLAUSES, max_size=3).map(",".join),
    st.tuples(st.just(3), st.integers(7, 11), st.integers(0, 7)),
)
def test_ranges_mean_what_they_mean_to_pip(range: str, version: tuple[int, ...]) -> None:
    expected = SpecifierSet(range).contains(".".join(map(str, version)))
    assert is_in_range(version, range) == expected


@pytest.mark.integ
@pytest.mark.parametrize("minor", range(10, 14))
def test_on_this_machine(minor: int) -> None:
    try:
        found = find_python(f"==3.{minor}.*")
    except EnvironmentFailed:
        pytest.skip(f"no Python 3.{minor} here")
    release = interpreters._probe(found)
    assert release is not None
    assert release[0][:2] == (3, minor)
