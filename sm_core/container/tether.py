"""Starts a command that ends with the process that wanted it, whatever way that ends.

Run as a program, this file becomes the command. It imports nothing but the standard library, so
that it costs a few milliseconds. Only Linux can do this; elsewhere the command simply runs.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

__all__ = ["tethered"]

#: Of <sys/prctl.h>.
_PR_SET_PDEATHSIG = 1


def tethered(command: Sequence[str]) -> list[str]:
    """`command` as it is to be started by the main thread of the process that it ends with."""
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def _main(parent: int, command: list[str]) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return  # it ended before it was watched
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"cannot run {command[0]}: {error.strerror}")


if __name__ == "__main__":
    _main(int(sys.argv[1]), sys.argv[2:])
