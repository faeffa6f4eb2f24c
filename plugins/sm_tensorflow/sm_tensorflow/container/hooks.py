"""What a training or an evaluation is watched and ended by, step by step."""

from __future__ import annotations

import threading
from typing import Any

import tensorflow.compat.v1 as tf

__all__ = ["StepsHook", "StopHook"]


class StopHook(tf.train.SessionRunHook):  # type: ignore[misc]  # TensorFlow has no types
    """Ends a training or an evaluation after the step at hand, once a stop is requested."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Called by the session after each step."""
        if self._stop.is_set():
            run_context.request_stop()


class StepsHook(tf.train.SessionRunHook):  # type: ignore[misc]  # TensorFlow has no types
    """Knows whether a training or an evaluation began, and whether it did a step.

    An input without rows ends one as an input does that has been read to its end.
    """

    begun = done = False

    def begin(self) -> None:
        """Called by the session before its graph is final."""
        self.begun = True

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Called by the session after each step."""
        self.done = True
