"""TensorFlow's cluster beside the training of several hosts."""

from __future__ import annotations

from contextlib import AbstractContextManager

from sm_core.container.environment import TrainingEnvironment

__all__ = ["cluster"]


def cluster(environment: TrainingEnvironment) -> AbstractContextManager[None] | None:
    """What runs on this host while several train; None where nothing has to."""
    return None
