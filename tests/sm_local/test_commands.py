"""``sm local``, with the real service."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import pytest
from click.testing import CliRunner, Result

from sm_core.cli import main
from sm_local import leftovers, processes
from sm_local.home import Home
from sm_local.locks import held
from sm_local.startup import ensure_service, probe

#: Asks the service something, as any program with boto3 would.
CLIENT = """
import json, boto3
boto3.client("s3").create_bucket(Bucket="from-another-client")
print(json.dumps({
    "arn": boto3.client("sts").get_caller_identity()["Arn"],
    "jobs": boto3.client("sagemaker").list_training_jobs()["TrainingJobSummaries"],
}))
"""


def sm(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["local", *arguments], catch_exceptions=False)


@pytest.fixture
def home(service_home: Home) -> Iterator[Home]:
    """The home that the commands find, with nothing left running in it."""
    yield service_home
    if service_home.path.exists():
        leftovers.end_model_servers(service_home)
        leftovers.end_jobs(service_home)


def test_help() -> None:
    result = sm("--help")
    for name in ("up", "down", "status", "env", "logs", "envs", "prune"):
        assert f"\n  {name} " in result.output
        assert sm(name, "--help").exit_code == 0


def test_nothing_is_started_by_asking(home: Home) -> None:
    assert "not running" in sm("status").output
    state = json.loads(sm("status", "--json").output)
    assert state == {"running": False, "home": str(home.path), "running_jobs": []}
    assert sm("down").output == "No local service was running.\n"
    assert json.loads(sm("down", "--json").output) == {
        "ended": False,
        "endpoints": [],
        "waiting_jobs": [],
        "running_jobs": [],
        "stopped_jobs": [],
    }
    assert json.loads(sm("envs", "--json").output) == []
    assert json.loads(sm("prune", "--json").output) == []
    assert not home.path.exists()


@pytest.mark.parametrize("port", ["-1", "65536", "http"])
def test_no_port(port: str) -> None:
    result = sm("up", "--port", port)
    assert result.exit_code == 2
    assert "--port" in result.output


def test_an_unusable_home(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMCORE_LOCAL_HOME", str(tmp_path / "file"))
    (tmp_path / "file").touch()
    result = sm("up")
    assert result.exit_code == 1
    assert result.output.startswith("Error: the home of the local service cannot be made")


@pytest.mark.integ
class TestUpAndDown:
    def test_up_status_down(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("COLUMNS", "200")
        output = sm("up").output
        service = probe(home)
        assert service is not None
        assert f"listens on {service.endpoint_url} (process {service.pid})" in output
        assert home.stay_marker.exists()
        state = json.loads(sm("status", "--json").output)
        assert (state["running"], state["port"], state["pid"], state["stays"]) == (
            True,
            service.port,
            service.pid,
            True,
        )
        assert (state["jobs"], state["endpoints"]) == ({"running": 0}, [])
        names = "names resolve" if state["hosts"]["network"] == "private" else "no names: "
        table = sm("status").output
        for text in (str(home.path), service.endpoint_url, "with `sm local down`", "none", names):
            assert text in table
        assert sm("up").output == output
        assert json.loads(sm("up", "--json").output) == state
        assert sm("down").output == "The local service has ended.\n"
        assert started_in(home) == []
        assert not held(home.service_lock)
        assert not home.stay_marker.exists()

    def test_a_service_that_started_itself_stays_from_now_on(self, home: Home) -> None:
        ensure_service(home)
        assert not json.loads(sm("status", "--json").output)["stays"]
        assert "by itself when idle" in sm("status").output
        sm("up")
        assert json.loads(sm("status", "--json").output)["stays"]

    def test_the_port(self, home: Home) -> None:
        sm("up")
        service = probe(home)
        assert service is not None
        other = service.port + 1
        result = sm("up", "--port", str(other))
        assert result.exit_code == 1
        assert f"already listens on port {service.port}" in result.output
        sm("down")
        result = sm("up", "--port", str(other))
        assert (result.exit_code, f":{other} " in result.output) == (0, True), result.output

    def test_the_running_state_does_not_answer(self, home: Home) -> None:
        ensure_service(home)
        home.credentials_json.unlink()
        result = sm("status")
        assert result.exit_code == 1
        assert "refused GET /_sm_local/status: HTTP 403" in result.output
        assert sm("down").exit_code == 0
        assert not held(home.service_lock)

    @pytest.mark.parametrize("running", [False, True])
    def test_jobs_go_on_and_model_servers_do_not(self, home: Home, running: bool) -> None:
        job = launch(home.create().jobs / "my-job-0123abcd")
        server = launch(home.endpoints / "gone-0123abcd" / "AllTraffic-1")
        if running:
            sm("up")
        else:
            state = json.loads(sm("status", "--json").output)
            assert state["running_jobs"] == ["my-job"]
            assert "running without it: my-job" in sm("status").output
        output = sm("down").output
        assert "Training jobs that go on: my-job\n" in output
        assert "sm local down --all" in output
        assert processes.status(job).alive
        assert not processes.status(server).alive
        assert [path for path in started_in(home) if home.jobs not in path.parents] == []
        if running:
            told = json.loads(sm("down", "--all", "--json").output)
            assert (told["running_jobs"], told["stopped_jobs"]) == ([], ["my-job"])
        else:
            output = sm("down", "--all").output
            assert "go on" not in output
            assert "Training jobs that were stopped: my-job" in output
        assert not processes.status(job).alive
        assert started_in(home) == []


@pytest.mark.integ
class TestEnv:
    def test_as_an_object(self, home: Home) -> None:
        variables = json.loads(sm("env", "--json").output)
        service, pair = probe(home), home.credentials()
        assert service is not None
        assert variables == {
            "AWS_ENDPOINT_URL": service.endpoint_url,
            "AWS_ACCESS_KEY_ID": pair.access_key_id,
            "AWS_SECRET_ACCESS_KEY": pair.secret_access_key,
            "AWS_DEFAULT_REGION": "us-east-1",
            "NO_PROXY": "127.0.0.1,localhost",
            "AWS_PROFILE": None,
            "AWS_SESSION_TOKEN": None,
        }

    def test_what_would_take_precedence(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NO_PROXY", "example.com, localhost")
        monkeypatch.setenv("no_proxy", "example.org")
        for name in ("AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_PROFILE"):
            monkeypatch.setenv(name, "x")
        variables = json.loads(sm("env", "--json").output)
        assert variables["NO_PROXY"] == "example.com,localhost,127.0.0.1"
        assert variables["no_proxy"] == "example.org,127.0.0.1,localhost"
        for name in ("AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_PROFILE"):
            assert variables[name] is None

    def test_in_every_shell_nothing_of_it_is_run(self, home: Home, tmp_path: Path) -> None:
        python = shlex.quote(sys.executable)
        script = f'eval "$({python} -m sm_core.cli local env)" && exec {python} -c "$TELL"'
        shells = [path for name in ("sh", "bash", "dash", "zsh", "ksh") if (path := which(name))]
        assert shells
        for shell in shells:
            done = subprocess.run(
                [shell, "-c", script],
                env={
                    **os.environ,
                    "TELL": "import json, os; print(json.dumps(dict(os.environ)))",
                    "NO_PROXY": """it's,"$(touch run)`touch run`",a b,*;touch run""",
                    "AWS_PROFILE": "missing",
                    "AWS_SESSION_TOKEN": "other",
                },
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            seen = json.loads(done.stdout)
            assert seen["NO_PROXY"] == (
                """it's,"$(touch run)`touch run`",a b,*;touch run,127.0.0.1,localhost"""
            )
            assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN"} & seen.keys()
            assert seen["AWS_SECRET_ACCESS_KEY"] == home.credentials().secret_access_key
            assert not (tmp_path / "run").exists()

    def test_in_a_shell_with_other_settings(self, home: Home) -> None:
        hostile = {
            **os.environ,
            "AWS_PROFILE": "missing",
            "AWS_SESSION_TOKEN": "other",
            "AWS_REGION": "eu-west-1",
            "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
            "HTTP_PROXY": "http://127.0.0.1:9",
            "no_proxy": "example.com",
        }
        python = shlex.quote(sys.executable)
        script = f'eval "$({python} -m sm_core.cli local env)" && {python} -c "$CLIENT"'
        result = subprocess.run(
            ["bash", "-c", script],
            env=hostile | {"CLIENT": CLIENT},
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        answer = json.loads(result.stdout)
        assert answer["arn"].startswith("arn:aws:")
        assert answer["jobs"] == []


def started_in(home: Home) -> list[Path]:
    """Paths in `home` that processes were started with or work in, of all that live."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            paths = [Path(os.fsdecode(word)) for word in words] + [(process / "cwd").readlink()]
        except (FileNotFoundError, PermissionError, ProcessLookupError):
            continue
        found += [path for path in paths if home.path in (path, *path.parents)]
    return found


def launch(folder: Path) -> Path:
    """A supervisor whose host waits."""
    folder.mkdir(parents=True)
    host = processes.HostProcess(
        name="algo-1",
        command=(sys.executable, "-c", "import time; time.sleep(600)"),
        environment={"PATH": os.environ["PATH"]},
        directory=folder,
        log=folder / "log",
    )
    processes.launch(folder, [host], max_runtime=None, grace=5)
    return folder


class TestLogs:
    def test_of_the_service(self, home: Home) -> None:
        result = sm("logs")
        assert result.exit_code != 0
        assert "the service has not run yet" in result.output
        home.create()
        home.service_log.write_text("".join(f"line {number}\n" for number in range(5)))
        assert sm("logs", "--lines", "2").output == "line 3\nline 4\n"

    def test_of_a_job(self, home: Home) -> None:
        logs = home.create().jobs / "my-job-0123abcd" / "logs"
        logs.mkdir(parents=True)
        (logs / "algo-1.log").write_text("1 one\n")
        assert sm("logs", "my-job").output == "1 one\n"
        (logs / "algo-2.log").write_text("2 two\n")
        assert sm("logs", "my-job").output == (
            "==> jobs/my-job-0123abcd/logs/algo-1.log <==\n1 one\n"
            "==> jobs/my-job-0123abcd/logs/algo-2.log <==\n2 two\n"
        )
        for name in ("other", "*", "/my-job", "../jobs/my-job", "[", ""):
            result = sm("logs", name)
            assert (result.exit_code, "there is no log of" in result.output) == (1, True)
        assert sm("logs", "--lines", "-1").exit_code == 2


class TestEnvironments:
    def test_shown_and_pruned(self, home: Home) -> None:
        assert sm("envs").output == "There are no environments.\n"
        folder = home.create().environments / "0123"
        folder.mkdir()
        (folder / ".complete").write_text('{"python": "/python", "what": "mxnet 1.9.1 (cpu)"}')
        os.utime(folder / ".complete", (1, 1))
        (shown,) = json.loads(sm("envs", "--json").output)
        assert (shown["what"], shown["used"], shown["in_use"]) == ("mxnet 1.9.1 (cpu)", 1, False)
        assert sm("envs").output.startswith("0123  mxnet 1.9.1 (cpu)  0 MB  last used 1970-01-01")
        output = sm("prune").output
        assert output == "removed 0123  mxnet 1.9.1 (cpu)\n1 environments removed, 0 MB\n"
        assert not folder.exists()
        assert json.loads(sm("prune", "--json").output) == []

    @pytest.mark.parametrize("days", ["-1", "nan", "some"])
    def test_no_number_of_days(self, home: Home, days: str) -> None:
        result = sm("prune", "--days", days)
        assert (result.exit_code, "--days" in result.output) == (2, True)
