"""Find a Python interpreter of the version that a framework needs."""

from __future__ import annotations

import builtins
import functools
import logging
import operator
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import uv

from sm_local.environmentspec import EnvironmentFailed

__all__ = ["find_python", "is_in_range"]

#: Printed by a candidate: its version and where it is. Builds without the interpreter lock have
#: packages of their own and do not count.
_PROBE = """
import sys, sysconfig
usable = sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED")
print(*sys.version_info[:3], sys.executable if usable else "")
"""
_PROBE_PATIENCE = 20  # seconds
_NEWEST_MINOR = 30
_CLAUSE = re.compile(r"(~=|==|!=|<=|>=|<|>)\s*(\d+(?:\.\d+)*)(\.\*)?")
_COMPARISONS: dict[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_logger = logging.getLogger(__name__)


def find_python(range: str) -> Path:
    """Return an interpreter whose version is in ``range``, as in ``Requires-Python``.

    The running one if it fits, else the newest on PATH, else one that ``uv`` finds without a
    download, else the newest of pyenv's.

    Raises:
        EnvironmentFailed: there is none, and the message says how to get one; or ``range`` cannot
            be read.
    """
    python = _search(range, os.environ.get("PATH", ""))
    if not python.exists():  # uninstalled since
        _search.cache_clear()
        python = _search(range, os.environ.get("PATH", ""))
    return python


@functools.lru_cache(maxsize=16)
def _search(range: str, path: str) -> Path:
    minors = _minors(range)
    for candidate in _candidates(range, minors, path):
        found = _probe(candidate)
        if found is not None and is_in_range(found[0], range):
            return found[1]
    if not minors:
        advice = "there cannot be one"
    elif minors[0] == _NEWEST_MINOR:  # an open range: its newest does not exist yet
        advice = f"run: uv python install 3.{minors[-1]}"
    else:
        advice = f"run: uv python install 3.{minors[0]}"
    raise EnvironmentFailed(
        f"no Python {range} was found: the running one is {platform.python_version()}, and none is "
        f"on PATH, managed by uv or in pyenv's folder; {advice}"
    )


def is_in_range(version: tuple[int, ...], range: str) -> bool:
    """Whether a release such as ``(3, 11, 4)`` is in a range such as ``>=3.10,<3.12``.

    Raises:
        EnvironmentFailed: it is no list of releases behind ``==``, ``!=``, ``<=``, ``>=``, ``<``,
            ``>`` or ``~=``.
    """
    return all(_satisfies(version, clause.strip()) for clause in range.split(",") if clause.strip())


def _satisfies(version: tuple[int, ...], clause: str) -> bool:
    match = _CLAUSE.fullmatch(clause)
    if match is None:
        raise EnvironmentFailed(f"{clause!r} is no clause of a range of Python versions")
    comparison, text, wildcard = match.groups()
    bound = tuple(int(part) for part in text.split("."))
    same_beginning = _padded(version)[: len(bound)] == bound
    if wildcard:
        if comparison not in ("==", "!="):
            raise EnvironmentFailed(f"{clause!r}: only == and != go with .*")
        return same_beginning == (comparison == "==")
    left, right = _padded(version), _padded(bound)
    if comparison == "~=":
        return left >= right and left[: len(bound) - 1] == bound[:-1]
    return _COMPARISONS[comparison](left, right)


def _padded(version: tuple[int, ...]) -> tuple[int, ...]:
    return (*version, 0, 0, 0, 0)[: max(4, len(version))]


def _minors(range: str) -> list[int]:
    """Return the N, newest first, of which some Python 3.N.x may be in the range."""
    micros = builtins.range(50)
    return [
        minor
        for minor in builtins.range(_NEWEST_MINOR, 0, -1)
        if any(is_in_range((3, minor, micro), range) for micro in micros)
    ]


def _candidates(range: str, minors: list[int], path: str) -> Iterator[Path]:
    if is_in_range(tuple(sys.version_info[:3]), range):
        yield Path(sys.executable)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    # Its shims take half a second each to say no; what they stand for comes last.
    folders = [Path(folder) for folder in path.split(os.pathsep) if folder]
    folders = [folder for folder in folders if folder != pyenv / "shims"]
    for name in [*(f"python3.{minor}" for minor in minors), "python3", "python"]:
        for folder in folders:
            if os.access(folder / name, os.X_OK):
                yield folder / name
    yield from _found_by_uv(range, os.pathsep.join(map(str, folders)))
    for minor in minors:
        releases = pyenv.glob(f"versions/3.{minor}.*/bin/python3.{minor}")
        yield from sorted(releases, key=_micro, reverse=True)


def _micro(python: Path) -> int:
    digits = re.match(r"\d+\.\d+\.(\d+)", python.parent.parent.name)
    return int(digits[1]) if digits else 0


def _found_by_uv(range: str, path: str) -> list[Path]:
    command = [uv.find_uv_bin(), "python", "find", "--system", "--no-project"]
    command += ["--no-python-downloads", "--no-config", range]
    result = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path},
        cwd="/",
        check=False,
    )
    return [Path(result.stdout.strip())] if result.returncode == 0 else []


def _probe(python: Path) -> tuple[tuple[int, ...], Path] | None:
    """Return version and real path of an interpreter, None of what cannot be used as one."""
    try:
        result = subprocess.run(
            [python, "-I", "-c", _PROBE],
            capture_output=True,
            text=True,
            timeout=_PROBE_PATIENCE,
            check=True,
        )
        *version, path = result.stdout.rstrip("\n").split(" ", 3)
        release = tuple(int(part) for part in version)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        # A shim of a version manager, for one, which finds no version to run.
        _logger.debug("%s is not usable: %s", python, error)
        return None
    return (release, Path(os.path.realpath(path))) if path else None
