"""How to wait: ever longer pauses, and patience with faults that pass by themselves."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from sm_core.backends import Polling
from sm_core.clients import is_passing
from sm_core.errors import RequestError

__all__ = ["intervals", "jittered", "patiently"]

#: Seconds of nothing but passing faults after which the last one is raised.
PATIENCE = 300.0

_Answer = TypeVar("_Answer")


def intervals(polling: Polling) -> Iterator[float]:
    """Seconds to wait before each further question, growing to the ceiling."""
    seconds = polling.first
    while True:
        yield seconds
        seconds = min(seconds * polling.factor, polling.ceiling)


def jittered(seconds: float) -> float:
    """`seconds`, give or take a half, so that many who wait do not ask all at once."""
    return seconds * random.uniform(0.5, 1.5)


def patiently(
    ask: Callable[[], _Answer], *, polling: Polling, say: Callable[[str], None]
) -> _Answer:
    """The answer of `ask`, asked again while the network or the service has a passing fault.

    Args:
        ask: the question; asking it twice must do no harm.
        polling: how long to pause, give or take a half.
        say: tells the user, once, why nothing moves.

    Raises:
        RequestError: at once where asking again cannot help; else after five minutes of trying.
    """
    deadline: float | None = None
    for pause in intervals(polling):
        try:
            return ask()
        except RequestError as error:
            if not is_passing(error):
                raise
            now = time.monotonic()
            if deadline is None:
                deadline = now + PATIENCE
                say(f"{error}; trying again for {PATIENCE / 60:.0f} minutes")
            elif now >= deadline:
                raise
        time.sleep(jittered(pause))
    raise AssertionError("intervals never end")
