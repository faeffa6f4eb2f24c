"""The model server's worker processes: given requests, watched, replaced and ended."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from sm_core.container.limits import ServingLimits
from sm_core.container.messages import Answer
from sm_core.container.workerlink import Asked, WorkerLink

__all__ = ["Pool"]

logger = logging.getLogger(__name__)

#: Seconds between two looks at how long things take.
_TICK = 0.25
#: Starts in a row that may fail, while no worker is ready, before the server gives up.
_ATTEMPTS = 5
#: Seconds before the start that follows a worker without merit; doubled each time up to a ceiling.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
#: Seconds in which workers leave that have nothing to do.
_FAREWELL = 2.5


class Pool:
    """Workers that each have one request at a time; further requests wait, in order."""

    def __init__(self, count: int, limits: ServingLimits) -> None:
        """
        Args:
            count: how many workers there should be.
            limits: how long things may take.
        """
        self._count = count
        self._limits = limits
        self._links: set[WorkerLink] = set()
        self._free: list[WorkerLink] = []
        self._waiting: deque[Asked] = deque()
        self._in_vain = 0
        self._loaded = asyncio.Event()
        self._stopping = asyncio.Event()
        self._keepers: list[asyncio.Task[int]] = []

    @property
    def is_ready(self) -> bool:
        """Whether there is a worker that has loaded the model."""
        return any(link.is_ready for link in self._links)

    async def run(self) -> int:
        """Keep the workers until `stop`, or until none can be started; the exit code."""
        # Its end of file tells workers that this process is gone, however busy they are.
        theirs, ours = os.pipe()
        watch = asyncio.create_task(self._watch())
        try:
            self._keepers = [asyncio.create_task(self._keep(theirs)) for _ in range(self._count)]
            stopped = asyncio.create_task(self._stopping.wait())
            await asyncio.wait([*self._keepers, stopped], return_when=asyncio.FIRST_COMPLETED)
            await self._end()
        finally:
            watch.cancel()
            os.close(theirs)
            os.close(ours)
        return max(keeper.result() for keeper in self._keepers)

    async def loaded(self) -> None:
        """Wait until every worker has loaded the model."""
        await self._loaded.wait()

    def stop(self) -> None:
        """Let the workers leave, those with a request after they have answered it."""
        self._stopping.set()

    def give_up(self, reason: str) -> None:
        """Answer all that is under way or waits with 503 and `reason`."""
        for link in self._links:
            if link.asked is not None:
                link.asked.fail(503, reason)
        while self._waiting:
            self._waiting.popleft().fail(503, reason)

    def ask(self, frame: bytes, is_gone: Callable[[], bool]) -> asyncio.Future[Answer]:
        """Have a request answered by the next free worker.

        Args:
            frame: the request.
            is_gone: whether nobody waits for the answer any more.

        Returns:
            The answer; or `Unanswered`: no worker was free in time, or the one that had it took
            too long or died.
        """
        loop = asyncio.get_running_loop()
        asked = Asked(frame, loop.create_future(), loop.time(), is_gone)
        if self._free:
            self._free.pop().ask(asked)
        elif len(self._waiting) >= self._limits.waiting * self._count:
            asked.fail(503, "too many requests are waiting for the model")
        else:
            self._waiting.append(asked)
        return asked.answer

    def _on_free(self, link: WorkerLink) -> None:
        if not self._loaded.is_set():
            ready = sum(each.is_ready for each in self._links | {link})
            if ready == self._count:
                self._loaded.set()
        while self._waiting:
            asked = self._waiting.popleft()
            if asked.is_gone():
                asked.answer.cancel()
            elif not asked.answer.done():
                link.ask(asked)
                return
        self._free.append(link)

    async def _keep(self, lifeline: int) -> int:
        """Keep one worker alive; 0 when the server stops, else the code of one that failed."""
        while not self._stopping.is_set():
            link = await WorkerLink.start(lifeline, self._on_free)
            self._links.add(link)
            if self._stopping.is_set():
                link.dismiss()
            code = await link.ended()
            self._links.discard(link)
            if link in self._free:
                self._free.remove(link)
            if self._stopping.is_set():
                break
            if self._must_end(link):
                logger.error("a worker ended with exit code %d before it was ready", code)
                return code or 1
            logger.error("worker %d ended with exit code %d and is replaced", link.pid, code)
            if self._in_vain:
                await self._pause(min(_FIRST_PAUSE * 2 ** (self._in_vain - 1), _LONGEST_PAUSE))
        return 0

    def _must_end(self, link: WorkerLink) -> bool:
        """Whether no worker can be started, as the one that has ended shows."""
        self._in_vain = 0 if link.has_answered else self._in_vain + 1
        if link.is_ready:
            return False
        return not self._loaded.is_set() or (self._in_vain >= _ATTEMPTS and not self.is_ready)

    async def _pause(self, seconds: float) -> None:
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _watch(self) -> None:
        """End workers that take too long, and refuse requests that have waited too long."""
        loop = asyncio.get_running_loop()
        limit, startup = self._limits.answer, self._limits.startup
        while True:
            await asyncio.sleep(_TICK)
            now = loop.time()
            for link in self._links:
                if link.asked is not None and now - link.asked.since > limit:
                    if not link.asked.answer.done():
                        logger.error("worker %d took over %g seconds to answer", link.pid, limit)
                        link.asked.fail(504, f"the model did not answer within {limit:g} seconds")
                        link.end()
                elif not link.is_ready and startup < now - link.started < startup + 2 * _TICK:
                    logger.error("worker %d took over %g seconds to load", link.pid, startup)
                    link.end()
            while self._waiting and now - self._waiting[0].since > limit:
                self._waiting.popleft().fail(503, f"no worker was free within {limit:g} seconds")

    async def _end(self) -> None:
        self._stopping.set()
        for link in self._links:
            link.dismiss()
        _, late = await asyncio.wait(self._keepers, timeout=_FAREWELL)
        if late:
            logger.error("%d workers did not end when they were asked to", len(late))
            for link in self._links:
                link.end()
            await asyncio.wait(late)
