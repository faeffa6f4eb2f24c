"""Environments that are in use, and those that can go."""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path

import pytest

from sm_local import processes, pruning
from sm_local.environments import lease, lock_file
from sm_local.home import Home
from sm_local.leftovers import end_jobs, end_model_servers
from sm_local.pruning import BuiltEnvironment, built_environments, prune


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").create()


def environment(home: Home, name: str, *, used: float = 1.0) -> Path:
    folder = home.environments / name
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "sleep").symlink_to("/bin/sleep")
    (folder / "bin" / "python").symlink_to(sys.executable)
    (folder / ".complete").write_text('{"python": "/python", "what": "test 1 (cpu)"}')
    os.utime(folder / ".complete", (used, used))
    return folder


def test_what_was_used_lately_is_kept(home: Home) -> None:
    old = environment(home, "old")
    new = environment(home, "new", used=2e9)
    assert [each.folder for each in built_environments(home)] == [new, old]
    assert [each.folder for each in prune(home, unused_seconds=60)] == [old]
    assert [path for path in home.environments.iterdir() if path.is_dir()] == [new]


def test_what_a_broken_build_left_goes_but_not_what_is_being_built(home: Home) -> None:
    for name in ("left", "growing"):
        (home.environments / name / "bin").mkdir(parents=True)
    with lock_file(home.environments / "growing").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert prune(home, unused_seconds=0) == []
    folders = [path.name for path in home.environments.iterdir() if path.is_dir()]
    assert folders == ["growing"]


def test_what_is_asked_for_meanwhile_is_kept(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = environment(home, "wanted")

    def look(home: Home) -> list[BuiltEnvironment]:
        found = built_environments(home)
        wanted = lease(folder)
        assert wanted is not None
        wanted.release()
        return found

    monkeypatch.setattr(pruning, "built_environments", look)
    assert prune(home, unused_seconds=0) == []
    assert folder.is_dir()


def test_what_is_leased_is_kept(home: Home) -> None:
    folder = environment(home, "wanted")
    leases = [lease(folder), lease(folder)]
    for held in leases:
        assert held is not None
        assert [each.in_use for each in built_environments(home)] == [True]
        assert prune(home, unused_seconds=0) == []
        held.release()
        held.release()
    assert [each.folder for each in prune(home, unused_seconds=0)] == [folder]
    assert lease(folder) is None


@pytest.mark.integ
@pytest.mark.parametrize("place", ["jobs/job-00000000", "endpoints/e-00000000/AllTraffic-1"])
def test_what_a_job_or_endpoint_runs_in_is_kept(home: Home, place: str) -> None:
    folder = environment(home, "used")
    job = home.path / place
    job.mkdir(parents=True)
    host = processes.HostProcess(
        name="algo-1",
        command=(str(folder / "bin" / "sleep"), "60"),
        environment={},
        directory=job,
        log=job / "log",
    )
    processes.launch(job, [host], max_runtime=None, grace=1)
    alias = home.path.with_name("alias")
    alias.symlink_to(home.path)
    try:
        assert prune(home, unused_seconds=0) == []
        assert prune(Home(alias), unused_seconds=0) == []
    finally:
        end_jobs(home)
        end_model_servers(home)
    assert [each.folder for each in prune(home, unused_seconds=0)] == [folder]
