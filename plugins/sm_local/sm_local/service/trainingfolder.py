"""The folder of a training job: made before the job begins, emptied but for its logs at its end."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from sm_core.errors import LocalServiceError
from sm_local import processes
from sm_local.network import enter
from sm_local.service.context import Context
from sm_local.service.folders import remove_tree
from sm_local.service.traininghosts import CHECKPOINTS, PIPES, job_folder, key_owner
from sm_local.service.trainingjob import TrainingJob

__all__ = ["BESIDE_LOGS", "GRACE", "clean_up", "make_folder", "needs_cleaning"]

logger = logging.getLogger(__name__)

#: Seconds between SIGTERM and SIGKILL, as on AWS.
GRACE = 120
#: Seconds that a supervisor may take to end, beyond the grace period.
_PATIENCE = GRACE + 30.0
#: Seconds between two looks at a supervisor.
_POLL = 0.05
#: What of a job's folder goes with its end, beside what belongs to one host.
BESIDE_LOGS = ("scratch", CHECKPOINTS, PIPES, enter.SOCKET_NAME, enter.HOSTS_FILE)


def make_folder(context: Context, job: TrainingJob) -> None:
    """Make the job's folder, for the owner alone, if it is not there. Blocks."""
    job_folder(context, job).mkdir(mode=0o700, exist_ok=True)


def needs_cleaning(context: Context, job: TrainingJob) -> bool:
    """Whether the service ended between the end of the job and `clean_up`. Blocks."""
    folder = job_folder(context, job)
    names = ("spec.json", *BESIDE_LOGS, *job.hosts)
    return any((folder / name).exists() for name in names)


def clean_up(context: Context, job: TrainingJob) -> None:
    """End what may be left of a job that has ended, and keep of its folder the logs only. Blocks.

    The specification, which holds the job's key pair, goes last: it says that this is not done.
    """
    folder = job_folder(context, job)
    try:
        _end_supervisor(folder)
    except LocalServiceError:
        logger.exception("training job %s", job.name)
    context.keys.revoke(key_owner(job))
    for name in (*BESIDE_LOGS, *job.hosts, "control", "spec.json"):
        remove_tree(folder / name)


def _end_supervisor(folder: Path) -> None:
    processes.stop(folder)
    deadline = time.monotonic() + _PATIENCE
    while processes.status(folder).alive:
        if time.monotonic() > deadline:
            raise LocalServiceError(f"the supervisor of {folder} does not end")
        time.sleep(_POLL)
    processes.sweep(folder)
