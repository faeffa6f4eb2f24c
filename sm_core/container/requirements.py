"""requirements.txt: installed before the user's code is imported, in training and in serving."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from sm_core.container.code import DEPENDENCIES
from sm_core.container.errors import RequirementsFailed

__all__ = ["INDEX_VARIABLE", "install_package", "install_requirements", "withhold_index"]

logger = logging.getLogger(__name__)

#: Characters of the installer's output that an error repeats: its end says what is wrong, and the
#: platform shows 1024 characters of a reason.
_TAIL = 900
#: How the platform reaches its package index, which may take a password: a JSON object of
#: variables for the installer.
INDEX_VARIABLE = "SMCORE_PACKAGE_INDEX"
_CREDENTIALS = re.compile(r"(?<=://)[^/\s,]*@")
_index: dict[str, str] = {}


def withhold_index() -> None:
    """Take the platform's settings of the package index out of the environment.

    Called before anything else runs: from then on the installer sees them, and neither the user's
    code nor any other process that is started. Variables of the request's own stay where they are.
    """
    _index.update(json.loads(os.environ.pop(INDEX_VARIABLE, "{}")))


def install_requirements(code_dir: Path, base_dir: Path) -> None:
    """Install what ``requirements.txt`` of `code_dir` names, if there is one, below `base_dir`.

    Nothing that is installed already is replaced: its version is a constraint.

    Raises:
        RequirementsFailed: the installer failed, or none was found.
    """
    requirements = code_dir / "requirements.txt"
    if requirements.is_file():
        _install(["--requirement", str(requirements)], base_dir, requirements.name)


def install_package(code_dir: Path, base_dir: Path) -> None:
    """Install the package whose ``setup.py`` lies in `code_dir`, as `install_requirements` does."""
    _install([str(code_dir)], base_dir, f"the package in {code_dir}")


def _install(what: Sequence[str], base_dir: Path, name: str) -> None:
    target = base_dir / DEPENDENCIES
    target.mkdir(parents=True, exist_ok=True)
    constraints = base_dir / f"{DEPENDENCIES}.constraints.txt"
    constraints.write_text(_installed_versions(), encoding="utf-8")
    command = [
        *_installer(base_dir),
        "--target",
        str(target),
        "--constraint",
        str(constraints),
        *what,
    ]
    logger.info("installing %s", name)
    finished = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={**os.environ, **_index},
    )
    said = _CREDENTIALS.sub("***@", finished.stdout)
    for line in said.splitlines():
        logger.info("%s", line)
    if finished.returncode != 0:
        raise RequirementsFailed(f"cannot install {name}:\n{said.strip()[-_TAIL:]}")


def _installed_versions() -> str:
    found = {
        distribution.metadata["Name"]: distribution.version
        for distribution in importlib.metadata.distributions()
    }
    return "".join(f"{name}=={version}\n" for name, version in sorted(found.items()) if name)


def _installer(base_dir: Path) -> list[str]:
    """``uv`` where it can be found, which is much faster; ``pip`` otherwise."""
    uv = _find_uv()
    if uv is not None:
        options = ["--no-index"] if "UV_NO_INDEX" in _index else []
        return [uv, "pip", "install", "--python", sys.executable, *options]
    pip = ["-m", "pip"] if importlib.util.find_spec("pip") else [_bootstrapped_pip(base_dir)]
    return [sys.executable, *pip, "install", "--disable-pip-version-check"]


def _bootstrapped_pip(base_dir: Path) -> str:
    """The pip that comes with Python, unpacked below `base_dir`; for environments without one."""
    root = base_dir / "installer"
    command = [sys.executable, "-m", "ensurepip", "--root", str(root)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        raise RequirementsFailed(
            "requirements.txt cannot be installed: the container has neither uv nor pip; install "
            f"one of them in the image. {finished.stderr.strip()[-_TAIL:]}"
        )
    packages = Path(sysconfig.get_path("purelib"))
    return str(root / packages.relative_to(packages.anchor) / "pip")


def _find_uv() -> str | None:
    # uv names itself in UV to the processes that it starts; others may do the same.
    named = os.environ.get("UV")
    if named and os.access(named, os.X_OK):
        return named
    beside = os.path.join(sysconfig.get_path("scripts"), "uv")
    return beside if os.access(beside, os.X_OK) else shutil.which("uv")
