"""Supervisors and their hosts, with real processes."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sm_core.errors import LocalServiceError
from sm_local import processes, supervisor
from sm_local.processes import (
    HostProcess,
    Status,
    exit_text,
    launch,
    log_line,
    read_log,
    status,
    stop,
    sweep,
)

PATIENCE = 30.0  # seconds
#: Makes the arguments of this run's processes unlike those of any other run.
OWN = f".{uuid.uuid4().int % 10**12:012}"
linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "job"
    path.mkdir()
    yield path
    with contextlib.suppress(ProcessLookupError, StopIteration):
        if status(path).alive:
            os.kill(supervisor_pid(path), signal.SIGKILL)
    until(lambda: not status(path).alive)
    sweep(path)


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def host(folder: Path, *command: str, name: str = "algo-1", **environment: str) -> HostProcess:
    return HostProcess(
        name=name,
        command=command,
        environment={"PATH": os.defpath, **environment},
        directory=folder,
        log=folder / "logs" / f"{name}.log",
    )


def shell(folder: Path, script: str, name: str = "algo-1") -> HostProcess:
    return host(folder, "/bin/sh", "-c", script, name=name)


def python(folder: Path, script: str, name: str = "algo-1", **environment: str) -> HostProcess:
    return host(folder, sys.executable, "-S", "-c", script, name=name, **environment)


def end(folder: Path) -> Status:
    until(lambda: not status(folder).alive)
    return status(folder)


def run(
    folder: Path, *hosts: HostProcess, max_runtime: int | None = None, grace: int = 20
) -> Status:
    launch(folder, hosts, max_runtime=max_runtime, grace=grace)
    return end(folder)


def lines(folder: Path, name: str = "algo-1") -> list[str]:
    return [text for _, text in whole_log(folder / "logs" / f"{name}.log")]


def whole_log(path: Path) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    offset = 0
    while True:
        more, offset = read_log(path, offset)
        if not more:
            return found
        found += more


def says(folder: Path, text: str, name: str = "algo-1") -> Callable[[], bool]:
    return lambda: text in lines(folder, name)


def events(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().split("\n") if line]


def supervisor_pid(folder: Path) -> int:
    pid = next(event["pid"] for event in reversed(events(folder)) if event["event"] == "launched")
    assert isinstance(pid, int)
    return pid


def runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


@pytest.mark.integ
class TestOneHost:
    def test_completes(self, folder: Path) -> None:
        before = time.time()
        result = run(folder, shell(folder, "echo out; echo err >&2; printf 'no newline'"))
        assert result.finished is not None
        assert result.finished.outcome == "completed"
        assert result.finished.codes == {"algo-1": 0}
        assert result.started is not None
        assert before <= result.started <= result.finished.time <= time.time()
        assert (result.alive, result.stopping, result.message) == (False, None, "")
        assert sorted(lines(folder)[:2]) == ["err", "out"]
        assert lines(folder)[2] == "no newline"
        assert [event["event"] for event in events(folder)] == [
            "launched",
            "started",
            "exited",
            "finished",
        ]

    def test_gets_its_environment_and_nothing_else(self, folder: Path) -> None:
        script = (
            "import os, sys, stat\n"
            "print(sorted(os.environ), os.environ['SECRET'], os.getcwd())\n"
            "print(os.getsid(0) == os.getpid(), sys.stdin.read() == '')\n"
            "fds = set()\n"
            "for fd in range(3, 256):\n"
            "    try: os.fstat(fd); fds.add(fd)\n"
            "    except OSError: pass\n"
            "lifeline = int(os.environ['SMCORE_LIFELINE_FD'])\n"
            "print(fds == {lifeline}, stat.S_ISFIFO(os.fstat(lifeline).st_mode))\n"
            "import signal\n"
            "print(signal.getsignal(signal.SIGHUP) == signal.SIG_DFL)\n"
            "print(signal.pthread_sigmask(signal.SIG_BLOCK, []))\n"
        )
        process = host(folder, sys.executable, "-S", "-c", script, SECRET="ä\udce4'")
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        try:
            result = run(folder, process)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        assert result.finished is not None
        first, *rest = lines(folder)
        # The interpreter itself may add LC_CTYPE.
        names = ["LC_CTYPE", "PATH", "SECRET", "SMCORE_LIFELINE_FD", "SMCORE_MARKER"]
        assert first.startswith((str(names), str(names[1:])))
        assert first.endswith(str(folder))
        assert rest == ["True True", "True True", "True", "set()"]

    def test_keeps_secrets_out_of_sight(self, folder: Path) -> None:
        launch(folder, [python(folder, "input()", SECRET="hush")], max_runtime=None, grace=1)
        pid = supervisor_pid(folder)
        assert stat.S_IMODE((folder / "spec.json").stat().st_mode) == 0o600
        if sys.platform == "linux":
            seen = (
                Path(f"/proc/{pid}/cmdline").read_bytes()
                + Path(f"/proc/{pid}/environ").read_bytes()
            )
            assert b"hush" not in seen
            assert os.getsid(pid) != os.getsid(0)
            links = {os.readlink(f"/proc/{pid}/fd/{number}") for number in (0, 1, 2)}
            assert links == {os.devnull, str(folder / "supervisor.log")}
        for name in ("lock", "control", "events.jsonl", "supervisor.log", "logs/algo-1.log"):
            assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600

    @pytest.mark.parametrize(("script", "code"), [("exit 3", 3), ("kill -9 $$", -9)])
    def test_fails(self, folder: Path, script: str, code: int) -> None:
        result = run(folder, shell(folder, script))
        assert result.finished is not None
        assert result.finished.outcome == "failed"
        assert result.finished.codes == {"algo-1": code}

    def test_cannot_be_started(self, folder: Path) -> None:
        (folder / "program").write_text("#!/bin/sh")
        missing = run(folder, host(folder, str(folder / "no such")))
        assert missing.finished is not None
        assert missing.finished.codes == {"algo-1": 127}
        assert "no such" in lines(folder)[-1]
        assert os.strerror(errno.ENOENT) in lines(folder)[-1]
        unusable = run(folder, host(folder, str(folder / "program")))
        assert unusable.finished is not None
        assert unusable.finished.codes == {"algo-1": 126}
        assert os.strerror(errno.EACCES) in lines(folder)[-1]
        nonsense = run(folder, host(folder, "/bin/sh", "\0"))
        assert nonsense.finished is not None
        assert nonsense.finished.codes == {"algo-1": 126}

    def test_stops(self, folder: Path) -> None:
        script = "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done"
        launch(folder, [shell(folder, script)], max_runtime=None, grace=20)
        assert status(folder).alive
        until(says(folder, "ready"))
        assert stop(folder)
        assert stop(folder) in (True, False)  # the second request changes nothing
        result = end(folder)
        assert result.finished is not None
        assert result.finished.outcome == "stopped"
        assert result.finished.codes == {"algo-1": 0}
        assert result.stopping == "stop"
        assert lines(folder)[-1] == "bye"
        assert not stop(folder)

    def test_stop_straight_after_launch(self, folder: Path) -> None:
        launch(folder, [shell(folder, "sleep 60")], max_runtime=None, grace=20)
        assert stop(folder)
        result = end(folder)
        assert result.finished is not None
        assert result.finished.outcome == "stopped"

    def test_is_killed_after_the_grace_period(self, folder: Path) -> None:
        script = "trap '' TERM; echo ready; while :; do sleep 0.01; done"
        launch(folder, [shell(folder, script)], max_runtime=None, grace=1)
        until(says(folder, "ready"))
        stop(folder)
        result = end(folder)
        assert result.finished is not None
        assert result.finished.codes == {"algo-1": -signal.SIGKILL}
        times = {event["event"]: event["time"] for event in events(folder)}
        assert 0.9 < times["exited"] - times["stopping"] < 10

    def test_max_runtime(self, folder: Path) -> None:
        result = run(folder, shell(folder, "sleep 60"), max_runtime=1)
        assert result.finished is not None
        assert result.finished.outcome == "max_runtime"
        assert result.stopping == "max_runtime"
        assert result.started is not None
        assert 0.8 < result.finished.time - result.started < 10

    def test_sigterm_of_the_supervisor_is_a_stop(self, folder: Path) -> None:
        launch(folder, [shell(folder, "sleep 60")], max_runtime=None, grace=20)
        os.kill(supervisor_pid(folder), signal.SIGTERM)
        result = end(folder)
        assert result.finished is not None
        assert result.finished.outcome == "stopped"


@pytest.mark.integ
class TestSeveralHosts:
    def test_all_complete(self, folder: Path) -> None:
        hosts = [shell(folder, f"echo {name}", name) for name in ("algo-1", "algo-2", "algo-3")]
        result = run(folder, *hosts)
        assert result.finished is not None
        assert result.finished.outcome == "completed"
        assert result.finished.codes == {"algo-1": 0, "algo-2": 0, "algo-3": 0}
        assert lines(folder, "algo-2") == ["algo-2"]

    def test_one_failure_ends_the_others(self, folder: Path) -> None:
        result = run(folder, shell(folder, "sleep 60", "algo-1"), shell(folder, "exit 7", "algo-2"))
        assert result.finished is not None
        assert result.finished.outcome == "failed"
        assert result.finished.codes == {"algo-1": -signal.SIGTERM, "algo-2": 7}
        assert result.stopping == "failed"

    def test_a_failure_names_the_host_that_was_first(self, folder: Path) -> None:
        second = "trap 'exit 8' TERM; while :; do sleep 0.01; done"
        result = run(folder, shell(folder, second, "algo-1"), shell(folder, "exit 7", "algo-2"))
        assert result.failed == "algo-2"

    def test_a_helper_ends_with_the_last_host(self, folder: Path) -> None:
        helper = attrs.evolve(shell(folder, "sleep 60", "helper"), helper=True)
        result = run(folder, helper, shell(folder, "true"), shell(folder, "sleep 0.1", "algo-2"))
        assert result.finished is not None
        assert result.finished.outcome == "completed"
        assert result.finished.codes == {"algo-1": 0, "algo-2": 0}
        marker = json.loads((folder / "spec.json").read_text())["marker"]
        assert processes.marked_by_ps(marker) == []

    def test_a_helper_that_fails_ends_the_hosts(self, folder: Path) -> None:
        helper = attrs.evolve(shell(folder, "exit 3", "helper"), helper=True)
        result = run(folder, helper, shell(folder, "sleep 60"))
        assert result.finished is not None
        assert (result.finished.outcome, result.failed) == ("failed", "helper")

    def test_a_stop_does_not_hide_a_failure(self, folder: Path) -> None:
        stubborn = "trap '' TERM; echo ready; while :; do sleep 0.01; done"
        hosts = [shell(folder, stubborn, "algo-1"), shell(folder, "exit 7", "algo-2")]
        launch(folder, hosts, max_runtime=None, grace=1)
        until(lambda: status(folder).stopping == "failed")
        stop(folder)
        result = end(folder)
        assert result.finished is not None
        assert result.finished.outcome == "failed"


@pytest.mark.integ
class TestOutput:
    def test_a_hundred_thousand_lines(self, folder: Path) -> None:
        script = "for n in range(100_000): print(n, 'x' * (n % 50))"
        result = run(folder, python(folder, script))
        assert result.finished is not None
        found = whole_log(folder / "logs" / "algo-1.log")
        assert [text for _, text in found] == [f"{n} {'x' * (n % 50)}" for n in range(100_000)]
        stamps = [stamp for stamp, _ in found]
        assert stamps == sorted(stamps)
        assert abs(stamps[-1] / 1000 - result.finished.time) < 5

    def test_strange_bytes(self, folder: Path) -> None:
        script = (
            "import os\n"
            "os.write(1, b'\\xff\\xfe caf\\xc3\\xa9\\r\\n\\n\\0\\x0b\\xe2\\x80\\xa8\\n')\n"
            "os.write(1, b'half \\xc3'); os.write(1, b'\\xa9\\n')\n"
            "os.write(1, ('\u00e9' * 400_000).encode() + b'\\n' + b'z' * 300_000)\n"
        )
        run(folder, python(folder, script))
        first, second, third, fourth, *rest = lines(folder)
        assert (first, second, third, fourth) == ("\ufffd\ufffd café", "", "\0\x0b\u2028", "half é")
        assert max(len(piece.encode()) for piece in rest) <= 262_118
        assert "".join(rest) == "é" * 400_000 + "z" * 300_000
        assert len(rest) == 4 + 2

    def test_closed_early(self, folder: Path) -> None:
        script = (
            "import os, time\n"
            "print('last words', flush=True); os.close(1); os.close(2); time.sleep(1)\n"
        )
        launch(folder, [python(folder, script)], max_runtime=None, grace=20)
        pid = supervisor_pid(folder)
        until(says(folder, "last words"))
        used = cpu_seconds(pid)
        while not status(folder).finished:
            used = cpu_seconds(pid) or used
            time.sleep(0.02)
        assert used < 0.5  # a busy loop takes all of the second
        result = end(folder)
        assert result.finished is not None
        assert result.finished.outcome == "completed"

    def test_a_full_disk_costs_lines_of_the_log_only(self, folder: Path) -> None:
        script = (
            "import os, sys\n"
            "print('x' * 8000, flush=True)\n"
            "for line in open('go'): print(line.strip(), flush=True)\n"
        )
        os.mkfifo(folder / "go")
        launch(folder, [python(folder, script)], max_runtime=None, grace=20)
        until(says(folder, "x" * 8000))
        pid = supervisor_pid(folder)
        with (folder / "go").open("w", buffering=1) as go:
            limits = resource.prlimit(pid, resource.RLIMIT_FSIZE, (8050, resource.RLIM_INFINITY))
            go.write(f"torn {'y' * 100}\n")
            until(lambda: whole_log_size(folder) == 8050)
            go.write("lost\n")
            go.write("lost\n")
            until(lambda: is_waiting(pid))
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
            go.write("again\n")
        result = end(folder)
        assert result.finished is not None
        assert result.finished.outcome == "completed"
        _, torn, note, again = lines(folder)
        assert torn.startswith("torn y")
        assert "lines of the log were lost: the disk was full" in note
        assert again == "again"


def whole_log_size(folder: Path) -> int:
    return (folder / "logs" / "algo-1.log").stat().st_size


def is_waiting(pid: int) -> bool:
    """Whether the process sleeps, and goes on sleeping for a moment."""
    first = Path(f"/proc/{pid}/stat").read_text().split()
    time.sleep(0.05)
    second = Path(f"/proc/{pid}/stat").read_text().split()
    return first[2] == second[2] == "S" and first[13:15] == second[13:15]


def cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.integ
@linux
class TestLeftovers:
    def test_of_a_host_are_ended_with_it(self, folder: Path) -> None:
        # One in the group, one in a session of its own and orphaned, one without the marker too.
        script = (
            f"sleep 61{OWN} & setsid sleep 62{OWN} & (env -i setsid sleep 63{OWN} &); echo ready"
        )
        result = run(folder, shell(folder, script))
        assert result.finished is not None
        assert result.finished.outcome == "completed"
        marker = json.loads((folder / "spec.json").read_text())["marker"]
        assert processes.marked_by_ps(marker) == []
        assert not sleeping("61")
        assert not sleeping("62")
        assert not sleeping("63")

    def test_of_a_killed_supervisor_end_by_the_lifeline(self, folder: Path) -> None:
        script = (
            "import os, signal\n"
            "print('ready', flush=True)\n"
            "os.read(int(os.environ['SMCORE_LIFELINE_FD']), 1)\n"
            "os.killpg(0, signal.SIGKILL)\n"
        )
        launch(folder, [python(folder, script)], max_runtime=None, grace=20)
        until(says(folder, "ready"))
        pid = next(event["pid"] for event in events(folder) if event["event"] == "started")
        os.kill(supervisor_pid(folder), signal.SIGKILL)
        until(lambda: not runs(pid))
        result = end(folder)
        assert result == Status(alive=False, started=result.started)
        assert result.started is not None

    def test_of_a_killed_supervisor_are_swept(self, folder: Path) -> None:
        script = f"setsid sleep 64{OWN} & sleep 65{OWN} & echo ready; wait"
        launch(folder, [shell(folder, script)], max_runtime=None, grace=20)
        until(lambda: sleeping("64") and sleeping("65"))
        sweep(folder)
        assert sleeping("64"), "those of a living supervisor are left alone"
        marker = json.loads((folder / "spec.json").read_text())["marker"]
        assert len(processes.marked_by_ps(marker)) >= 3
        os.kill(supervisor_pid(folder), signal.SIGKILL)
        until(lambda: not status(folder).alive)
        assert sleeping("64")
        sweep(folder)
        assert not sleeping("64")
        assert not sleeping("65")
        sweep(folder)

    def test_are_swept_by_the_next_launch(self, folder: Path) -> None:
        launch(folder, [shell(folder, f"exec sleep 66{OWN}")], max_runtime=None, grace=20)
        until(lambda: sleeping("66"))
        os.kill(supervisor_pid(folder), signal.SIGKILL)
        until(lambda: not status(folder).alive)
        with (folder / "events.jsonl").open("a") as stream:
            stream.write('{"time": 1, "event": "fini')
        result = run(folder, shell(folder, "echo second"))
        assert not sleeping("66")
        assert result.finished is not None
        assert result.finished.outcome == "completed"
        assert result.finished.codes == {"algo-1": 0}

    def test_the_supervisor_outlives_whoever_launched_it(self, folder: Path) -> None:
        script = (
            "import os, signal, sys; from pathlib import Path\n"
            "from sm_local.processes import HostProcess, launch\n"
            "folder = Path(sys.argv[1])\n"
            "host = HostProcess(name='algo-1', command=('/bin/sh', '-c', 'read x < go; echo $x'),\n"
            "    environment={}, directory=folder, log=folder / 'logs' / 'algo-1.log')\n"
            "launch(folder, [host], max_runtime=None, grace=1)\n"
            "os.killpg(0, signal.SIGKILL)\n"
        )
        os.mkfifo(folder / "go")
        command = [sys.executable, "-c", script, str(folder)]
        launcher = subprocess.run(command, start_new_session=True, check=False)
        assert launcher.returncode == -signal.SIGKILL
        assert status(folder).alive
        (folder / "go").write_text("onward\n")
        assert end(folder).finished is not None
        assert lines(folder) == ["onward"]


def sleeping(seconds: str) -> bool:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if path.read_bytes() == f"sleep\0{seconds}{OWN}\0".encode():
                return True
    return False


@pytest.mark.integ
class TestLaunch:
    def test_twice(self, folder: Path) -> None:
        launch(folder, [shell(folder, "sleep 60")], max_runtime=None, grace=1)
        with pytest.raises(LocalServiceError, match=r"runs in .* already"):
            launch(folder, [shell(folder, "sleep 60")], max_runtime=None, grace=1)

    def test_of_two_at_once_one_wins(self, folder: Path) -> None:
        failures: list[LocalServiceError] = []

        def start() -> None:
            try:
                launch(folder, [shell(folder, "read x < go")], max_runtime=None, grace=1)
            except LocalServiceError as error:
                failures.append(error)

        os.mkfifo(folder / "go")
        threads = [threading.Thread(target=start) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(failures) == 1
        assert "runs in" in str(failures[0])
        with (folder / "go").open("w"):
            pass
        assert end(folder).finished is not None

    def test_status_requests_do_not_disturb_it(self, folder: Path) -> None:
        (folder / "lock").touch()
        done = threading.Event()
        threads = [
            threading.Thread(target=lambda: [status(folder) for _ in iter(done.is_set, True)])
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        try:
            for _ in range(5):
                assert run(folder, shell(folder, "")).finished is not None
        finally:
            done.set()
            for thread in threads:
                thread.join()

    @pytest.mark.parametrize(
        ("count", "grace", "message"),
        [(0, 1, "no hosts"), (2, 1, "two of the same name"), (1, "soon", "grace is missing")],
    )
    def test_bad_specification(self, folder: Path, count: int, grace: Any, message: str) -> None:
        hosts = [python(folder, "", SECRET="hush")] * count
        with pytest.raises(LocalServiceError, match=message) as caught:
            launch(folder, hosts, max_runtime=None, grace=grace)
        assert "hush" not in str(caught.value)
        assert not status(folder).alive
        assert "Traceback" not in str(caught.value)

    def test_log_that_cannot_be_written(self, folder: Path) -> None:
        (folder / "logs" / "algo-1.log").mkdir(parents=True)
        with pytest.raises(LocalServiceError, match=r"algo-1\.log"):
            launch(folder, [shell(folder, "true")], max_runtime=None, grace=1)

    def test_events_that_cannot_be_written(self, folder: Path) -> None:
        (folder / "events.jsonl").write_text("\n" * 8192)
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limits[1]))
        try:
            with pytest.raises(LocalServiceError, match=os.strerror(errno.EFBIG)):
                launch(folder, [shell(folder, "true")], max_runtime=None, grace=1)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert not status(folder).alive

    def test_events_that_cannot_be_written_end_the_job(self, folder: Path) -> None:
        os.mkfifo(folder / "go")
        launch(folder, [shell(folder, "read x < go; exit 5")], max_runtime=None, grace=1)
        until(lambda: status(folder).started)
        pid = supervisor_pid(folder)
        size = (folder / "events.jsonl").stat().st_size
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        stop(folder)
        result = end(folder)
        assert result.finished is None
        assert os.strerror(errno.EFBIG) in result.message
        marker = json.loads((folder / "spec.json").read_text())["marker"]
        assert processes.marked_by_ps(marker) == []


def test_a_folder_without_a_supervisor(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        assert status(folder) == Status(alive=False)
        assert not stop(folder)
        sweep(folder)


def test_a_process_number_is_no_sign_of_life(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    event = {"time": 5.0, "event": "started", "host": "algo-1", "pid": os.getpid()}
    (tmp_path / "events.jsonl").write_text(json.dumps(event) + "\n")
    assert status(tmp_path) == Status(alive=False, started=5.0)


def test_log_lines(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "algo-1.log"
    assert read_log(log) == ([], 0)
    before = int(time.time() * 1000)
    log_line(log, "building\n  on two lines\n")
    log_line(log, "")
    found, offset = read_log(log)
    assert [text for _, text in found] == ["building", "  on two lines", ""]
    assert all(before <= stamp <= time.time() * 1000 for stamp, _ in found)
    assert read_log(log, offset) == ([], offset)
    log_line(log, "more")
    assert [text for _, text in read_log(log, offset)[0]] == ["more"]
    assert [text for _, text in read_log(log, limit=2)[0]] == ["building", "  on two lines"]


def test_a_line_being_written_is_not_read(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"5 whole\n6 ha")
    assert read_log(log) == ([(5, "whole")], 8)
    log.write_bytes(b"5 whole\n6 half\nwithout a stamp\n\xff \xff\n")
    assert read_log(log, 8)[0] == [(6, "half"), (6, "without a stamp"), (6, "\ufffd \ufffd")]


def test_much_is_read_in_parts(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"".join(b"%d %s\n" % (n, b"x" * 100_000) for n in range(25)))
    first, offset = read_log(log)
    assert 10 <= len(first) <= 11
    assert len(whole_log(log)) == 25
    assert read_log(log, offset)[0][0][0] == len(first)


@given(st.lists(st.text(st.characters(exclude_characters="\n", codec="utf-8"))), st.integers(1, 5))
def test_any_text_comes_back(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], limit: int
) -> None:
    log = tmp_path_factory.mktemp("logs") / "log"
    for text in texts:
        log_line(log, text)
    found: list[str] = []
    offset = 0
    while (page := read_log(log, offset, limit))[0]:
        found += [text for _, text in page[0]]
        offset = page[1]
    assert found == texts


def test_a_log_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "LOG_LIMIT", 1 << 20)
    path = tmp_path / "log"
    log_line(path, "before")
    log = supervisor.Log(str(path))
    for _ in range(300):
        log.feed(b"x" * 9_999 + b"\n")
    log.feed(b"the rest")
    log.close()
    assert path.stat().st_size <= (1 << 20) + 100
    lines: list[str] = []
    offset = 0
    while found := read_log(path, offset)[0]:
        lines += [text for _, text in found]
        offset = read_log(path, offset)[1]
    assert lines[0] == "before"
    assert len(lines) > 100
    assert lines[-1] == "the log ends here: it has 1 MiB"
    assert set(lines[1:-1]) == {"x" * 9_999}


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (3, "3"),
        (-11, "139 (SIGSEGV)"),
        (139, "139 (SIGSEGV)"),
        (-9, "137 (SIGKILL; this machine's memory may have run out)"),
        (255, "255"),
    ],
)
def test_exit_codes_in_words(code: int, text: str) -> None:
    assert exit_text(code) == text
