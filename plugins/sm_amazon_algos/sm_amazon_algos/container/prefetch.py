"""Reading ahead: the next batches are read while this one is computed with."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable
from typing import TypeVar

__all__ = ["ahead"]

T = TypeVar("T")

#: Items that wait to be taken; as many again are being made, and computed with.
_DEPTH = 1
#: Seconds after which a thread looks whether anybody still wants what it has.
_LOOK = 0.1


class _End:
    """What comes behind the last item: why there are no more."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def ahead(items: Iterable[T]) -> Generator[T, None, None]:
    """The same items, the next of which a thread gets meanwhile.

    What numpy does with large arrays, and reading, let other threads run. An exception of `items`
    comes out here; when this is closed early, the thread ends by itself.
    """
    waiting: queue.Queue[T | _End] = queue.Queue(_DEPTH)
    over = threading.Event()

    def put(item: T | _End) -> None:
        while not over.is_set():
            try:
                waiting.put(item, timeout=_LOOK)
            except queue.Full:
                continue
            return

    def run() -> None:
        try:
            for item in items:
                put(item)
                if over.is_set():
                    return
            put(_End())
        except BaseException as error:  # noqa: BLE001  # it is raised where items are taken
            put(_End(error))

    threading.Thread(target=run, name="read ahead", daemon=True).start()
    try:
        while not isinstance(item := waiting.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        over.set()
