"""The supervisor of one job or one model server: it owns the processes, their logs and exit codes.

Run as ``python -I -S supervisor.py <folder>`` by `sm_local.processes`, which documents the folder.
It imports the standard library only, and little of it: it starts for every job and stays as long.

The folder's ``spec.json`` says what to run; ``lock`` is held for as long as the supervisor lives;
``control`` is a FIFO that takes the line ``stop``; ``events.jsonl`` records what happened, each
event on the disk before anything else is done. Each host is a process in a session of its own; its
output goes through a pipe into its log, whole lines stamped with the milliseconds since the epoch.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import select
import signal
import sys
import time
from contextlib import suppress

TYPE_CHECKING = False  # typing takes a tenth of the start
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import UnionType
    from typing import Any

#: Written to standard output, which is then closed, once the lock is held and a stop is heard.
READY = b"ready\n"
#: Bytes of the longest line of a log; longer ones are cut. CloudWatch Logs has the same limit.
LINE_LIMIT = 262_118
LOG_LIMIT = 256 * 1024 * 1024  # bytes of a log; what follows is read, and dropped
#: Variables of every host: its marker, and the descriptor that closes when the supervisor dies.
MARKER_VARIABLE = "SMCORE_MARKER"
LIFELINE_VARIABLE = "SMCORE_LIFELINE_FD"

_CHUNK = 65_536
_LOCK_PATIENCE = 2.0  # seconds; whoever asks for the status holds the lock for an instant
_KILL_PATIENCE = 10.0  # seconds for killed processes to go, which a hanging disk can delay
_FAILED_GRACE = 5  # seconds for the other hosts after one has failed; nothing of them is kept
_PIPE_CHUNKS = 16  # a pipe holds 64 KiB, or 1 MiB where its writer has asked for that
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_CANNOT_EXECUTE, _NOT_FOUND = 126, 127  # exit codes as a shell has them
_HAS_PROC = os.path.exists("/proc/self/environ")


class Log:
    """The log file of one host."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._rest = b""
        self._stamp = self._lost = 0
        self._torn = self._full = False

    def feed(self, data: bytes) -> None:
        """Take output; write the lines that it completes."""
        *lines, rest = (self._rest + data).split(b"\n")
        *pieces, self._rest = _pieces(rest)
        if (lines or pieces) and not self._full:
            self._write([*lines, *pieces])

    def close(self) -> None:
        """Write the last line if the output did not end it."""
        if self._rest and not self._full:
            self._write([self._rest])
        self._rest = b""
        os.close(self._file)

    def _write(self, lines: list[bytes]) -> None:
        # A clock set back must not put a line before its predecessor.
        self._stamp = max(self._stamp, int(time.time() * 1000))
        prefix = b"%d " % self._stamp
        head = b"\n" if self._torn else b""
        if self._lost:
            head += prefix + b"%d lines of the log were lost: the disk was full\n" % self._lost
        text = b"".join(
            prefix + piece + b"\n" for line in lines for piece in _pieces(line.rstrip(b"\r"))
        )
        data = head + text.decode("utf-8", "replace").encode()
        if os.fstat(self._file).st_size + len(data) > LOG_LIMIT:
            self._full = True
            data = head + prefix + b"the log ends here: it has %d MiB\n" % (LOG_LIMIT >> 20)
        try:
            while data:
                data = data[os.write(self._file, data) :]
                self._torn = True
        except OSError:
            # The job may well go on without its log; one that needs the disk will fail itself.
            self._lost += len(lines)
        else:
            self._torn, self._lost = False, 0


def _pieces(line: bytes) -> list[bytes]:
    """Cut a line at LINE_LIMIT, between characters."""
    pieces = []
    while len(line) > LINE_LIMIT:
        cut = LINE_LIMIT
        while cut > LINE_LIMIT - 4 and line[cut] & 0xC0 == 0x80:
            cut -= 1
        pieces.append(line[:cut])
        line = line[cut:]
    return [*pieces, line]


class Host:
    """One host: what to run, and what became of it."""

    def __init__(self, spec: Any) -> None:
        self.name = _field(spec, "name", str)
        self.command = _field(spec, "command", list)
        self.environment = _field(spec, "environment", dict)
        self.directory = _field(spec, "directory", str)
        self.helper = _field(spec, "helper", bool)
        self.log = Log(_field(spec, "log", str))
        self.pid, self.output = 0, -1
        self.code: int | None = None

    def start(self, marker: str, lifeline: int) -> None:
        """Start the process; one that cannot be started exits at once, its log saying why."""
        self.environment[MARKER_VARIABLE] = marker
        self.environment[LIFELINE_VARIABLE] = str(lifeline)
        self.output, output = os.pipe()
        reason, error = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            self._become(output, error, lifeline)
        os.close(output)
        os.close(error)
        os.set_blocking(self.output, False)
        with open(reason, "rb") as stream:  # ends when the new program has replaced the child
            if message := stream.read():
                self.log.feed(b"cannot start %a: %b\n" % (self.command, message))

    def _become(self, output: int, error: int, lifeline: int) -> None:
        code = _CANNOT_EXECUTE
        try:
            signal.set_wakeup_fd(-1)
            os.setsid()
            for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.set_inheritable(lifeline, True)
            os.chdir(self.directory)
            os.execvpe(self.command[0], self.command, self.environment)
        except (OSError, TypeError, ValueError) as failure:
            if isinstance(failure, FileNotFoundError):
                code = _NOT_FOUND
            os.write(error, str(failure).encode("utf-8", "replace"))
        finally:
            os._exit(code)  # nothing may return into a second supervisor

    def signal(self, number: int) -> None:
        """Send a signal to the host's process group."""
        # All have ended: an error, and PermissionError where macOS has zombies left.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def pump(self) -> bool:
        """Move what the pipe holds into the log; False once nobody can write to it any more."""
        try:
            data = os.read(self.output, _CHUNK)
        except BlockingIOError:
            return True
        if data:
            self.log.feed(data)
            return True
        os.close(self.output)
        self.output = -1
        return False


class Supervisor:
    """The event loop over all hosts of the folder that is the working directory."""

    def __init__(self, spec: Any) -> None:
        self.hosts = [Host(host) for host in _field(spec, "hosts", list)]
        if not self.hosts or len({host.name for host in self.hosts}) < len(self.hosts):
            raise ValueError("spec.json: no hosts, or two of the same name")
        max_runtime = _field(spec, "max_runtime", int | float | None)
        self.grace = _field(spec, "grace", int | float)
        self.marker = _field(spec, "marker", str)
        self.reason: str | None = None
        self.deadline = None if max_runtime is None else time.monotonic() + max_runtime
        self.poll = select.poll()
        self.pipes: dict[int, Host] = {}
        self.events = os.open("events.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.control = _open_control()
        self.signals = _open_signals()
        self.poll.register(self.control, select.POLLIN)
        self.poll.register(self.signals, select.POLLIN)
        if os.fstat(self.events).st_size:
            os.write(self.events, b"\n")  # the last supervisor may have died within a line
        self.record("launched", pid=os.getpid())

    def record(self, event: str, **details: object) -> None:
        """Append an event and have it on the disk."""
        line = json.dumps({"time": time.time(), "event": event, **details}).encode() + b"\n"
        if os.write(self.events, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "events.jsonl")
        os.fsync(self.events)

    def run(self) -> None:
        """Start all hosts, watch them to their end and record it."""
        lifeline, _write_end = os.pipe()  # never written to; it closes with this process
        for host in self.hosts:
            host.start(self.marker, lifeline)
            self.pipes[host.output] = host
            self.poll.register(host.output, select.POLLIN)
            self.record("started", host=host.name, pid=host.pid)
        while self.running():
            self._wait()
            self._reap()
            if self.deadline is not None and time.monotonic() >= self.deadline:
                self._out_of_time()
        self.end_leftovers()
        for host in self.hosts:
            self._drain(host)
            host.log.close()
        outcome = {None: "completed", "stop": "stopped"}.get(self.reason, self.reason)
        codes = {host.name: host.code for host in self.hosts if not host.helper}
        self.record("finished", outcome=outcome, codes=codes)

    def running(self) -> list[Host]:
        """Return the hosts that have started and not ended; helpers go with the last of them."""
        return [h for h in self.hosts if h.pid and h.code is None and not h.helper]

    def _wait(self) -> None:
        left = None if self.deadline is None else self.deadline - time.monotonic()
        timeout = None if left is None else max(0, int(left * 1000) + 1)
        for descriptor, _ in self.poll.poll(timeout):
            if descriptor in self.pipes:
                self._pump(descriptor)
            elif descriptor == self.control:
                if b"stop" in os.read(self.control, _CHUNK).split():
                    self._end("stop")
            elif {signal.SIGTERM, signal.SIGINT} & set(os.read(self.signals, _CHUNK)):
                self._end("stop")

    def _pump(self, descriptor: int) -> None:
        if not self.pipes[descriptor].pump():
            self.poll.unregister(descriptor)
            del self.pipes[descriptor]

    def _out_of_time(self) -> None:
        if self.reason is None:
            self._end("max_runtime")
        else:
            self.deadline = None
            for host in self.running():
                host.signal(signal.SIGKILL)

    def _end(self, reason: str, failed: str | None = None) -> None:
        if self.reason is not None:
            return
        self.reason = reason
        grace = self.grace if failed is None else min(self.grace, _FAILED_GRACE)
        self.deadline = time.monotonic() + grace
        self.record("stopping", reason=reason, host=failed)
        for host in self.running():
            host.signal(signal.SIGTERM)

    def _reap(self) -> None:
        hosts = {host.pid: host for host in self.hosts if host.code is None}
        for pid, status in _ended_children():
            if (host := hosts.get(pid)) is None:
                continue  # an orphan of a host, adopted
            host.signal(signal.SIGKILL)  # a container ends with its first process
            self._drain(host)
            host.code = os.waitstatus_to_exitcode(status)
            self.record("exited", host=host.name, code=host.code)
            if host.code:
                self._end("failed", host.name)

    def _drain(self, host: Host) -> None:
        for _ in range(_PIPE_CHUNKS):
            if host.output in self.pipes:
                self._pump(host.output)

    def end_leftovers(self) -> None:
        """Kill and reap every process that the hosts left."""
        deadline = time.monotonic() + _KILL_PATIENCE
        while pids := leftovers(self.marker, parent=os.getpid()):
            if time.monotonic() > deadline:
                sys.stderr.write(f"supervisor: processes {pids} were killed and do not end\n")
                return
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            list(_ended_children())
            select.poll().poll(5)  # milliseconds


def leftovers(marker: str, *, parent: int | None = None) -> list[int]:
    """Return the live processes that carry the marker or, if given, have this parent.

    Only /proc tells; where there is none, the list is empty.
    """
    wanted = f"{MARKER_VARIABLE}={marker}".encode()
    found = []
    for name in filter(str.isdigit, os.listdir("/proc") if _HAS_PROC else ()):
        with suppress(OSError):  # it has ended meanwhile, or is another user's
            with open(f"/proc/{name}/stat", "rb") as stream:
                state, parent_text = stream.read().rpartition(b")")[2].split()[:2]
            with open(f"/proc/{name}/environ", "rb") as stream:
                is_wanted = int(parent_text) == parent or wanted in stream.read().split(b"\0")
            if is_wanted and state != b"Z":
                found.append(int(name))
    return found


def _ended_children() -> Iterator[tuple[int, int]]:
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            yield ended


def _field(spec: Any, key: str, kind: type | UnionType) -> Any:
    """Return ``spec[key]``; the error does not show the value, which may be secret."""
    if not isinstance(spec, dict) or not isinstance(spec.get(key), kind):
        raise ValueError(f"spec.json: {key} is missing or not of type {kind}")
    return spec.get(key)


def _open_control() -> int:
    with suppress(FileNotFoundError):
        os.unlink("control")
    os.mkfifo("control", 0o600)
    control = os.open("control", os.O_RDONLY | os.O_NONBLOCK)
    # Kept open for writing too: a FIFO without a writer is at its end, and so always readable.
    os.open("control", os.O_WRONLY | os.O_NONBLOCK)
    return control


def _open_signals() -> int:
    """Return a descriptor that yields the numbers of SIGCHLD, SIGTERM and SIGINT as they come."""
    signals, write_end = os.pipe()
    os.set_blocking(signals, False)
    os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: None)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    return signals


def _take_lock() -> None:
    lock = os.open("lock", os.O_RDWR | os.O_CREAT, 0o600)  # open, and so held, until the end
    deadline = time.monotonic() + _LOCK_PATIENCE
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise ValueError("another supervisor runs in this folder") from None
        select.poll().poll(10)  # milliseconds


def _detach() -> None:
    """Tell the launcher that all is ready; from here on write to a file."""
    log = os.open("supervisor.log", os.O_WRONLY | os.O_TRUNC | os.O_CREAT, 0o600)
    with suppress(BrokenPipeError):  # the launcher has gone; the work has not
        os.write(1, READY)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


def main(folder: str) -> None:
    """Supervise what the folder's ``spec.json`` says, to the end."""
    os.chdir(folder)
    _take_lock()
    with open("spec.json", "rb") as stream:
        supervisor = Supervisor(json.load(stream))
    if sys.platform == "linux":
        # An orphan of a host becomes a child of this process: none escapes by a double fork.
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    _detach()
    try:
        supervisor.run()
    except BaseException:
        for host in supervisor.running():
            host.signal(signal.SIGKILL)
        supervisor.end_leftovers()
        raise


if __name__ == "__main__":
    if os.fork():
        os._exit(0)  # whoever launches has no child to reap, and the supervisor no parent to lose
    try:
        main(sys.argv[1])
    except (OSError, ValueError) as error:
        sys.exit(f"supervisor: {error}")
