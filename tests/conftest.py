"""What holds for every test: nothing of the user's reaches it, and it leaves no process behind."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
import tomli

from sm_core.containerspec import ContainerSpec

#: Seconds that a test of each kind may take; without a marker, `timeout` of pyproject.toml holds.
TIMEOUTS = {"integ": 300, "long": 1800, "aws": 3600}
#: Seconds that processes get to end by themselves after the last test.
LAST_GRACE = 10.0

# Derandomized, so that a failure is there again in the next run; `long` tries many more.
hypothesis.settings.register_profile(
    "default", derandomize=True, max_examples=30, deadline=None, database=None
)
hypothesis.settings.register_profile(
    "long", max_examples=2000, deadline=None, database=None, print_blob=True
)
hypothesis.settings.load_profile("default")

#: The environment that the run was started with, for the tests that go to AWS.
_STARTED_WITH = dict(os.environ)
_USERS_PREFIXES = ("AWS_", "BOTO_", "SAGEMAKER_", "SMCORE_", "SM_")
_NO_AWS = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


def pytest_configure() -> None:
    """Take the user's AWS settings away before the first fixture of any scope runs."""
    for name in [name for name in os.environ if name.startswith(_USERS_PREFIXES)]:
        del os.environ[name]
    os.environ.update(_NO_AWS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give unmarked tests the marker `unit`, and each kind its time limit."""
    for item in items:
        kinds = [kind for kind in TIMEOUTS if item.get_closest_marker(kind) is not None]
        if not kinds:
            item.add_marker(pytest.mark.unit)
        elif item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(max(TIMEOUTS[kind] for kind in kinds)))


@pytest.fixture(autouse=True, scope="session")
def _nothing_left_behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give code outside any test a home too, and fail the run if a process outlives it."""
    base = tmp_path_factory.getbasetemp()
    os.environ["SMCORE_LOCAL_HOME"] = str(base / "home")
    yield
    deadline = time.monotonic() + LAST_GRACE
    while (left := _processes_naming(base)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left, "processes of tests were still running:\n" + "\n".join(left.values())


@pytest.fixture(autouse=True)
def _own_home(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Give each test a local home of its own; a test for AWS gets the user's settings back."""
    monkeypatch.setenv("SMCORE_LOCAL_HOME", str(tmp_path / "home"))
    if request.node.get_closest_marker("aws") is not None:
        for name in _NO_AWS:
            monkeypatch.delenv(name, raising=False)
        for name, value in _STARTED_WITH.items():
            if name.startswith(("AWS_", "BOTO_")):
                monkeypatch.setenv(name, value)


def _processes_naming(folder: Path) -> dict[int, str]:
    """Processes, this one and its ancestors aside, that were started with a path in `folder`."""
    # Another run's folder may have a longer name.
    path = re.compile(re.escape(os.fsencode(folder)) + rb"(?![\w-])")
    own = _ancestors()
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        pid = int(entry.name)
        if pid in own:
            continue
        try:
            command = (entry / "cmdline").read_bytes()
            environment = (entry / "environ").read_bytes()
        except (FileNotFoundError, PermissionError, ProcessLookupError):
            continue
        if path.search(command) or path.search(environment):
            found[pid] = f"{pid}: {command.replace(bytes(1), b' ').decode(errors='replace')}"
    return found


def _ancestors() -> set[int]:
    found = set()
    pid = os.getpid()
    while pid > 1:
        found.add(pid)
        try:
            status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            break
        pid = int(status.rpartition(")")[2].split()[1])
    return found


ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def container_python() -> Callable[[ContainerSpec], str]:
    """Makes environments with a real framework: of a description, the interpreter.

    They lie in the user's cache, keyed by what they are made of, and hold the code under test as
    editable; a first run takes a minute or two.
    """
    return _container_python


def _container_python(spec: ContainerSpec) -> str:
    from sm_local.environments import EnvironmentFailed, find_python

    try:
        python = str(find_python(spec.python))
    except EnvironmentFailed as error:
        pytest.skip(str(error))
    table = tomli.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    requirements = [*spec.requirements, *table["optional-dependencies"]["container"]]
    own = (ROOT, *(ROOT / "plugins" / name.replace("-", "_") for name in spec.distributions))
    parts = [python, *requirements]
    parts += [f"{folder}\n{(folder / 'pyproject.toml').read_text('utf-8')}" for folder in own]
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sm-core-tests"
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"{spec.framework}-{spec.version}-{key}"
    with (cache / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            _uv("venv", "--quiet", "--python", python, str(folder))
            install = ("pip", "install", "--quiet", "--python", str(folder / "bin" / "python"))
            _uv(*install, *requirements)
            _uv(*install, "--no-deps", *(f"--editable={entry}" for entry in own))
            (folder / ".complete").touch()
    return str(folder / "bin" / "python")


def _uv(*arguments: str) -> None:
    import uv

    from sm_local.environments import index_settings

    done = subprocess.run(
        [uv.find_uv_bin(), *arguments],
        env={**os.environ, **index_settings(os.environ)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"uv {' '.join(arguments)}:\n{done.stderr}"
