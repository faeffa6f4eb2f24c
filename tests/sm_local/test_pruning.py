"""Environments that are in use, and those that can go."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sm_local import processes
from sm_local.home import Home
from sm_local.leftovers import end_jobs
from sm_local.pruning import built_environments, prune


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").create()


def environment(home: Home, name: str, *, used: float = 1.0) -> Path:
    folder = home.environments / name
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "sleep").symlink_to("/bin/sleep")
    (folder / ".complete").write_text('{"python": "/python", "what": "test 1 (cpu)"}')
    os.utime(folder / ".complete", (used, used))
    return folder


def test_what_was_used_lately_is_kept(home: Home) -> None:
    old = environment(home, "old")
    new = environment(home, "new", used=2e9)
    (home.environments / "unfinished").mkdir()
    assert [each.folder for each in built_environments(home)] == [new, old]
    assert [each.folder for each in prune(home, unused_seconds=60)] == [old]
    assert sorted(path.name for path in home.environments.iterdir()) == [
        "new",
        "old.lock",
        "unfinished",
    ]


@pytest.mark.integ
def test_what_a_job_runs_in_is_kept(home: Home) -> None:
    folder = environment(home, "used")
    job = home.jobs / "job-00000000"
    job.mkdir()
    host = processes.HostProcess(
        name="algo-1",
        command=(str(folder / "bin" / "sleep"), "60"),
        environment={},
        directory=job,
        log=job / "log",
    )
    processes.launch(job, [host], max_runtime=None, grace=1)
    try:
        assert prune(home, unused_seconds=0) == []
    finally:
        end_jobs(home)
    assert [each.folder for each in prune(home, unused_seconds=0)] == [folder]
