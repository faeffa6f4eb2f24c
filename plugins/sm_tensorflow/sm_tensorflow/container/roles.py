"""What a host is in its job, and how the job trains."""

from __future__ import annotations

from pathlib import Path

from sm_core.container.environment import TrainingEnvironment
from sm_core.scripts import runs_as_script
from sm_tensorflow.functions import FUNCTIONS

__all__ = ["calls_functions", "is_master", "script_of"]


def calls_functions(environment: TrainingEnvironment) -> bool:
    """Whether the entry point is a script whose functions are called."""
    script = script_of(environment)
    return script is not None and not runs_as_script(
        script, FUNCTIONS, override=environment.script_mode
    )


def script_of(environment: TrainingEnvironment) -> Path | None:
    """The job's entry point; None if there is none."""
    if environment.program is None:
        return None
    path = environment.code_dir / environment.program
    return path if path.is_file() else None


def is_master(environment: TrainingEnvironment) -> bool:
    """Whether this host evaluates, exports and keeps the checkpoints: the first in the list."""
    return environment.current_host == environment.hosts[0]
