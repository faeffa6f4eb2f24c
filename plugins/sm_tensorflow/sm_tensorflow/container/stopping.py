"""A stop on request that lets TensorFlow save its checkpoint first; needs no TensorFlow itself."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from sm_core.container.process import StopRequested

__all__ = ["stop_awaited"]

logger = logging.getLogger(__name__)


@contextmanager
def stop_awaited() -> Iterator[threading.Event]:
    """Note a SIGTERM instead of interrupting what runs inside, which ends soon by a `StopHook`.

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
