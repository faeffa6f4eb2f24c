"""``python -m sm_core.container train|serve``: what a container runs."""

from __future__ import annotations

import faulthandler
import sys

from sm_core.container.installers import withhold_index
from sm_core.container.process import (
    as_init,
    end_children,
    end_with_supervisor,
    leave,
    leave_in_time,
)

USAGE = "usage: python -m sm_core.container train|serve"
#: Seconds for threads and processes of the user's to end after a training that succeeded.
_PATIENCE = 30.0


def main(arguments: list[str]) -> int:
    """Run one command; its exit code is the container's."""
    if arguments not in (["train"], ["serve"]):
        sys.stderr.write(f"{USAGE}\n")
        return 2
    faulthandler.enable()
    as_init()
    end_with_supervisor()
    withhold_index()
    if arguments == ["train"]:
        from sm_core.container.training import train

        code = train()
    else:
        from sm_core.container.serving import serve

        code = serve()
    if code != 0:
        # A thread of the user's, or a framework's shutdown that waits for other hosts, must not
        # hold up a failure.
        end_children()
        leave(code)
    if arguments == ["train"]:
        leave_in_time(_PATIENCE)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
