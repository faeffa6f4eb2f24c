"""requirements.txt: installed before the user's code is imported, in training and in serving.

What the container holds stays as it is. Whatever the requirements ask for beyond that goes into a
folder of its own, which Python searches first; a requirement that wants another version of what is
there is refused by the installer, whose words are the job's reason. So neither the toolkit nor the
framework is ever broken, and an environment that several jobs share is never written to.
"""

from __future__ import annotations

import importlib.metadata
import logging
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from sm_core.container.code import DEPENDENCIES
from sm_core.container.errors import InstallerFailed, RequirementsFailed
from sm_core.container.installers import Installer, find_installer

__all__ = ["install_package", "install_requirements", "is_package"]

logger = logging.getLogger(__name__)

#: Options of a requirements file that say which packages to take, and from where.
_OPTION = re.compile(
    r"(-i|-f|--(extra-)?index-url|--find-links|--no-index|--trusted-host|--no-binary|--only-binary"
    r"|--prefer-binary|--pre)(\s|=|$)"
)
_NESTED = re.compile(r"(?:-r|--requirement)(?:\s+|=|(?<=-r))(?P<name>\S.*)")


def install_requirements(code_dir: Path, base_dir: Path, *, region: str = "") -> None:
    """Install what ``requirements.txt`` of `code_dir` names, if there is one, below `base_dir`.

    Args:
        code_dir: the user's code.
        base_dir: root of the tree.
        region: AWS region of an index of CodeArtifact; "" leaves it to boto3.

    Raises:
        RequirementsFailed: the installer failed, or none was found.
        ContainerError: CodeArtifact, if the index is there, refuses.
    """
    file = code_dir / "requirements.txt"
    if not file.is_file():
        return
    logger.info("installing %s", file.name)
    try:
        installer = find_installer(base_dir, code_dir, region=region)
        _install(installer, ["--requirement", str(file)], base_dir, lines=list(_lines(file)))
    except InstallerFailed as error:
        raise RequirementsFailed(_reason("InstallRequirementsError", error)) from None


def is_package(code_dir: Path) -> bool:
    """Whether the user's code is to be installed.

    It has a ``setup.py``, or a ``pyproject.toml`` that says how to build it.
    """
    if (code_dir / "setup.py").is_file():
        return True
    try:
        text = (code_dir / "pyproject.toml").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return False
    return re.search(r"^\s*\[\s*build-system\s*\]", text, re.MULTILINE) is not None


def install_package(code_dir: Path, base_dir: Path, *, region: str = "") -> None:
    """Install the package that lies in `code_dir`; arguments and errors as above."""
    logger.info("installing the package in %s", code_dir)
    try:
        installer = find_installer(base_dir, code_dir, region=region)
        _install(installer, [str(code_dir)], base_dir, lines=[])
    except InstallerFailed as error:
        raise RequirementsFailed(_reason("InstallModuleError", error)) from None


def _install(
    installer: Installer, what: Sequence[str], base_dir: Path, *, lines: Sequence[str]
) -> None:
    """Find out what is missing, then install that and nothing else.

    Args:
        installer: what installs.
        what: its arguments.
        base_dir: root of the tree.
        lines: of the requirements file.
    """
    target = base_dir / DEPENDENCIES
    target.mkdir(parents=True, exist_ok=True)
    constraints = base_dir / f"{DEPENDENCIES}.constraints.txt"
    plan = base_dir / f"{DEPENDENCIES}.plan.txt"
    constraints.write_text(_installed_versions(), encoding="utf-8")
    missing = installer.missing(["--constraint", str(constraints), *what], plan)
    if not missing:
        logger.info("all of it is installed already")
        return
    if any("--hash=" in line for line in lines):
        # Every package is named there, with the hashes that its files must have.
        final = ["--require-hashes", *what]
    else:
        options = [line for line in lines if _OPTION.match(line)]
        plan.write_text("\n".join([*options, *missing, ""]), encoding="utf-8")
        final = ["--requirement", str(plan)]
    installer.run(["--no-deps", "--target", str(target), *final])


def _lines(file: Path, within: frozenset[Path] = frozenset()) -> Iterator[str]:
    """The lines of a requirements file and of those that it includes, without comments."""
    within |= {file.resolve()}
    text = file.read_text(encoding="utf-8", errors="replace").replace("\\\n", " ")
    for line in text.splitlines():
        bare = re.sub(r"(^|\s)#.*", "", line).strip()
        nested = _NESTED.match(bare)
        included = file.parent / nested["name"] if nested else None
        if included is not None and included.is_file():
            if included.resolve() not in within:
                yield from _lines(included, within)
        elif bare:
            yield bare


def _installed_versions() -> str:
    found = {
        distribution.metadata["Name"]: distribution.version
        for distribution in importlib.metadata.distributions()
    }
    return "".join(f"{name}=={version}\n" for name, version in sorted(found.items()) if name)


def _reason(kind: str, error: InstallerFailed) -> str:
    """What a failed installation says to the platform, in the public toolkit's form."""
    return (
        f'{kind}:\nExitCode {error.exit_code}\nErrorMessage "{error}"\n'
        f'Command "{shlex.join(error.command)}"'
    )
