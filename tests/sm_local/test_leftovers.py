"""What runs in a home beside the service is found and ended."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sm_local import processes
from sm_local.home import Home
from sm_local.leftovers import end_jobs, end_model_servers, running_jobs

pytestmark = pytest.mark.integ


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "home").create()
    yield home
    end_jobs(home)
    end_model_servers(home)


def launch(folder: Path, program: str = "import time; time.sleep(600)") -> Path:
    """A supervisor with one host that runs `program`."""
    folder.mkdir(parents=True)
    host = processes.HostProcess(
        name="algo-1",
        command=(sys.executable, "-c", program),
        environment={"PATH": os.environ["PATH"]},
        directory=folder,
        log=folder / "log",
    )
    processes.launch(folder, [host], max_runtime=None, grace=5)
    return folder


def test_an_empty_home(home: Home) -> None:
    (home.jobs / "queued-00000000").mkdir()
    assert running_jobs(home) == []
    end_model_servers(home)
    end_jobs(home)


def test_a_home_that_is_not_there(tmp_path: Path) -> None:
    missing = Home(tmp_path / "missing")
    assert running_jobs(missing) == []
    end_model_servers(missing)


def test_jobs_and_model_servers_are_told_apart(home: Home) -> None:
    job = launch(home.jobs / "my-job-0123abcd")
    server = launch(home.endpoints / "my-endpoint-0123abcd" / "AllTraffic-1")
    assert running_jobs(home) == ["my-job"]
    end_model_servers(home)
    assert not processes.status(server).alive
    assert running_jobs(home) == ["my-job"]
    end_jobs(home)
    assert running_jobs(home) == []
    finished = processes.status(job).finished
    assert finished is not None
    assert finished.outcome == "stopped"


def test_what_a_killed_supervisor_left(home: Home) -> None:
    folder = launch(
        home.endpoints / "my-endpoint-0123abcd" / "AllTraffic-1",
        "import os, signal, time; os.kill(os.getppid(), signal.SIGKILL); time.sleep(600)",
    )
    end_model_servers(home)
    assert not processes.status(folder).alive
    marker = str(folder).encode()
    left = [
        entry
        for entry in Path("/proc").glob("[0-9]*")
        if entry.name != str(os.getpid()) and marker in _command(entry)
    ]
    assert left == []


def _command(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
