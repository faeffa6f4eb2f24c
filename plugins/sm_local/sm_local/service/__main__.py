"""``python -m sm_local.service HOME``: the service's process.

Clients start it by themselves (`sm_local.startup`); by hand it runs in the foreground.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the service until it is told to end; the exit status is 0 if it ran at all."""
    options = _parser().parse_args(arguments)
    if options.report is not None and os.fork():
        # The starter waits for this process only, so that the service is nobody's child: no zombie
        # is left in a notebook that outlives it.
        os._exit(0)

    from sm_core.errors import SMError
    from sm_local.home import Home
    from sm_local.service.process import run

    report = _reporter(options.report)
    try:
        run(
            Home(options.home),
            port=options.port,
            report=report,
            owns_group=options.report is not None,
        )
    except SMError as error:
        report({"error": str(error)})
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sm_local.service", description=__doc__)
    parser.add_argument("home", type=Path, help="the service's folder")
    parser.add_argument("--port", type=int, help="where to listen; 0 for any free port")
    parser.add_argument(
        "--report",
        type=int,
        metavar="FD",
        help="detach, write to this pipe when ready, and end the whole process group at the end",
    )
    return parser


def _reporter(descriptor: int | None) -> Callable[[dict[str, Any]], None]:
    """What writes one line of JSON to the pipe `descriptor` and closes it."""
    if descriptor is None:
        return lambda report: None
    # Whatever the service starts must not hold the pipe open.
    os.set_inheritable(descriptor, False)
    pipe: list[int] = [descriptor]

    def write(report: dict[str, Any]) -> None:
        if pipe:
            with os.fdopen(pipe.pop(), "w", encoding="utf-8") as file:
                file.write(json.dumps(report) + "\n")

    return write


if __name__ == "__main__":
    sys.exit(main())
