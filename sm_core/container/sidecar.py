"""Processes beside the job that do something for it, and can do it no harm.

Each is a module with a function ``run(settings)``, started by
``python -m sm_core.container.sidecar <module>``. Settings come as one line of JSON on standard
input; it ends when that is closed, which happens whatever way the toolkit's process ends.
"""

from __future__ import annotations

import importlib
import json
import logging
import select
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from sm_core.container.logs import configure_logging

__all__ = ["is_over", "sidecar"]

logger = logging.getLogger(__name__)


@contextmanager
def sidecar(module: str, settings: Mapping[str, Any], *, patience: float) -> Iterator[None]:
    """Run a module's ``run`` beside what runs inside.

    Args:
        module: its full name.
        settings: JSON values; ``log_level`` is one of them.
        patience: seconds that it may take to end once its input is closed.
    """
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "sm_core.container.sidecar", module],
            stdin=subprocess.PIPE,
            # Signals to this process's group are not for it: it sees the end of its input.
            start_new_session=True,
        )
    except OSError as error:
        logger.warning("cannot start %s: %s", module, error)
        yield
        return
    assert process.stdin is not None  # it was asked for
    with suppress(BrokenPipeError):  # it has ended, and has said why
        process.stdin.write(json.dumps(settings).encode() + b"\n")
        process.stdin.flush()
    try:
        yield
    finally:
        with suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            logger.warning("%s did not end within %.0f seconds", module, patience)
        finally:
            process.kill()
            process.wait()


def is_over(seconds: float) -> bool:
    """In the sidecar: wait this long, or until the toolkit has gone; whether it has."""
    readable, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(readable)


def _main(module: str) -> None:
    settings = json.loads(sys.stdin.readline() or "{}")
    configure_logging(settings.get("log_level", logging.INFO))
    importlib.import_module(module).run(settings)


if __name__ == "__main__":
    _main(sys.argv[1])
