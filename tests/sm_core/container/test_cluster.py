"""Training on several hosts: waiting for them, and what plugins run beside the training."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sm_core.testing.containers import Container

pytestmark = pytest.mark.integ

PATIENCE = 30.0
HOSTS = ("algo-1", "algo-2")
ADDRESSES = json.dumps(dict.fromkeys(HOSTS, "127.0.0.1"))
TRAIN = {"sagemaker_program": "train.py"}

PLUGIN = """
import contextlib, os, sys
from sm_core.plugins import hookimpl

def note(environment, text):
    with open(environment.base_dir / "notes", "a") as file:
        file.write(text + "\\n")

@hookimpl
def sm_cluster(environment):
    return running(environment)

@contextlib.contextmanager
def running(environment):
    note(environment, "begin " + str(environment.address_of("algo-2", 7)))
    try:
        HELPERS
    except BaseException as error:
        note(environment, type(error).__name__)
        raise
    finally:
        note(environment, "end")
        if os.environ.get("BREAK"):
            raise OSError("the end went wrong")

@hookimpl
def sm_train(environment):
    if environment.program == "function":
        open(environment.output_data_dir / "training", "w").close()
        exec(environment.hyperparameters["code"])
        return True
"""
PLAIN = "yield"
WITH_HELPER = """
        from sm_core.container.cluster import Helper, helpers_running
        code = os.environ["HELPER"]
        helper = Helper(name="helper", command=[sys.executable, "-c", code], variables={"A": "b"})
        with helpers_running(environment, [helper], patience=5):
            yield
"""


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with an installed distribution that has a plugin."""
    folder = tmp_path / "site"
    information = folder / "zz_cluster-1.0.dist-info"
    information.mkdir(parents=True)
    (folder / "zz_cluster.py").write_text(PLUGIN.replace("HELPERS", PLAIN), encoding="utf-8")
    (information / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: zz-cluster\nVersion: 1.0\n", encoding="utf-8"
    )
    (information / "entry_points.txt").write_text(
        "[sm_core.plugins]\ncluster = zz_cluster\n", encoding="utf-8"
    )
    return folder


@pytest.fixture
def variables(site: Path) -> dict[str, str]:
    return {"PYTHONPATH": str(site), "SMCORE_HOST_ADDRESSES": ADDRESSES}


@pytest.fixture
def container(tmp_path: Path) -> Container:
    return Container(tmp_path)


def notes(container: Container) -> list[str]:
    path = container.base / "notes"
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


BEGIN = "begin ('127.0.0.1', 7)"


@pytest.mark.parametrize(
    ("code", "exit_code", "expected"),
    [
        ("pass", 0, [BEGIN, "end"]),
        ("raise ValueError('bad')", 1, [BEGIN, "ValueError", "end"]),
        ("raise SystemExit(3)", 3, [BEGIN, "SystemExit", "end"]),
    ],
)
def test_hook_sm_cluster(
    container: Container,
    variables: dict[str, str],
    code: str,
    exit_code: int,
    expected: list[str],
) -> None:
    given = {"sagemaker_program": "function", "code": code}
    ended = container.train(hyperparameters=given, hosts=HOSTS, variables=variables)
    assert (ended.exit_code, notes(container)) == (exit_code, expected), ended.log


@pytest.mark.parametrize("script", ["", "import os; os._exit(7)"])
def test_around_a_script(container: Container, variables: dict[str, str], script: str) -> None:
    container.write_code({"train.py": script})
    ended = container.train(hyperparameters=TRAIN, hosts=HOSTS, variables=variables)
    assert ended.exit_code == (7 if script else 0)
    assert notes(container) == [BEGIN, *(["ScriptFailed"] if script else []), "end"]


def test_sigterm_ends_it(container: Container, variables: dict[str, str]) -> None:
    given = {"sagemaker_program": "function", "code": "import time; time.sleep(60)"}
    with container.training(hyperparameters=given, hosts=HOSTS, variables=variables) as process:
        wait_for((container.base / "output/data/training").exists)
        os.killpg(process.pid, signal.SIGTERM)
        assert container.ended(process).exit_code == 143
    assert notes(container) == [BEGIN, "StopRequested", "end"]


def test_not_on_a_single_host(container: Container, variables: dict[str, str]) -> None:
    container.write_code({"train.py": ""})
    assert container.train(hyperparameters=TRAIN, variables=variables).exit_code == 0
    assert notes(container) == []


@pytest.mark.parametrize("code", ["pass", "raise ValueError('the script')"])
def test_its_end_changes_no_result(
    container: Container, variables: dict[str, str], code: str
) -> None:
    ended = container.train(
        hyperparameters={"sagemaker_program": "function", "code": code},
        hosts=HOSTS,
        variables={**variables, "BREAK": "1"},
    )
    assert "the end went wrong" in ended.log
    assert ended.exit_code == (0 if code == "pass" else 1)
    assert code == "pass" or "ValueError: the script" in (ended.failure or "")


@pytest.fixture
def helper(site: Path) -> None:
    (site / "zz_cluster.py").write_text(PLUGIN.replace("HELPERS", WITH_HELPER), encoding="utf-8")


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


NOTES_ITSELF = """
import os, time
assert os.environ["A"] == "b"
with open("pid.part", "w") as file:
    file.write(str(os.getpid()))
os.rename("pid.part", "pid")
time.sleep({seconds})
"""


@pytest.mark.usefixtures("helper")
@pytest.mark.parametrize(
    "end", ["pass", "raise ValueError()", "import os; os._exit(0)", "os.kill(os.getpid(), 9)"]
)
def test_no_helper_outlives_the_container(
    container: Container, variables: dict[str, str], end: str
) -> None:
    wait = "import os, time\nwhile not os.path.exists('pid'): time.sleep(0.01)\n"
    container.train(
        hyperparameters={"sagemaker_program": "function", "code": wait + end},
        hosts=HOSTS,
        variables={**variables, "HELPER": NOTES_ITSELF.format(seconds=60)},
    )
    pid = int((container.base / "code" / "pid").read_text(encoding="utf-8"))
    wait_for(lambda: not alive(pid))


@pytest.mark.usefixtures("helper")
@pytest.mark.parametrize(
    ("program", "code"), [("function", "import time; time.sleep(60)"), ("train.py", "")]
)
def test_a_helper_that_fails_fails_the_job(
    container: Container, variables: dict[str, str], program: str, code: str
) -> None:
    container.write_code({"train.py": "import time; time.sleep(60)"})
    began = time.monotonic()
    ended = container.train(
        hyperparameters={"sagemaker_program": program, "code": code},
        hosts=HOSTS,
        variables={**variables, "HELPER": "raise SystemExit(5)"},
    )
    assert time.monotonic() - began < PATIENCE
    assert ended.exit_code == 1
    assert ended.failure == (
        "the helper on algo-1 ended with exit code 5; its output is in the log"
    )


@pytest.mark.usefixtures("helper")
def test_a_helper_may_end_by_itself(container: Container, variables: dict[str, str]) -> None:
    container.write_code({"train.py": ""})
    ended = container.train(
        hyperparameters=TRAIN, hosts=HOSTS, variables={**variables, "HELPER": "pass"}
    )
    assert (ended.exit_code, ended.succeeded) == (0, True)


def test_a_host_without_a_name_is_waited_for(container: Container) -> None:
    container.write_code({"train.py": "print('trained')"})
    absent = "no-such-host.invalid"
    ended = container.train(
        hyperparameters=TRAIN,
        hosts=("algo-1", absent),
        variables={
            "SMCORE_HOST_ADDRESSES": json.dumps({"algo-1": "127.0.0.1"}),
            "SMCORE_HOSTS_SECONDS": "0.3",
        },
    )
    assert ended.exit_code == 1
    assert ended.failure is not None
    assert ended.failure.startswith(
        f"hosts of this job could not be resolved by name within 0 seconds: {absent} ("
    )
    assert "trained" not in ended.log


@pytest.mark.parametrize("text", ["soon", "nan", "-1"])
def test_the_patience_with_other_hosts_is_a_number(container: Container, text: str) -> None:
    ended = container.train(
        hyperparameters=TRAIN,
        hosts=("algo-1", "no-such-host.invalid"),
        variables={"SMCORE_HOSTS_SECONDS": text},
    )
    assert ended.failure == f"SMCORE_HOSTS_SECONDS is '{text}'; it must be a number of seconds"
