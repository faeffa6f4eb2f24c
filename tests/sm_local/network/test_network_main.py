"""Private networks, tried out as a job's would be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import sm_local
from sm_local.jobnetwork import Networks

pytestmark = [
    pytest.mark.integ,
    pytest.mark.skipif(sys.platform != "linux", reason="needs namespaces"),
]

#: A process that has changed its user may not write its own files in /proc without the last line.
AS_NOBODY = """
import ctypes, os, sys
import sm_local.network.__main__ as program
"x".encode("idna")  # imported now: this Python may lie where nobody else can read
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
sys.exit(program._main(["--probe"]))
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    path = str(Path(sm_local.__file__).parent.parent)
    return subprocess.run(
        [sys.executable, "-S", *arguments],
        env={"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(autouse=True)
def possible() -> None:
    found = Networks().find()
    if not found.private:
        pytest.skip(found.reason)


def test_a_network_is_made_entered_and_used() -> None:
    finished = run("-m", "sm_local.network", "--probe")
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests are those of an ordinary user")
def test_an_ordinary_user_can_do_that() -> None:
    finished = run("-c", AS_NOBODY)
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")


def test_what_is_not_possible_is_said() -> None:
    unshared = "import sys, sm_local.network.namespaces as n, sm_local.network.__main__ as m\n"
    refused = "def no(flags): raise OSError(1, 'Operation not permitted', 'unshare')\n"
    end = "n.unshare = no; sys.exit(m._main(['--probe']))"
    finished = run("-c", unshared + refused + end)
    assert finished.stdout == "unshare: Operation not permitted\n"
    assert finished.returncode == 1
