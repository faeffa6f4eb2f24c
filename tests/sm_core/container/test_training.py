"""Training containers, driven through the contract as processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sm_core.testing.containers import Container

pytestmark = pytest.mark.integ

PATIENCE = 30.0


@pytest.fixture
def container(tmp_path: Path) -> Container:
    return Container(tmp_path)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_a_script_gets_arguments_variables_and_data(container: Container) -> None:
    script = """
import json, os, sys
print("to the log"); print("errors too", file=sys.stderr)
out = os.path.join(os.environ["SM_MODEL_DIR"], "seen.json")
data = open(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "x.csv")).read()
import helper
seen = dict(args=sys.argv[1:], data=data, cwd=os.getcwd(), helper=helper.__file__)
json.dump(seen, open(out, "w"))
"""
    container.write_code({"train.py": script, "helper.py": ""})
    container.write_channel("train", {"x.csv": "1,2"})
    ended = container.train(
        hyperparameters={"sagemaker_program": "train.py", "epochs": 5, "name": "mlp", "n": True}
    )
    assert (ended.exit_code, ended.failure, ended.succeeded) == (0, None, True)
    assert "to the log\nerrors too\n" in ended.log
    code = container.base / "code"
    assert json.loads((container.base / "model" / "seen.json").read_bytes()) == {
        "args": ["--epochs", "5", "-n", "True", "--name", "mlp"],
        "data": "1,2",
        "cwd": str(code),
        "helper": str(code / "helper.py"),
    }


def test_a_script_that_fails(container: Container) -> None:
    container.write_code({"train.py": "import sys\ndef go():\n    raise ValueError('bad')\ngo()\n"})
    ended = container.train(hyperparameters={"sagemaker_program": "train.py"})
    assert (ended.exit_code, ended.succeeded) == (1, False)
    assert ended.failure == (
        "ExecuteUserScriptError:\n"
        "ExitCode 1\n"
        'ErrorMessage "ValueError: bad\n'
        '  File "train.py", line 4, in <module>\n'
        "    go()\n"
        '  File "train.py", line 3, in go\n'
        "    raise ValueError('bad')\"\n"
        f'Command "{sys.executable} train.py"'
    )
    assert ended.log.count("Traceback") == 1


def test_a_script_s_exit_code_and_own_failure_file(container: Container) -> None:
    script = "import os\nopen('../output/failure', 'w').write('my reason')\nos._exit(7)\n"
    container.write_code({"train.py": script})
    ended = container.train(hyperparameters={"sagemaker_program": "train.py"})
    assert (ended.exit_code, ended.failure) == (7, "my reason")


def test_a_script_that_a_signal_ends(container: Container) -> None:
    container.write_code({"train.py": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n"})
    ended = container.train(hyperparameters={"sagemaker_program": "train.py"})
    assert ended.exit_code == 137
    assert ended.failure is not None
    assert "ExitCode 137" in ended.failure
    assert "out of memory" in ended.failure


def test_a_shell_script_is_a_command(container: Container) -> None:
    container.write_code({"run.sh": 'echo "got $*" > "$SM_MODEL_DIR/args"\n'})
    ended = container.train(hyperparameters={"sagemaker_program": "run.sh", "name": "a b"})
    assert ended.exit_code == 0, ended.log
    assert (container.base / "model" / "args").read_text(encoding="utf-8") == "got --name a b\n"


@pytest.mark.parametrize(
    ("code", "program", "reason"),
    [
        ({"train.py": ""}, "other.py", "there is no entry point 'other.py'"),
        ({"train.py": "print 'x'"}, "train.py", "train.py, line 1: \"print 'x'\" is Python 2"),
        ({}, "", "the job names no entry point"),
    ],
)
def test_code_that_cannot_run(
    container: Container, code: dict[str, str], program: str, reason: str
) -> None:
    container.write_code(code)
    ended = container.train(hyperparameters={"sagemaker_program": program})
    assert ended.exit_code == 1
    assert ended.failure is not None
    assert reason in ended.failure
    assert "Traceback" not in ended.log


@pytest.mark.parametrize("program", ["../outside.py", "/outside.py", "-c"])
def test_an_entry_point_lies_within_the_code(container: Container, program: str) -> None:
    container.write_code({"../outside.py": "", "train.py": ""})
    ended = container.train(hyperparameters={"sagemaker_program": program})
    assert ended.exit_code == 1
    assert ended.failure is not None
    assert ended.failure.startswith(f"there is no entry point {program!r} in ")
    assert ended.failure.endswith("; it holds: train.py")


def test_a_hyperparameter_that_no_program_can_be_passed(container: Container) -> None:
    container.write_code({"train.py": ""})
    ended = container.train(hyperparameters={"sagemaker_program": "train.py", "name": "a\0b"})
    assert ended.failure is not None
    assert ended.failure.startswith(r"hyperparameter 'a\x00b' holds a character")


def test_hyperparameters_that_are_too_long_for_a_program(container: Container) -> None:
    container.write_code({"train.py": ""})
    long = {"sagemaker_program": "train.py", "text": "x" * 200_000}
    ended = container.train(hyperparameters=long)
    assert ended.failure is not None
    assert ended.failure.startswith("the hyperparameters are too long for a program's arguments")
    assert "SM_HP_TEXT is left out: it has 200000 characters" in ended.log
    script = "def main():\n    import os; os.system('echo still starts')\n"
    container.write_code({"image.py": script})
    ended = container.train(
        hyperparameters=long, variables={"SAGEMAKER_TRAINING_MODULE": "image:main"}
    )
    assert ended.exit_code == 0
    assert "still starts" in ended.log


def test_a_script_goes_on_when_nobody_takes_its_output(container: Container) -> None:
    script = "print('x' * 1_000_000)\nopen('../model/m', 'w').close()"
    container.write_code({"train.py": script})
    (container.base / "input" / "config" / "hyperparameters.json").write_text(
        json.dumps({"sagemaker_program": "train.py"}), encoding="utf-8"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "sm_core.container", "train"],
        env={"SAGEMAKER_BASE_DIR": str(container.base)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(PATIENCE) == 0
    assert (container.base / "model" / "m").exists()


FRAMEWORK = """
import os
def main():
    open(os.environ["SM_MODEL_DIR"] + "/by-the-image", "w").close()
"""


@pytest.mark.parametrize(
    ("named", "reason"),
    [
        ("my_framework:main", None),
        ("my_framework", "must be of the form module:function"),
        ("my_framework:other", "my_framework has no function other"),
        ("no_framework:main", "No module named 'no_framework'"),
    ],
)
def test_an_image_may_train_itself(container: Container, named: str, reason: str | None) -> None:
    container.write_code({"my_framework.py": FRAMEWORK})
    ended = container.train(
        hyperparameters={"sagemaker_program": "absent.py"},
        variables={"SAGEMAKER_TRAINING_MODULE": named},
    )
    assert (container.base / "model" / "by-the-image").exists() is (reason is None)
    assert ended.exit_code == (0 if reason is None else 1)
    assert (reason is None) or reason in (ended.failure or "")


PIPED = """
from sm_core.container.pipes import open_epoch
for epoch in range(2):
    with open_epoch("train", epoch) as stream:
        print("epoch", epoch, len(stream.read()))
"""


def test_a_script_reads_pipes(container: Container) -> None:
    container.write_code({"train.py": PIPED})
    data = container.base / "input" / "data"
    given = {"sagemaker_program": "train.py"}
    with container.training(hyperparameters=given, pipes=["train"]) as process:
        for epoch in range(2):
            os.mkfifo(data / f"train_{epoch}")
            (data / f"train_{epoch}").write_bytes(b"x" * 100_000)
        ended = container.ended(process)
    assert ended.exit_code == 0, ended.log
    assert "epoch 0 100000\nepoch 1 100000\n" in ended.log


def test_a_place_for_checkpoints(container: Container) -> None:
    script = "import os; open(os.environ['SM_CHECKPOINT_DIR'] + '/step-1', 'w').close()"
    container.write_code({"train.py": script})
    assert container.train(hyperparameters={"sagemaker_program": "train.py"}).exit_code == 0
    assert (container.base / "checkpoints" / "step-1").exists()


def test_a_script_ends_with_a_toolkit_that_is_killed(container: Container) -> None:
    script = "import os, time\nopen('../output/data/pid', 'w').write(str(os.getpid()))\n"
    container.write_code({"train.py": script + "time.sleep(60)\n"})
    pid_file = container.base / "output" / "data" / "pid"
    with container.training(hyperparameters={"sagemaker_program": "train.py"}) as process:
        wait_for(lambda: pid_file.exists() and pid_file.read_text(encoding="utf-8") != "")
        process.kill()
        process.wait()
    wait_for(lambda: not alive(int(pid_file.read_text(encoding="utf-8"))))


def test_a_broken_configuration_is_named(container: Container) -> None:
    ended = container.train(hyperparameters={"sagemaker_container_log_level": "LOUD"})
    assert ended.exit_code == 1
    assert "log level is 'LOUD'" in ended.log
    assert ended.failure is not None
    assert "log level is 'LOUD'" in ended.failure


def test_a_training_succeeds_whatever_it_does_to_its_folders(container: Container) -> None:
    script = "import shutil\nshutil.rmtree('../output')\nshutil.rmtree('../code')\n"
    container.write_code({"train.py": script})
    ended = container.train(hyperparameters={"sagemaker_program": "train.py"})
    assert (ended.exit_code, ended.failure, ended.succeeded) == (0, None, True)


@pytest.mark.parametrize(("level", "shown"), [(10, True), (20, False)])
def test_the_log_level_is_the_job_s(container: Container, level: int, shown: bool) -> None:
    # Function mode of a plugin and the toolkit itself log by the same root logger.
    container.write_code({"train.py": "def main():\n    import logging; logging.debug('detail')\n"})
    ended = container.train(
        hyperparameters={"sagemaker_container_log_level": level},
        variables={"SAGEMAKER_TRAINING_MODULE": "train:main"},
    )
    assert ended.exit_code == 0, ended.log
    assert ("DEBUG root: detail" in ended.log) is shown


STOPPABLE = """
import signal, sys, time
def stop(number, frame):
    open('../output/data/stopped', 'w').write(str(number))
    sys.exit({code})
signal.signal(signal.SIGTERM, stop)
open('../output/data/ready', 'w').close()
time.sleep(60)
"""


@pytest.mark.parametrize(("code", "expected"), [(0, 0), (9, 143)])
def test_sigterm_reaches_the_script(container: Container, code: int, expected: int) -> None:
    container.write_code({"train.py": STOPPABLE.format(code=code)})
    data = container.base / "output" / "data"
    with container.training(hyperparameters={"sagemaker_program": "train.py"}) as process:
        wait_for(lambda: (data / "ready").exists())
        # As an engine does, or a supervisor that signals the whole group.
        os.killpg(process.pid, signal.SIGTERM)
        ended = container.ended(process)
    assert (data / "stopped").read_text(encoding="utf-8") == "15"
    assert (ended.exit_code, ended.failure) == (expected, None)


def test_nothing_outlives_the_script(container: Container) -> None:
    script = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
open("../output/data/child", "w").write(str(child.pid))
"""
    container.write_code({"train.py": script})
    began = time.monotonic()
    ended = container.train(hyperparameters={"sagemaker_program": "train.py"})
    assert ended.exit_code == 0
    assert time.monotonic() - began < PATIENCE
    child = int((container.base / "output" / "data" / "child").read_text(encoding="utf-8"))
    wait_for(lambda: not alive(child))


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_the_lifeline_ends_toolkit_and_script(container: Container) -> None:
    script = "import os, time\nopen('../output/data/pid', 'w').write(str(os.getpid()))\n"
    container.write_code({"train.py": script + "time.sleep(60)\n"})
    (container.base / "input" / "config" / "hyperparameters.json").write_text(
        json.dumps({"sagemaker_program": "train.py"}), encoding="utf-8"
    )
    pid_file = container.base / "output" / "data" / "pid"
    reader, writer = os.pipe()
    with (container.base / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "sm_core.container", "train"],
            env={"SAGEMAKER_BASE_DIR": str(container.base), "SMCORE_LIFELINE_FD": str(reader)},
            pass_fds=[reader],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    os.close(reader)
    try:
        wait_for(lambda: pid_file.exists() and pid_file.read_text(encoding="utf-8") != "")
        script_pid = int(pid_file.read_text(encoding="utf-8"))
        assert alive(script_pid)
    finally:
        os.close(writer)
        assert process.wait(PATIENCE) == -signal.SIGKILL
    wait_for(lambda: not alive(script_pid))


@pytest.mark.skipif(os.geteuid() != 0, reason="a process namespace needs root")
def test_as_first_process_of_a_container(container: Container) -> None:
    # Two orphans, one of which ends before the script does: both become the toolkit's to reap.
    script = "import os, time\nfor seconds in (0, 60):\n    if os.fork() == 0:\n"
    script += "        os.fork() or time.sleep(seconds)\n        os._exit(0)\n"
    script += "time.sleep(0.2)\nos._exit(5)\n"
    container.write_code({"train.py": script})
    (container.base / "input" / "config" / "hyperparameters.json").write_text(
        json.dumps({"sagemaker_program": "train.py"}), encoding="utf-8"
    )
    namespace = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    probe = subprocess.run([*namespace, "true"], capture_output=True, check=False)
    if probe.returncode != 0:
        pytest.skip("this machine makes no process namespaces")
    done = subprocess.run(
        [*namespace, sys.executable, "-m", "sm_core.container", "train"],
        env={"SAGEMAKER_BASE_DIR": str(container.base), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 5, done.stderr


def test_usage() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sm_core.container", "dance"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "train|serve" in done.stderr


def test_start_imports_no_boto3_nor_server(container: Container) -> None:
    script = "def transform_fn(): ...\n"
    container.write_code({"train.py": script})
    code = (
        "import sys, sm_core.container.training, sm_core.container.fallback\n"
        "import sm_core.container.scriptmode, sm_core.container.inference\n"
        "sys.exit(str([n for n in ('boto3', 'uvicorn', 'orjson', 'numpy', 'asyncio') "
        "if n in sys.modules] or ''))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


def test_a_crash_shows_where_python_was(container: Container) -> None:
    script = "import os, signal\ndef crash():\n    os.kill(os.getpid(), signal.SIGSEGV)\ncrash()\n"
    container.write_code({"train.py": script})
    ended = container.train(hyperparameters={"sagemaker_program": "train.py"})
    assert ended.exit_code == 139
    assert "Fatal Python error: Segmentation fault" in ended.log
    assert 'train.py", line 3 in crash' in ended.log
