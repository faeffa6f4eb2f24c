"""The ``sm`` executable on the local service, from training to deletion, for users and scripts.

What docs/commands.md shows is run first; the other tests use what it leaves.
"""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest

pytestmark = [pytest.mark.integ, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
SM = str(Path(sys.executable).with_name("sm"))
SECONDS = 120.0
BLOCK = re.compile(r"^<!-- test: (\w+) -->\n+```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@attrs.frozen
class Place:
    """A folder in which commands run, with a local service of its own.

    Attributes:
        folder: the folder.
        shown: what the commands of the page printed, on both streams.
        job: name of the job that they trained.
    """

    folder: Path
    shown: str
    job: str

    def environment(self) -> dict[str, str]:
        """The commands' variables."""
        return _environment(self.folder)

    def sm(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run ``sm``."""
        return subprocess.run(
            [SM, *arguments],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    def status(self, job: str) -> str:
        """A job's TrainingJobStatus."""
        described = json.loads(self.sm("jobs", "describe", job, "--json").stdout)
        return str(described["TrainingJobStatus"])

    def ended(self, job: str) -> str:
        """A job's status, once that is a last one."""
        deadline = time.monotonic() + SECONDS
        while (status := self.status(job)) in ("InProgress", "Stopping"):
            assert time.monotonic() < deadline, status
            time.sleep(0.2)
        return status


def _environment(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{Path(SM).parent}{os.pathsep}{os.environ['PATH']}",
        "SMCORE_LOCAL_HOME": str(folder / "home"),
        "SMCORE_BACKEND": "local",
        "TERM": "xterm",
        "COLUMNS": "100",
    }


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("commands")
    blocks = BLOCK.findall((ROOT / "docs" / "commands.md").read_text(encoding="utf-8"))
    for needs, _, text in blocks:
        if needs == "file":
            (folder / text.partition("\n")[0].removeprefix("# ")).write_text(text, encoding="utf-8")
    script = "\n".join(text for needs, kind, text in blocks if (needs, kind) == ("local", "bash"))
    try:
        answer = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"{script}\necho job: $job"],
            cwd=folder,
            env=_environment(folder),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert answer.returncode == 0, answer.stdout
        job = answer.stdout.splitlines()[-1].removeprefix("job: ")
        yield Place(folder, answer.stdout, job)
    finally:
        down = [SM, "local", "down", "--all"]
        subprocess.run(down, env=_environment(folder), check=True, capture_output=True)


def on_a_terminal(
    place: Place, *arguments: str, answer: str = "", **variables: str
) -> tuple[int, str]:
    """Exit status and output of ``sm`` on a terminal, which is told `answer`."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(place.folder)
        os.execve(SM, ["sm", *arguments], {**place.environment(), **variables})
    os.write(terminal, answer.encode())
    shown = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            # Linux's way to say that nobody is left at the other end.
            break
        if not piece:
            break
        shown += piece
    os.close(terminal)
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status), shown.decode()


def test_what_the_page_shows(place: Place) -> None:
    lines = place.shown.splitlines()
    assert any(re.match(r"\S+ +Completed  \d{4}-", line) for line in lines), place.shown
    assert "algo-1 | INFO root: Epoch[19] Train-mse=" in place.shown
    assert re.search(r"^Hyperparameters +epochs = 20$", place.shown, re.MULTILINE)
    assert re.search(r"^mse +algo-1 +\S+ +\S+ +\S+ +20$", place.shown, re.MULTILINE)
    # Bodies come as they are, without a line's end.
    first, second = re.findall(r"\[\[[-\d., \[\]]+?\]\]", place.shown)
    (nine,), (ten,) = json.loads(first)
    ((eleven,),) = json.loads(second)
    assert (nine, ten, eleven) == pytest.approx((27, 30, 33), abs=6)
    assert "its configuration and its models are deleted" in place.shown
    while left := json.loads(place.sm("endpoints", "list", "--json").stdout):
        # Its servers may still be ending.
        assert [endpoint["EndpointStatus"] for endpoint in left] == ["Deleting"]


def test_metrics_for_programs(place: Place) -> None:
    (series,) = json.loads(place.sm("jobs", "metrics", place.job, "--json").stdout)
    values = [point["value"] for point in series["points"]]
    assert len(values) == 20
    assert values[-1] < values[0]


def train(place: Place, script: str, *arguments: str) -> list[str]:
    (place.folder / "script.py").write_text(script, encoding="utf-8")
    common = ["--framework", "mxnet", "--entry-point", "script.py", "--instance-type", "local"]
    return ["train", *common, *arguments]


def test_a_job_that_fails(place: Place) -> None:
    script = "print('about to divide', flush=True)\n1 / 0\n"
    result = place.sm(*train(place, script, "--job-name", "divides"))
    assert (result.returncode, result.stdout) == (1, "divides\n")
    assert "Error: training job divides failed: " in result.stderr
    assert "ZeroDivisionError: division by zero" in result.stderr
    assert "sm_core/" not in result.stderr
    # Nothing can be deployed of it.
    deployed = place.sm("deploy", "divides", "--instance-type", "local")
    assert (deployed.returncode, deployed.stdout) == (1, "")
    assert "has no model: its status is Failed" in deployed.stderr


def test_a_job_is_followed_to_its_end(place: Place) -> None:
    script = (
        "import time\nfor n in range(5):\n    print('round', n, flush=True)\n    time.sleep(.1)\n"
    )
    started = place.sm(*train(place, script, "--no-wait", "--base-job-name", "rounds"))
    assert (started.returncode, started.stderr) == (0, "")
    name = started.stdout.strip()
    assert name.startswith("rounds-")
    followed = place.sm("jobs", "logs", name, "-f")
    assert (followed.returncode, followed.stderr) == (0, "")
    assert [line for line in followed.stdout.splitlines() if "round" in line] == [
        f"algo-1 | round {n}" for n in range(5)
    ]
    listed = json.loads(place.sm("jobs", "list", "--name-contains", "rounds", "--json").stdout)
    assert [job["TrainingJobName"] for job in listed] == [name]
    newest = json.loads(place.sm("jobs", "list", "--max", "1", "--json").stdout)
    assert newest == listed


def test_ctrl_c_leaves_the_job_running(place: Place) -> None:
    script = "import time\nprint('sleeping', flush=True)\ntime.sleep(600)\n"
    command = [SM, *train(place, script, "--job-name", "sleeps")]
    process = subprocess.Popen(
        command,
        cwd=place.folder,
        env=place.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # What the tests' parent ignores, as in the background of a script, would be ignored here.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads here
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "sleeping" in line:
            break
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=SECONDS)
    assert (process.returncode, output) == (130, "sleeps\n")
    assert "sm jobs logs sleeps --follow; stop it: sm jobs stop sleeps" in errors
    assert "Traceback" not in errors
    assert place.status("sleeps") == "InProgress"
    assert place.sm("jobs", "stop", "sleeps").returncode == 0
    assert place.ended("sleeps") == "Stopped"


def test_a_reader_that_has_seen_enough(place: Place) -> None:
    result = subprocess.run(
        ["bash", "-c", f"sm jobs logs {place.job} | head -1"],
        env=place.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert len(result.stdout.splitlines()) == 1
    assert result.stderr == ""


def test_on_a_terminal_there_are_colours_and_plots(place: Place) -> None:
    status, listed = on_a_terminal(place, "jobs", "list")
    assert status == 0
    assert "\x1b[32mCompleted" in listed
    _, measured = on_a_terminal(place, "jobs", "metrics", place.job, LC_ALL="C.UTF-8")
    assert "mse (algo-1)" in measured
    assert re.search("[\u2801-\u28ff]", measured)
    _, plain = on_a_terminal(place, "jobs", "metrics", place.job, PYTHONIOENCODING="ascii")
    assert "*" in plain
    assert not re.search("[\u2500-\u28ff]", plain)


def test_no_color(place: Place) -> None:
    for command in (("jobs", "list"), ("jobs", "describe", place.job), ("frameworks",)):
        _, shown = on_a_terminal(place, *command, NO_COLOR="1")
        colours = [code for code in COLOUR.findall(shown) if re.search(r"[34]\d", code)]
        assert colours == []


def test_deployed_and_deleted_at_a_terminal(place: Place) -> None:
    deployed = place.sm("deploy", place.job, "--instance-type", "local", "--endpoint-name", "line")
    assert (deployed.returncode, deployed.stdout) == (0, "line\n"), deployed.stderr
    described = json.loads(place.sm("endpoints", "describe", "line", "--json").stdout)
    assert described["EndpointStatus"] == "InService"
    refused = place.sm("predict", "line", "line.py", "--content-type", "application/x-python")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("Error: endpoint line: ")
    status, asked = on_a_terminal(place, "endpoints", "delete", "line", answer="n\n")
    assert status == 1
    assert "Delete the endpoint line (InService), its configuration and its models?" in asked
    status, asked = on_a_terminal(place, "endpoints", "delete", "line", answer="y\n")
    assert status == 0
    gone = place.sm("endpoints", "describe", "line")
    assert gone.returncode == 1
    assert gone.stderr.startswith(
        "Error: endpoint 'line' in us-east-1: DescribeEndpoint: Could not"
    )
    assert len(gone.stderr.splitlines()) == 1


def test_an_archive_is_deployed_with_its_framework(place: Place) -> None:
    model = json.loads(place.sm("jobs", "describe", place.job, "--json").stdout)
    uri: Any = model["ModelArtifacts"]["S3ModelArtifacts"]
    options: Sequence[str] = ("--framework", "mxnet", "--entry-point", "line.py")
    place_ = ("--instance-type", "local", "--endpoint-name", "archive")
    deployed = place.sm("deploy", uri, *options, *place_)
    assert (deployed.returncode, deployed.stdout) == (0, "archive\n"), deployed.stderr
    assert place.sm("endpoints", "delete", "archive").returncode == 0
