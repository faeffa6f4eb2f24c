"""A stop on request that lets TensorFlow save its checkpoint first."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import tensorflow.compat.v1 as tf

from sm_core.container.process import StopRequested

__all__ = ["StopHook", "stop_awaited"]

logger = logging.getLogger(__name__)


@contextmanager
def stop_awaited() -> Iterator[threading.Event]:
    """Note a SIGTERM instead of interrupting what runs inside, which ends soon by `StopHook`.

    `StopRequested` is raised after that.
    """
    event = threading.Event()

    def note(_number: int, _frame: FrameType | None) -> None:
        logger.warning("asked to stop: saving a checkpoint and the model")
        event.set()

    previous = signal.signal(signal.SIGTERM, note)
    try:
        yield event
    finally:
        signal.signal(signal.SIGTERM, previous)
    if event.is_set():
        raise StopRequested


class StopHook(tf.train.SessionRunHook):  # type: ignore[misc]  # TensorFlow has no types
    """Ends a training or an evaluation after the step at hand, once a stop is requested."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Called by the session after each step."""
        if self._stop.is_set():
            run_context.request_stop()
