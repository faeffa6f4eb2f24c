"""How a service starts, is found, replaced and ended. The application is a stand-in."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from sm_core.errors import LocalServiceError
from sm_local import startup
from sm_local.home import Home
from sm_local.locks import free
from sm_local.startup import (
    Service,
    ensure_service,
    probe,
    service_environment,
    shut_down,
    stop_service,
)


def test_the_environment_is_an_allow_list() -> None:
    shell = {
        "PATH": "/bin",
        "LC_TIME": "C",
        "https_proxy": "http://proxy",
        "PIP_INDEX_URL": "https://index",
        "UV_OFFLINE": "1",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "GITHUB_TOKEN": "secret",
        "UV_PUBLISH_TOKEN": "secret",
        "PIP_SECRET": "secret",
        "SMCORE_BACKEND": "local",
        "SMCORE_LOCAL_IDLE_MINUTES": "5",
        "UV_INDEX_MINE_PASSWORD": "index",
        "LD_PRELOAD": "x.so",
        "PYTHONSTARTUP": "x.py",
        "PYTHONPATH": f"lib{os.pathsep}/opt/lib",
    }
    assert service_environment(shell) == {
        "PATH": "/bin",
        "LC_TIME": "C",
        "https_proxy": "http://proxy",
        "PIP_INDEX_URL": "https://index",
        "UV_OFFLINE": "1",
        "SMCORE_LOCAL_IDLE_MINUTES": "5",
        "UV_INDEX_MINE_PASSWORD": "index",
        "PYTHONPATH": f"{Path.cwd() / 'lib'}{os.pathsep}/opt/lib",
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
    }


def test_nothing_runs_in_a_home_that_is_not_there(tmp_path: Path) -> None:
    home = Home(tmp_path / "missing")
    assert probe(home) is None
    assert not stop_service(home)
    assert not home.path.exists()


def test_a_home_on_a_network_file_system(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sm_local.home.network_filesystem", lambda path, mounts: "nfs4")
    with pytest.raises(LocalServiceError, match=r"network file system \(nfs4\).*SMCORE_LOCAL_HOME"):
        ensure_service(home)


@pytest.fixture
def home(standin_home: Home) -> Home:
    """A home whose service has the stand-in."""
    return standin_home


@pytest.fixture
def standin(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets how the stand-in behaves."""
    return lambda mode: monkeypatch.setenv("SMCORE_LOCAL_STANDIN", mode)


def ask(service: Service, path: str = "/") -> dict[str, Any]:
    """The stand-in's answer."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(service.endpoint_url + path, timeout=10) as response:
        answer: dict[str, Any] = json.load(response)
    return answer


def gone(pid: int) -> bool:
    """Whether the process ends within some seconds."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


@pytest.mark.integ
class TestStart:
    def test_ready_when_it_returns(self, home: Home) -> None:
        service = ensure_service(home)
        assert ask(service)["pid"] == service.pid
        assert probe(home) == service == ensure_service(home)
        assert service.endpoint_url == f"http://127.0.0.1:{service.port}"
        assert 0 <= time.time() - service.started < 60
        for path in (home.service_json, home.service_lock, home.service_log, home.port_file):
            assert path.stat().st_mode & 0o777 == 0o600

    def test_a_process_of_its_own(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted")
        service = ensure_service(home)
        process = Path("/proc") / str(service.pid)
        assert os.getsid(service.pid) != os.getsid(0)
        assert f"PPid:\t{os.getpid()}\n" not in (process / "status").read_text()
        assert b"planted" not in (process / "environ").read_bytes()
        assert (process / "cwd").readlink() == home.path
        streams = [(process / "fd" / str(number)).readlink() for number in range(3)]
        assert streams == [Path(os.devnull), home.service_log, home.service_log]

    def test_of_many_who_start_it_one_does(self, home: Home) -> None:
        with ThreadPoolExecutor(8) as pool:
            services = set(pool.map(lambda _: ensure_service(home), range(8)))
        assert len(services) == 1

    def test_of_many_processes_one_starts_it(self, home: Home) -> None:
        program = (
            "import sys; from sm_local.home import Home; from sm_local.startup import "
            "ensure_service; print(ensure_service(Home(sys.argv[1])).pid)"
        )
        starters = [
            subprocess.Popen(
                [sys.executable, "-c", program, str(home.path)], stdout=subprocess.PIPE, text=True
            )
            for _ in range(4)
        ]
        pids = {starter.communicate()[0] for starter in starters}
        running = probe(home)
        assert running is not None
        assert pids == {f"{running.pid}\n"}

    def test_another_folder_as_working_folder(
        self, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "json.py").write_text("raise SystemExit('the wrong json')")
        monkeypatch.chdir(tmp_path)
        assert ask(ensure_service(home))

    def test_a_failure_holds_the_services_last_words(
        self, home: Home, standin: Callable[[str], None]
    ) -> None:
        standin("fails")
        home.create().service_log.write_text("an old line\n")
        with pytest.raises(LocalServiceError, match="RuntimeError: the disk is on fire") as failure:
            ensure_service(home)
        assert "an old line" not in str(failure.value)
        assert str(home.service_log) in str(failure.value)
        assert free(home.service_lock, 20)
        standin("")
        assert ask(ensure_service(home))

    def test_one_that_hangs_is_ended(
        self, home: Home, standin: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        standin("hangs")
        monkeypatch.setattr(startup, "READY_SECONDS", 2.0)
        with pytest.raises(LocalServiceError, match="not ready after 2 s"):
            ensure_service(home)
        assert free(home.service_lock, 20)

    def test_an_occupied_port(self, home: Home) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            with pytest.raises(LocalServiceError, match=f"port {port} .*sm local up --port"):
                ensure_service(home, port=port)
            home.port_file.write_text(str(port))
            with pytest.raises(LocalServiceError, match=f"port {port} "):
                ensure_service(home)
            assert ensure_service(home, port=0).port != port

    def test_a_large_log_is_set_aside(self, home: Home) -> None:
        with home.create().service_log.open("wb") as log:
            log.truncate(17 * 1024 * 1024)
        ensure_service(home)
        assert home.service_log.stat().st_size < 10_000
        assert home.path.joinpath("service.log.1").exists()

    def test_nonsense_in_a_variable(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SMCORE_LOCAL_IDLE_MINUTES", "soon")
        with pytest.raises(LocalServiceError, match="SMCORE_LOCAL_IDLE_MINUTES is 'soon'"):
            ensure_service(home)

    def test_two_cannot_share_a_home(self, home: Home) -> None:
        ensure_service(home)
        second = subprocess.run(
            [sys.executable, "-m", "sm_local.service", str(home.path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert second.returncode == 1
        assert second.stderr.endswith(f"another local service runs in {home.path}\n")


@pytest.mark.integ
class TestEnd:
    def test_stop(self, home: Home) -> None:
        service = ensure_service(home)
        assert stop_service(home)
        assert gone(service.pid)
        assert probe(home) is None
        assert not home.service_json.exists()
        assert json.loads((home.path / "ended").read_text()) == {"stop_endpoints": True}
        assert not stop_service(home)
        again = ensure_service(home)
        assert again.port == service.port
        assert again.pid != service.pid

    @pytest.mark.parametrize("jobs", [False, True])
    def test_what_it_says_at_its_end(self, home: Home, jobs: bool) -> None:
        ensure_service(home)
        stopped = shut_down(home, jobs=jobs)
        assert stopped is not None
        assert (stopped.endpoints, stopped.jobs) == (("an-endpoint",), ("a-job",))
        assert json.loads((home.path / "asked").read_text()) == {"jobs": jobs}

    def test_one_that_refuses_is_ended_by_a_signal(
        self, home: Home, standin: Callable[[str], None]
    ) -> None:
        standin("deaf")
        service = ensure_service(home)
        assert stop_service(home)
        assert gone(service.pid)
        assert (home.path / "ended").exists()

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_signals_end_it_in_good_order(self, home: Home, number: signal.Signals) -> None:
        service = ensure_service(home)
        os.kill(service.pid, number)
        assert gone(service.pid)
        assert json.loads((home.path / "ended").read_text()) == {"stop_endpoints": True}
        assert not home.service_json.exists()

    @pytest.mark.parametrize("child", ["obedient", "stubborn"])
    def test_its_own_children_end_with_it(
        self, home: Home, standin: Callable[[str], None], child: str
    ) -> None:
        standin(child)
        ensure_service(home)
        assert stop_service(home)
        assert gone(int((home.path / "child").read_text()))

    def test_killed_and_started_again(self, home: Home) -> None:
        service = ensure_service(home)
        os.kill(service.pid, signal.SIGKILL)
        assert free(home.service_lock, 20)
        assert home.service_json.exists()
        assert probe(home) is None
        again = ensure_service(home)
        assert ask(again)["pid"] == again.pid != service.pid
        assert again.port == service.port

    def test_a_home_that_is_gone(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SMCORE_LOCAL_IDLE_MINUTES", "0.1")
        service = ensure_service(home)
        shutil.rmtree(home.path)
        assert gone(service.pid)


@pytest.mark.integ
class TestIdle:
    #: A tenth of a second.
    MINUTES = str(0.1 / 60)

    def test_ends_by_itself(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SMCORE_LOCAL_IDLE_MINUTES", self.MINUTES)
        service = ensure_service(home)
        assert gone(service.pid)
        assert (home.path / "ended").exists()

    @pytest.mark.parametrize("reason", ["busy", "stays", "never"])
    def test_stays(
        self,
        home: Home,
        standin: Callable[[str], None],
        monkeypatch: pytest.MonkeyPatch,
        reason: str,
    ) -> None:
        monkeypatch.setenv("SMCORE_LOCAL_IDLE_MINUTES", "0" if reason == "never" else self.MINUTES)
        standin(reason)
        home.create()
        if reason == "stays":
            home.stay_marker.touch()
        ensure_service(home)
        assert not free(home.service_lock, 0.7)


@pytest.mark.integ
class TestVersions:
    def rewrite(self, home: Home, version: str) -> Service:
        """Make the running service look as if it were of another version."""
        members = json.loads(home.service_json.read_text())
        home.service_json.write_text(json.dumps(members | {"version": version}))
        running = probe(home)
        assert running is not None
        return running

    def test_an_older_one_is_replaced(self, home: Home) -> None:
        ensure_service(home)
        older = self.rewrite(home, "0.0.9")
        newer = ensure_service(home)
        assert newer.pid != older.pid
        assert newer.port == older.port
        assert gone(older.pid)
        assert json.loads((home.path / "asked").read_text()) == {"jobs": False}

    def test_a_newer_one_is_used(self, home: Home) -> None:
        ensure_service(home)
        newer = self.rewrite(home, "1000.1.dev2")
        assert ensure_service(home) == newer
