"""How the toolkit's processes begin, are told to stop, and end."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NamedTuple, NoReturn

from sm_core.container.tether import tethered

__all__ = [
    "LIFELINE_VARIABLE",
    "StartedChild",
    "StopRequested",
    "abandon",
    "as_init",
    "deferred_stop",
    "end_children",
    "end_with_supervisor",
    "exit_code_of",
    "leave",
    "leave_in_time",
    "raise_on_stop",
    "started_child",
    "tethered_child",
]

logger = logging.getLogger(__name__)

#: Number of a file descriptor, the read end of a pipe: its end of file means that whoever
#: supervises this process is gone.
LIFELINE_VARIABLE = "SMCORE_LIFELINE_FD"
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_Handler = Callable[[int, FrameType | None], object]


class StopRequested(KeyboardInterrupt):
    """The platform asked for an end by SIGTERM; raised in the user's function.

    A script that saves its work on Ctrl-C saves it here too.
    """


def as_init() -> None:
    """Split off the toolkit from a first process that forwards signals and reaps orphans.

    Only process number 1 of a container has these duties; every other process returns at once, and
    so does the child. The parent never returns: it ends with the child's exit code.
    """
    if os.getpid() != 1:
        return
    # Nothing ends the first process but a handler of its own: what comes too early would be lost.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
    child = os.fork()
    if child != 0:
        for number in _STOP_SIGNALS:
            signal.signal(number, lambda received, _: os.kill(child, received))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)
    if child == 0:
        return
    while True:
        ended, status = os.wait()
        if ended == child:
            os._exit(exit_code_of(os.waitstatus_to_exitcode(status)))


def exit_code_of(returncode: int) -> int:
    """A `subprocess` return code as a shell reports it: 128 plus the number of a signal."""
    return 128 - returncode if returncode < 0 else returncode


def end_with_supervisor() -> None:
    """Watch the lifeline, if there is one: when it closes, this process and its group are killed.

    Children do not inherit it.
    """
    text = os.environ.pop(LIFELINE_VARIABLE, None)
    if text is None:
        return
    descriptor = int(text)
    os.set_inheritable(descriptor, False)
    threading.Thread(target=_watch, args=(descriptor,), name="lifeline", daemon=True).start()


def _watch(descriptor: int) -> None:
    while os.read(descriptor, 64):
        pass
    for group in tuple(_GROUPS):
        _signal_group(group, signal.SIGKILL)
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


#: Process groups of children that were started outside this process's own group.
_GROUPS: set[int] = set()


def _signal_group(group: int, number: int) -> None:
    with suppress(ProcessLookupError):  # it has ended by itself
        os.killpg(group, number)


@contextmanager
def _handlers(handler: _Handler, numbers: Sequence[signal.Signals]) -> Iterator[None]:
    previous = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in previous.items():
            signal.signal(number, old)


@contextmanager
def raise_on_stop() -> Iterator[None]:
    """Raise `StopRequested` in the main thread at the first SIGTERM; later ones do nothing."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        # What the user's code does on its way out is not to be interrupted again.
        signal.signal(signal.SIGTERM, lambda *_: None)
        raise StopRequested

    with _handlers(stop, (signal.SIGTERM,)):
        yield


@contextmanager
def deferred_stop() -> Iterator[None]:
    """Let what runs inside finish before a SIGTERM takes effect, such as writing a model."""
    received: list[int] = []
    with _handlers(lambda number, _: received.append(number), (signal.SIGTERM,)):
        yield
    if received:
        signal.raise_signal(signal.SIGTERM)


class StartedChild(NamedTuple):
    """A child in a process group of its own.

    Attributes:
        process: the child.
        forwarded: signals that this process was sent and that were passed on, in order.
    """

    process: subprocess.Popen[bytes]
    forwarded: list[int]


@contextmanager
def started_child(
    command: Sequence[str], *, directory: Path, environment: Mapping[str, str]
) -> Iterator[StartedChild]:
    """Start a child whose output, errors in between, comes through a pipe.

    SIGTERM and SIGINT are passed on to its group; whatever is left of the group is killed at the
    end.
    """
    forwarded: list[int] = []
    child: subprocess.Popen[bytes] | None = None

    def forward(number: int, _frame: FrameType | None) -> None:
        forwarded.append(number)
        if child is not None:
            _signal_group(child.pid, number)

    with _handlers(forward, _STOP_SIGNALS):
        # A group of its own: the platform may signal this process's whole group, and the child
        # would then be signalled twice.
        child = subprocess.Popen(
            tethered(command),
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        for number in tuple(forwarded):
            _signal_group(child.pid, number)
        _GROUPS.add(child.pid)
        try:
            yield StartedChild(child, forwarded)
        finally:
            _signal_group(child.pid, signal.SIGKILL)
            child.wait()
            _GROUPS.discard(child.pid)


@contextmanager
def tethered_child(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    directory: Path | None = None,
    captured: bool = False,
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a child in a group of its own.

    The group is killed at the end, the child with this process whatever way that ends.

    Args:
        command: the program and its arguments.
        environment: all of the child's variables.
        directory: where it runs; None for where this process does.
        captured: whether its output, errors in between, comes through a pipe, not into the log.
    """
    child = subprocess.Popen(
        tethered(command),
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if captured else None,
        stderr=subprocess.STDOUT if captured else None,
        start_new_session=True,
    )
    _GROUPS.add(child.pid)
    try:
        yield child
    finally:
        _signal_group(child.pid, signal.SIGKILL)
        child.wait()
        if child.stdout is not None:
            child.stdout.close()
        _GROUPS.discard(child.pid)


def abandon(code: int) -> NoReturn:
    """End this process and all that it started now, from any thread."""
    for group in tuple(_GROUPS):
        _signal_group(group, signal.SIGKILL)
    end_children()
    leave(code)


def end_children() -> None:
    """Kill the processes that the user's code started by `multiprocessing` and left running."""
    multiprocessing = sys.modules.get("multiprocessing")
    if multiprocessing is None:
        return
    for child in multiprocessing.active_children():
        child.kill()
        child.join()


def leave_in_time(seconds: float) -> None:
    """End this process with success after so many seconds, unless it ends by itself before.

    Python waits at its end for every thread and process of the user's that is not a daemon: for
    those that work on for a while, as for one that never ends.
    """
    threading.Thread(target=_leave_late, args=(seconds,), daemon=True).start()


def _leave_late(seconds: float) -> None:
    time.sleep(seconds)
    mine = threading.main_thread()
    threads = [each.name for each in threading.enumerate() if each is not mine and not each.daemon]
    logger.warning(
        "all is done but for what the script left behind, which %.0f seconds were not enough for%s",
        seconds,
        f": {', '.join(threads)}" if threads else "",
    )
    end_children()
    leave(0)


def leave(code: int) -> NoReturn:
    """End the process now, whatever threads still run."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
