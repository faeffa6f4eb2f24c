"""What installs packages in this container: ``uv`` or ``pip``, and the index that it uses."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from sm_core.container.codeartifact import index_url
from sm_core.container.errors import ContainerError, InstallerFailed, RequirementsFailed
from sm_core.container.process import exit_code_of, tethered_child

__all__ = ["INDEX_VARIABLE", "Installer", "find_installer", "withhold_index"]

logger = logging.getLogger(__name__)

#: How the platform reaches its package index, which may take a password: a JSON object of
#: variables for the installer.
INDEX_VARIABLE = "SMCORE_PACKAGE_INDEX"
#: An ARN of CodeArtifact, as the public toolkit takes it: the repository is the index.
CODEARTIFACT_VARIABLE = "CA_REPOSITORY_ARN"
_CREDENTIALS = re.compile(r"(?<=://)[^/\s,]*@")
#: Characters of the installer's output that an error repeats: its end says what is wrong, and the
#: platform shows 1024 characters of a reason.
_TAIL = 900
#: What ``uv`` says when nobody answers at the index, as opposed to an answer that it dislikes.
_UNREACHABLE = re.compile(r"error sending request|operation timed out")
#: Where pip reads its configuration, below the environment's own folder and the user's.
_PIP_FILES = ("/etc/pip.conf", "~/.config/pip/pip.conf", "~/.pip/pip.conf")
_index: dict[str, str] = {}


def withhold_index() -> None:
    """Take the platform's settings of the package index out of the environment.

    Called before anything else runs: from then on the installer sees them, and neither the user's
    code nor any other process that is started. Variables of the request's own stay where they are.
    """
    if INDEX_VARIABLE in os.environ:
        _blot_out(INDEX_VARIABLE)
        _index.update(json.loads(os.environ.pop(INDEX_VARIABLE)))


def _blot_out(name: str) -> None:
    """Overwrite what the kernel goes on to show of a variable in ``/proc/<pid>/environ``.

    That is the memory in which the process got its variables (proc_pid_environ(5)); to unset one
    leaves it as it was.
    """
    # Not every container has such a variable, and to import it takes time.
    import ctypes

    getenv = ctypes.CDLL(None).getenv
    getenv.restype = ctypes.c_void_p
    address = getenv(name.encode())
    if address:
        ctypes.memset(address, ord("*"), len(ctypes.string_at(address)))


@attrs.frozen(kw_only=True)
class Installer:
    """``uv pip`` or ``pip``.

    Attributes:
        command: what starts it, up to its sub-command ``install``.
        directory: what relative paths in requirements begin from.
        is_uv: which of the two it is.
        variables: settings that only it may see.
    """

    command: tuple[str, ...]
    directory: Path
    is_uv: bool
    variables: Mapping[str, str] = attrs.field(factory=dict, repr=False)

    def missing(self, arguments: Sequence[str], scratch: Path) -> list[str]:
        """What would have to be installed beside what is there, as lines for a requirements file.

        Args:
            arguments: requirements and constraints.
            scratch: a file to write to.

        Raises:
            InstallerFailed: the requirements cannot be met.
        """
        if self.is_uv:
            said = self.run(["--dry-run", "--color", "never", *arguments], quiet=True)
            return _planned_by_uv(said)
        self.run(["--dry-run", "--report", str(scratch), *arguments], quiet=True)
        entries = json.loads(scratch.read_bytes())["install"]
        return [_as_requirement(entry) for entry in entries]

    def run(self, arguments: Sequence[str], *, quiet: bool = False) -> str:
        """Run the installer with these arguments; what it said, without passwords.

        Raises:
            InstallerFailed: it ended with an error.
        """
        command = [*self.command, *arguments]
        exit_code, said = self._attempt(command, quiet=quiet)
        if exit_code != 0 and self.is_uv and _UNREACHABLE.search(said):
            logger.info("the package index does not answer; trying with what came from it before")
            offline, plan = self._attempt(command, quiet=quiet, UV_OFFLINE="1")
            if offline == 0:
                return plan
        if exit_code != 0:
            raise InstallerFailed(said.strip()[-_TAIL:], command=command, exit_code=exit_code)
        return said

    def _attempt(self, command: Sequence[str], *, quiet: bool, **variables: str) -> tuple[int, str]:
        """The exit code, and what was said, without passwords."""
        # What builds a package are processes of the installer's, which end with it.
        with tethered_child(
            command,
            environment={**os.environ, **self.variables, **variables},
            directory=self.directory,
            captured=True,
        ) as installing:
            output, _ = installing.communicate()
        exit_code = exit_code_of(installing.returncode)
        said = _CREDENTIALS.sub("***@", output.decode("utf-8", "replace"))
        if exit_code != 0 or not quiet:
            for line in said.splitlines():
                logger.info("%s", line)
        return exit_code, said


def _planned_by_uv(said: str) -> list[str]:
    """What ``uv pip install --dry-run`` says that it would install."""
    found = re.findall(r"^ \+ (\S+)( @ \S+)?(?: \(from (\S+)\))?$", said, re.MULTILINE)
    count = re.search(r"^Would install (\d+) package", said, re.MULTILINE)
    if len(found) != (int(count[1]) if count else 0):
        raise ContainerError(f"cannot read what uv would install: {said[-_TAIL:]}")
    return [
        f"{what.partition('==')[0]} @ {source}" if source else f"{what}{place}"
        for what, place, source in found
    ]


def _as_requirement(entry: Mapping[str, Any]) -> str:
    """One line for one entry of pip's installation report."""
    name, version = entry["metadata"]["name"], entry["metadata"]["version"]
    if not entry.get("is_direct"):
        return f"{name}=={version}"
    download = entry["download_info"]
    version_control = download.get("vcs_info")
    if version_control is None:
        return f"{name} @ {download['url']}"
    return f"{name} @ {version_control['vcs']}+{download['url']}@{version_control['commit_id']}"


def find_installer(base_dir: Path, directory: Path, *, region: str = "") -> Installer:
    """``uv`` where the platform names it or only it knows the index, or nothing speaks for pip.

    Args:
        base_dir: root of the tree; a pip is unpacked there where there is neither.
        directory: what relative paths in requirements begin from.
        region: AWS region of an index of CodeArtifact; "" leaves it to boto3.

    Raises:
        RequirementsFailed: there is none and none can be made.
        ContainerError: the index of CodeArtifact does not let this container in.
    """
    variables = dict(_index)
    arn = os.environ.get(CODEARTIFACT_VARIABLE)
    if arn:
        url = index_url(arn, region=region)
        variables.update(PIP_INDEX_URL=url, UV_DEFAULT_INDEX=url)
    uv = _find_uv()
    has_pip = importlib.util.find_spec("pip") is not None
    if uv is not None and not (has_pip and _is_pip_configured(variables)):
        options = ["--no-index"] if "UV_NO_INDEX" in variables else []
        command = (uv, "pip", "install", "--python", sys.executable, *options)
        return Installer(command=command, directory=directory, is_uv=True, variables=variables)
    pip = ("-m", "pip") if has_pip else (_bootstrapped_pip(base_dir),)
    return Installer(
        command=(sys.executable, *pip, "install", "--disable-pip-version-check"),
        directory=directory,
        is_uv=False,
        variables=variables,
    )


def _is_pip_configured(variables: Mapping[str, str]) -> bool:
    """Whether this container has settings for pip, which uv does not read, and none for uv."""
    names = {*os.environ, *variables}
    if any(re.match(r"UV_(\w*INDEX|FIND_LINKS)", name) for name in names):
        return False
    if any(re.fullmatch(r"PIP_(\w*INDEX\w*|FIND_LINKS|CONFIG_FILE)", name) for name in names):
        return True
    files = [*_PIP_FILES, os.path.join(sys.prefix, "pip.conf")]
    return any(os.path.isfile(os.path.expanduser(file)) for file in files)


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
