"""What holds for every test: nothing of the user's reaches it, and it leaves no process behind."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

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
    needle = os.fsencode(folder)
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
        if needle in command or needle in environment:
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
