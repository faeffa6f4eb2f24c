"""What runs in a home beside the service: supervisors of jobs and of model servers."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from sm_core.errors import LocalServiceError
from sm_local import processes
from sm_local.home import Home

__all__ = ["end_jobs", "end_model_servers", "running_jobs"]

#: Seconds that a supervisor may take: the 120 s that a job has after SIGTERM, and some more.
_PATIENCE: Final = 150.0


def running_jobs(home: Home) -> list[str]:
    """Names of the training jobs whose supervisors are alive, sorted."""
    return sorted(
        re.sub(r"-[0-9a-f]{8}$", "", folder.name)
        for folder in _launched(home.jobs.glob("*"))
        if processes.status(folder).alive
    )


def end_jobs(home: Home) -> None:
    """Stop every training job of `home`; the service notes it at its next start.

    Raises:
        LocalServiceError: a supervisor does not end.
    """
    _end(_launched(home.jobs.glob("*")))


def end_model_servers(home: Home) -> None:
    """Stop every model server of `home`; the service starts them again when it comes back.

    Raises:
        LocalServiceError: a supervisor does not end.
    """
    _end(_launched(home.endpoints.glob("*/*")))


def _launched(folders: Iterable[Path]) -> list[Path]:
    """Those that a supervisor has been started for."""
    return [folder for folder in folders if (folder / "spec.json").exists()]


def _end(folders: list[Path]) -> None:
    unfinished = [folder for folder in folders if processes.status(folder).finished is None]
    for folder in unfinished:
        processes.stop(folder)
    deadline = time.monotonic() + _PATIENCE
    for folder in unfinished:
        while processes.status(folder).alive:
            if time.monotonic() > deadline:
                raise LocalServiceError(f"the supervisor of {folder} does not end")
            time.sleep(0.02)
        processes.sweep(folder)
