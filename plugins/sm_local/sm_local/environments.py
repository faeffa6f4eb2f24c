"""Build the Python environments that stand for containers.

An environment is a folder of its own for ever: built at its final path under a lock, its marker
written last, never changed afterwards, found again by what is in it. ``uv`` does the work.
"""

from __future__ import annotations

import collections
import contextlib
import email.parser
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import attrs
import uv

from sm_core.containerspec import ContainerSpec
from sm_local.environmentspec import EnvironmentFailed, EnvironmentSpec, Wheel
from sm_local.indexes import index_settings, mask, without_transport
from sm_local.interpreters import find_python

__all__ = [
    "MARKER",
    "EnvironmentFailed",
    "Lease",
    "ensure_environment",
    "find_environment",
    "find_python",
    "index_settings",
    "lease",
    "lock_file",
]

#: Extra of a wheel whose requirements the environment needs; the wheel's others are the client's.
_EXTRA = "container"
_IS_EXTRA = re.compile(rf"""\bextra\s*==\s*(['"]){_EXTRA}\1""")
#: In the folder of a complete environment; its time says when somebody last asked for it.
MARKER = ".complete"
_LAST_LINES = 30
#: Characters of these lines in an error; a job's reason may have 1024 in all.
_WORDS = 800
#: Lines of ``uv`` that say nothing to somebody who waits: each package, and where they go.
_DETAIL = re.compile(r" [+~-] |Using C?Python ")
#: What ``uv`` says when nobody answers at the index, as opposed to an answer that it dislikes.
_UNREACHABLE = re.compile(r"error sending request|operation timed out")
#: Variables that ``uv`` gets of ours, beside those of the index.
_INHERITED = re.compile(r"PATH|HOME|LANG|LC_\w+|TZ|TMPDIR|XDG_\w+_HOME|(DY)?LD_LIBRARY_PATH")


class _Unreachable(EnvironmentFailed):
    """The package index does not answer."""


class Lease:
    """Keeps an environment from being pruned, until it is released or this process ends.

    Attributes:
        folder: of the environment.
    """

    def __init__(self, folder: Path, lock: int) -> None:
        """Own `lock`, a descriptor of the environment's lock file on which it is held."""
        self.folder = folder
        self._lock: int | None = lock

    def release(self) -> None:
        """Let it be pruned again; nothing if that was said before."""
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)

    def __del__(self) -> None:
        """Whoever asked for it may have gone meanwhile, with nobody else to release it."""
        self.release()


def find_environment(home: Path, spec: EnvironmentSpec) -> Lease | None:
    """Lease the environment if it is complete; None if it must be built.

    Args:
        home: folder of the local service.
        spec: what the environment holds.

    Raises:
        EnvironmentFailed: no build for this platform, or no fitting Python.
    """
    _check_platform(spec.container)
    return lease(_folder(home, spec, find_python(spec.container.python)))


def ensure_environment(
    home: Path,
    spec: EnvironmentSpec,
    wheels: Mapping[str, Path],
    log: Callable[[str], None],
) -> Path:
    """Return the folder of the environment, building it first if need be.

    Blocks for as long as it takes. If ``log`` raises, the build ends and the exception goes on.

    Args:
        home: folder of the local service.
        spec: what the environment holds.
        wheels: SHA-256 -> local file, for every wheel of the specification.
        log: called with each line of progress.

    Raises:
        EnvironmentFailed: no build for this platform, no fitting Python, or the installer failed.
    """
    _check_platform(spec.container)
    python = find_python(spec.container.python)
    folder = _folder(home, spec, python)
    found = lease(folder)
    if found is not None:
        found.release()
        return folder
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(lock_file(folder), log) as lock:
        if not _is_complete(folder):
            _Build(spec=spec, python=python, folder=folder, lock=lock, log=log).run(wheels)
    return folder


def lease(folder: Path) -> Lease | None:
    """Lease the environment in `folder`, which counts as a use; None if there is no complete one.

    Blocks while it is being removed.
    """
    if not _is_complete(folder):
        return None
    lock = os.open(lock_file(folder), os.O_RDWR | os.O_CREAT, 0o600)
    found = Lease(folder, lock)
    fcntl.flock(lock, fcntl.LOCK_SH)
    if not _is_complete(folder):
        found.release()
        return None
    os.utime(folder / MARKER)
    return found


def lock_file(folder: Path) -> Path:
    """The file on which whoever builds, leases or removes an environment holds a lock."""
    return folder.with_suffix(".lock")


def _folder(home: Path, spec: EnvironmentSpec, python: Path) -> Path:
    return (home / "environments" / _key(spec, python)).absolute()


def _key(spec: EnvironmentSpec, python: Path) -> str:
    """Return a name for what is in the environment: not how its index is reached, nor what runs."""
    container = attrs.evolve(spec.container, environment={}, train=(), serve=())
    content = attrs.evolve(spec, container=container, index=without_transport(spec.index))
    return hashlib.sha256(f"{content.digest} {python}".encode()).hexdigest()[:32]


def _is_complete(folder: Path) -> bool:
    # The interpreter is a link to one that may have been uninstalled.
    return (folder / MARKER).exists() and (folder / "bin" / "python").exists()


def _check_platform(container: ContainerSpec) -> None:
    """Refuse what has no build here, before an installer says so in its own words."""
    system = "macosx" if sys.platform == "darwin" else sys.platform
    here = f"{system}-{platform.machine()}"
    names = (here, sysconfig.get_platform())
    if container.platforms and not any(name.startswith(container.platforms) for name in names):
        raise EnvironmentFailed(
            f"{container.framework} {container.version} has no build for {here}, only for "
            f"{', '.join(container.platforms)}: train and host it on such a machine, or on AWS"
        )


@contextlib.contextmanager
def _locked(path: Path, log: Callable[[str], None]) -> Iterator[int]:
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log("waiting for the environment, which is being built already")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
    finally:
        os.close(lock)


@attrs.frozen(kw_only=True)
class _Build:
    spec: EnvironmentSpec
    python: Path
    folder: Path
    lock: int
    log: Callable[[str], None]

    def run(self, wheels: Mapping[str, Path]) -> None:
        """Build at the final path; a folder without the marker is one that failed."""
        container = self.spec.container
        begin = time.monotonic()
        self.log(f"building the environment of {container.framework} {container.version}")
        if self.folder.exists():
            shutil.rmtree(self.folder)
        try:
            venv = ["venv", "--quiet", "--no-project", "--python", str(self.python)]
            self._uv([*venv, str(self.folder)])
            files = [self._copy(wheel, wheels) for wheel in self.spec.wheels]
            requirements = [*container.requirements]
            for file in files:
                requirements += _container_requirements(file)
            if requirements:
                self._install_requirements(requirements)
            if files:
                # The user's cache is for what the index has.
                own = {"UV_NO_CACHE": "1", "UV_LINK_MODE": "copy"}
                self._install(["--no-deps", *map(str, files)], own)
            self._mark()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        self.log(f"environment ready after {time.monotonic() - begin:.1f} s")

    def _copy(self, wheel: Wheel, wheels: Mapping[str, Path]) -> Path:
        """Copy a wheel into the environment under its own name, which says what it is."""
        target = self.folder / "wheels" / wheel.filename
        target.parent.mkdir(exist_ok=True)
        content = wheels[wheel.sha256].read_bytes()
        if hashlib.sha256(content).hexdigest() != wheel.sha256:
            raise EnvironmentFailed(f"{wheel.filename} was damaged on its way: hand it over again")
        target.write_bytes(content)
        return target

    def _install_requirements(self, requirements: Sequence[str]) -> None:
        # In a file: a requirement may hold a password in a URL, and everybody can read arguments.
        path = self.folder / "requirements.txt"
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
            file.writelines(f"{requirement}\n" for requirement in requirements)
        given = ["-r", str(path)]
        self._install([*given, *self._avoiding(given)])

    def _avoiding(self, given: Sequence[str]) -> list[str]:
        """Options that keep out what the container would do without; none if nothing is left then.

        No version satisfies such a constraint, so that ``uv`` looks for builds that need none.
        """
        avoid = self.spec.container.avoid
        if not avoid:
            return []
        path = self.folder / "constraints.txt"
        path.write_text("".join(f"{name}<0\n" for name in avoid), encoding="utf-8")
        options = ["--constraints", str(path)]
        try:
            self._install(["-qq", "--dry-run", *given, *options])
        except EnvironmentFailed:
            self.log(
                f"the package index has no builds that do without {', '.join(avoid)}; those that "
                "it has are installed, and may be much larger"
            )
            return []
        return options

    def _install(self, arguments: Sequence[str], extra: Mapping[str, str] | None = None) -> None:
        python = str(self.folder / "bin" / "python")
        options = ["--no-index"] if "UV_NO_INDEX" in self.spec.index else []
        command = ["pip", "install", "--python", python, *options, *arguments]
        try:
            self._uv(command, extra)
        except _Unreachable as unreachable:
            self.log("the package index does not answer; trying with what came from it before")
            try:
                self._uv(command, {**(extra or {}), "UV_OFFLINE": "1"})
            except EnvironmentFailed:
                # What is to be done is to reach the index.
                raise unreachable from None

    def _uv(self, arguments: Sequence[str], extra: Mapping[str, str] | None = None) -> None:
        """Run ``uv``, its output going line by line to the log."""
        own = {name: value for name, value in os.environ.items() if _INHERITED.fullmatch(name)}
        fixed = {"NO_COLOR": "1", "UV_NO_PROGRESS": "1", "UV_PYTHON_DOWNLOADS": "never"}
        first: list[str] = []
        last: collections.deque[str] = collections.deque(maxlen=_LAST_LINES)
        with subprocess.Popen(
            [uv.find_uv_bin(), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**own, **self.spec.index, **fixed, **(extra or {})},
            cwd="/",  # where no project's configuration is found
            # Held by the installer too: should this process die, nobody else builds beside it.
            pass_fds=(self.lock,),
            text=True,
            encoding="utf-8",
            errors="replace",
        ) as process:
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    if not _DETAIL.match(line):
                        last.append(mask(line.rstrip()))
                        self.log(last[-1])
                        if line.startswith("error: ") and not first:
                            first.append(last.pop())
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            container = self.spec.container
            failure = (
                _Unreachable
                if any(map(_UNREACHABLE.search, [*first, *last]))
                else EnvironmentFailed
            )
            raise failure(
                f"the environment of {container.framework} {container.version} cannot be built "
                f"with {self.python}; the installer says:\n{_shortened([*first, *last])}"
            )

    def _mark(self) -> None:
        container = self.spec.container
        facts = {
            "what": f"{container.framework} {container.version} ({container.device})",
            "python": str(self.python),
            "specification": self.spec.digest,
        }
        with (self.folder / MARKER).open("x") as file:
            json.dump(facts, file)
            file.flush()
            os.fsync(file.fileno())


def _shortened(lines: Iterable[str]) -> str:
    """The beginning and end of what the installer said: what failed, and why. The log has all."""
    text = "\n".join(lines)
    if len(text) <= _WORDS:
        return text
    begin = _WORDS // 4
    return f"{text[:begin].rstrip()}\n…\n{text[begin - _WORDS :].lstrip()}"


def _container_requirements(wheel: Path) -> list[str]:
    """Return the requirements of a wheel's extra ``container``."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", n))
        metadata = email.parser.BytesHeaderParser().parsebytes(archive.read(name))
    requirements = []
    for value in metadata.get_all("Requires-Dist", ()):
        requirement, _, marker = str(value).partition(";")
        if _IS_EXTRA.search(marker):
            # True of every Python: whatever the marker demands beside the extra stays in force.
            marker = _IS_EXTRA.sub("python_version >= '3'", marker)
            requirements.append(f"{requirement.strip()} ; {marker.strip()}")
    return requirements
