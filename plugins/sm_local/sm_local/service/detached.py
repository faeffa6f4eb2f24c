"""Long work in threads that nobody has to wait for when the service ends."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import TypeVar

__all__ = ["completed", "detached"]

logger = logging.getLogger(__name__)

T = TypeVar("T")


async def detached(function: Callable[[], T], *, name: str) -> T:
    """Run `function` in a thread of its own and return what it returns.

    Unlike `asyncio.to_thread`, whose few threads are for short work, and are waited for at the end
    of the process: an environment may take minutes to build. Cancelling leaves the thread to go on
    by itself, so the work must be safe to do again.

    Args:
        function: blocks.
        name: of the thread.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def deliver(result: T | None, error: BaseException | None) -> None:
        if future.done():
            if error is not None:
                logger.info("%s ended after nobody waited for it any more: %s", name, error)
        elif error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # T where there is no error

    def work() -> None:
        result: T | None = None
        failure: BaseException | None = None
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001 - delivered to whoever waits
            failure = error
        try:
            loop.call_soon_threadsafe(deliver, result, failure)
        except RuntimeError:
            logger.info("%s ended after the service had stopped", name)

    threading.Thread(target=work, name=name, daemon=True).start()
    return await future


async def completed(function: Callable[[], T], *, name: str) -> T:
    """Like `detached`, but a cancelled caller waits until the thread is done before it goes.

    For what must not go on behind the back of whoever cleans up next.
    """
    work = asyncio.ensure_future(detached(function, name=name))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        if not work.cancelled() and work.exception() is not None:
            logger.info("%s was given up and failed: %s", name, work.exception())
        raise
