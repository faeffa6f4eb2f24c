"""The server's end of one worker process: what is asked, what is answered, how it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import cast

import attrs

from sm_core.container.messages import Answer, FrameReader
from sm_core.container.process import LIFELINE_VARIABLE, exit_code_of

__all__ = ["Asked", "Unanswered", "WorkerLink"]

#: Seconds in which a worker that is stuck writes down where, before it is killed.
_LAST_WORDS = 1.0


class Unanswered(Exception):
    """No worker answered a request; the text says why.

    Attributes:
        status: the HTTP status that tells it.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@attrs.define(eq=False)
class Asked:
    """A request on its way.

    Attributes:
        frame: the request.
        answer: set when it is answered, or when it will not be.
        since: the loop's time at which it came, or was given to a worker.
        is_gone: whether nobody waits for the answer any more.
    """

    frame: bytes
    answer: asyncio.Future[Answer]
    since: float
    is_gone: Callable[[], bool]

    def fail(self, status: int, reason: str) -> None:
        """Say that there will be no answer."""
        if not self.answer.done():
            self.answer.set_exception(Unanswered(status, reason))


class WorkerLink(asyncio.Protocol):
    """One worker process.

    Attributes:
        is_ready: whether it has loaded the model.
        has_answered: whether it has answered anything yet.
        started: the loop's time at which it was started.
        asked: the request that it has; None if it is free.
    """

    def __init__(self, on_free: Callable[[WorkerLink], None]) -> None:
        self.is_ready = False
        self.has_answered = False
        self._is_ending = False
        self.asked: Asked | None = None
        self._loop = asyncio.get_running_loop()
        self.started = self._loop.time()
        self._on_free = on_free
        self._reader = FrameReader()
        self._transport: asyncio.WriteTransport
        self._process: asyncio.subprocess.Process

    @classmethod
    async def start(cls, lifeline: int, on_free: Callable[[WorkerLink], None]) -> WorkerLink:
        """Start a worker: a new interpreter, never a fork, which frameworks do not survive.

        Args:
            lifeline: descriptor whose end of file tells the worker that this process is gone.
            on_free: called whenever the worker can take a request.
        """
        link = cls(on_free)
        ours, theirs = socket.socketpair()
        with theirs:
            descriptors = (theirs.fileno(), lifeline)
            link._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "sm_core.container.worker", str(theirs.fileno())),
                pass_fds=descriptors,
                env={**os.environ, LIFELINE_VARIABLE: str(lifeline)},
            )
        await link._loop.create_unix_connection(lambda: link, sock=ours)
        return link

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def ask(self, asked: Asked) -> None:
        """Give the worker, which is free, a request."""
        asked.since = self._loop.time()
        self.asked = asked
        self._transport.write(asked.frame)

    async def ended(self) -> int:
        """Wait for the end of the process; its exit code. A request that it had has failed then."""
        code = exit_code_of(await self._process.wait())
        self._transport.abort()
        if self.asked is not None:
            self.asked.fail(500, f"the worker process ended with exit code {code} on this request")
        return code

    def dismiss(self) -> None:
        """Let the worker leave after what it is doing; one that still loads is killed."""
        if self.is_ready:
            self._transport.close()
        else:
            self._signal(signal.SIGKILL)

    def end(self) -> None:
        """End the worker wherever it is; the log tells where."""
        self._is_ending = True
        self._signal(signal.SIGABRT)
        self._loop.call_later(_LAST_WORDS, self._signal, signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            with suppress(ProcessLookupError):  # it has just ended
                self._process.send_signal(number)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way to the worker."""
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        """Pass on the answer that is complete; the first one says that the worker is ready."""
        answer = self._reader.feed(data)
        if answer is None or self._is_ending:
            return
        asked, self.asked = self.asked, None
        if asked is None:
            self.is_ready = True
        else:
            self.has_answered = True
            if not asked.answer.done():
                asked.answer.set_result(answer)
        self._on_free(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """A worker that nobody can talk to is of no use; most have ended by themselves."""
        if self.asked is not None or not self.is_ready:
            self._loop.call_later(_LAST_WORDS, self._signal, signal.SIGKILL)
