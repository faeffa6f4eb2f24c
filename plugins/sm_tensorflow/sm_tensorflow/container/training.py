"""Function mode: calls the script's functions, trains, evaluates and exports."""

from __future__ import annotations

from sm_core.container.environment import TrainingEnvironment

__all__ = ["train"]


def train(environment: TrainingEnvironment) -> bool | None:
    """Train in function mode; None leaves a script that runs by itself to script mode."""
    return None
