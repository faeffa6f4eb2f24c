"""A command that ends with the process that wanted it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sm_core.container.tether import tethered

pytestmark = [
    pytest.mark.integ,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux can do this"),
]

PATIENCE = 30.0


def test_the_command_runs_as_it_is() -> None:
    script = "import os, sys; print(sys.argv[1:], os.environ['A'], sys.flags.isolated)"
    done = subprocess.run(
        tethered([sys.executable, "-c", script, "x y", "--z"]),
        env={"A": "b"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "['x y', '--z'] b 0\n"


def test_a_command_that_is_not_there() -> None:
    done = subprocess.run(
        tethered(["no-such-command"]), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == "cannot run no-such-command: No such file or directory\n"


PARENT = """
import subprocess, sys, time
from sm_core.container.tether import tethered
child = subprocess.Popen(tethered(["sleep", "60"]), start_new_session=True)
print(child.pid, flush=True)
time.sleep(60)
"""


def test_it_ends_with_the_process_that_wanted_it() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    deadline = time.monotonic() + PATIENCE
    while b"sleep" not in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")[0]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    while alive(child):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_one_that_comes_too_late_does_nothing() -> None:
    command = tethered(["touch", "never"])
    command[4] = "1"  # another parent than its own
    done = subprocess.run(command, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert not Path("never").exists()
