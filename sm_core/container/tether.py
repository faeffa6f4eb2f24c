"""Starts a command that ends with the process that wanted it, whatever way that ends.

``python -m sm_core.container.tether <its number> <command> …`` becomes the command. Only Linux can
do this; elsewhere the command simply runs.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

#: Of <sys/prctl.h>.
_PR_SET_PDEATHSIG = 1


def _main(parent: int, command: list[str]) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            return  # it ended before it was watched
    os.execvp(command[0], command)


if __name__ == "__main__":
    _main(int(sys.argv[1]), sys.argv[2:])
