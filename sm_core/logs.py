"""Log lines of jobs and endpoints from CloudWatch Logs, and how a waiting user sees them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from operator import attrgetter
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

import attrs
from rich.console import Console
from rich.markup import escape
from rich.segment import Segment, Segments
from rich.status import Status
from rich.style import Style

from sm_core.clients import translated_errors
from sm_core.errors import RequestError
from sm_core.text import printable

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["LogLine", "LogTail", "WaitView"]

TRAINING_GROUP = "/aws/sagemaker/TrainingJobs"
ENDPOINT_GROUP = "/aws/sagemaker/Endpoints/"
#: Colours that tell hosts apart, in the order of their first line.
_COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "red")
#: Pages of a stream that are read at a time while what logs them still runs; a page has up to
#: 10000 lines.
_PAGES = 2
#: Pages that are read once nothing more is to come, of all streams; then only the last lines are.
_LAST_PAGES = 20
_LAST_LINES = 100


@attrs.frozen
class LogLine:
    """One line.

    Attributes:
        source: a job's host (``algo-1``); an endpoint's variant and instance.
        text: the line without its end, without control characters but tabs.
        timestamp: milliseconds since the epoch.
    """

    source: str
    text: str
    timestamp: int


class LogTail:
    """Follows the streams of one log group whose names begin with a prefix."""

    def __init__(self, client: Any, group: str, prefix: str = "") -> None:
        """
        Args:
            client: of CloudWatch Logs.
            group: log group; it may not exist yet.
            prefix: of the streams' names, ``<job name>/``.
        """
        self._client = client
        self._group = group
        self._prefix = prefix
        self._tokens: dict[str, str] = {}
        #: Of each stream the last line's time that was read, and how many lines of that time.
        self._read_until: dict[str, tuple[int, int]] = {}

    def pages(self) -> Iterator[list[LogLine]]:
        """The lines that came since the last call, stream by stream, in pieces.

        Of each stream no more than some pages: whoever logs faster than can be read must not keep
        the reader from all else.

        Raises:
            RequestError: they cannot be read.
        """
        for stream in self._streams():
            yield from self._some(stream, _PAGES)

    def rest(self, notice: Callable[[str], None]) -> Iterator[list[LogLine]]:
        """The lines that came since the last call, to the end, when no more are to come.

        Args:
            notice: is told where so many are left that all but the last are passed over.

        Raises:
            RequestError: they cannot be read.
        """
        streams = self._streams()
        for stream in streams:
            at_end = yield from self._some(stream, max(1, _LAST_PAGES // len(streams)))
            if at_end:
                continue
            lines = self._last(stream, _LAST_LINES)
            if len(lines) == _LAST_LINES:
                notice(
                    f"{self._source(stream)}: here log lines are left out; all of them are in "
                    f"CloudWatch Logs, group {self._group!r}, stream {stream!r} "
                    "(session.client('logs').get_log_events)"
                )
            if lines:
                yield lines

    def last_lines(self, count: int) -> list[LogLine]:
        """The last `count` lines of all streams together, by time.

        Raises:
            RequestError: they cannot be read.
        """
        lines = [line for stream in self._streams() for line in self._last(stream, count)]
        return sorted(lines, key=attrgetter("timestamp"))[-count:]

    def _streams(self) -> list[str]:
        request: dict[str, Any] = {"logGroupName": self._group}
        if self._prefix:
            request["logStreamNamePrefix"] = self._prefix
        try:
            with translated_errors():
                pages = self._client.get_paginator("describe_log_streams").paginate(**request)
                return [stream["logStreamName"] for page in pages for stream in page["logStreams"]]
        except RequestError as error:
            # The group appears when the first line is written.
            if error.code == "ResourceNotFoundException":
                return []
            raise

    def _some(self, stream: str, count: int) -> Generator[list[LogLine], None, bool]:
        """The lines of up to `count` more pages; whether they reach the stream's end."""
        for _ in range(count):
            token = self._tokens.get(stream)
            position = {} if token is None else {"nextToken": token}
            lines = self._page(stream, startFromHead=True, **position)
            if lines:
                yield lines
            # CloudWatch gives the same token again at the end; a page may be empty before it.
            if self._tokens[stream] == token:
                return True
        return False

    def _last(self, stream: str, count: int) -> list[LogLine]:
        """The last lines that have not been read, up to `count`."""
        if stream not in self._read_until:
            return self._page(stream, startFromHead=False, limit=count)
        since, read = self._read_until[stream]
        lines = self._page(stream, startFromHead=False, limit=count, startTime=since)
        # If all since then are there, they begin with those of that moment that were read.
        return lines[read:] if len(lines) < count else lines

    def _page(self, stream: str, **which: Any) -> list[LogLine]:
        with translated_errors():
            page = self._client.get_log_events(
                logGroupName=self._group, logStreamName=stream, **which
            )
        self._tokens[stream] = page["nextForwardToken"]
        source = self._source(stream)
        lines = [
            LogLine(source, _one_line(event["message"]), event["timestamp"])
            for event in page["events"]
        ]
        if lines:
            last = lines[-1].timestamp
            before, read = self._read_until.get(stream, (0, 0))
            fresh = sum(line.timestamp == last for line in lines)
            self._read_until[stream] = (last, fresh + (read if before == last else 0))
        return lines

    def _source(self, stream: str) -> str:
        source = stream.removeprefix(self._prefix)
        # ``algo-1-1511395200``: the host and the second it began to log.
        return re.sub(r"-\d{9,}$", "", source) if self._prefix else source


def _one_line(message: str) -> str:
    return printable(message.rstrip("\r\n")).replace("\n", " ")


class WaitView:
    """What a user sees while waiting: statuses, log lines, and on a terminal a running clock."""

    def __init__(self, title: str, *, quiet: bool = False, stream: IO[str] | None = None) -> None:
        """
        Args:
            title: what is waited for.
            quiet: show nothing.
            stream: where to write; standard output if None.
        """
        self._stream = stream or sys.stdout
        self._console = Console(file=self._stream, highlight=False, soft_wrap=True)
        self._quiet = quiet
        self._title = title
        self._colours: dict[str, Style] = {}
        self._status: Status | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._quiet:
            self._status = self._console.status(self._title)
            self._status.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def notice(self, text: str) -> None:
        """Show something that a user must know, even if all else is not shown."""
        self._show([("", Style(bold=True), printable(text))])

    def step(self, text: str) -> None:
        """Show that something moved on: a line, and the text beside the clock."""
        if self._quiet:
            return
        self.notice(text)
        if self._status is not None:
            self._status.update(escape(f"{self._title}: {printable(text)}"))

    def lines(self, lines: Sequence[LogLine]) -> None:
        """Show log lines behind their sources' names and colours."""
        if not self._quiet:
            self._show(
                [(f"{each.source} | ", self._colour(each.source), each.text) for each in lines]
            )

    def _colour(self, source: str) -> Style:
        if source not in self._colours:
            colour = _COLOURS[len(self._colours) % len(_COLOURS)]
            self._colours[source] = Style(color=colour)
        return self._colours[source]

    def _show(self, rows: Sequence[tuple[str, Style, str]]) -> None:
        """Show rows of prefix, style and text; the style is the prefix's, if there is one."""
        if not self._console.is_terminal:
            # Rich is made for pages of text: it would take longer than many a job does to log.
            text = "".join(f"{prefix}{text}\n" for prefix, _, text in rows)
            self._stream.write(self._writable(text))
            self._stream.flush()
            return
        segments: list[Segment] = []
        for prefix, style, line in rows:
            text = self._writable(line)
            if prefix:
                segments += [Segment(prefix, style), Segment(f"{text}\n")]
            else:
                segments.append(Segment(f"{text}\n", style))
        self._console.print(Segments(segments), end="")

    def _writable(self, text: str) -> str:
        """`text` as the stream can take it: what its encoding lacks is shown as an escape.

        A stream that knows by itself what to do about that is left to it.
        """
        if getattr(self._stream, "errors", None) not in (None, "strict", "surrogateescape"):
            return text
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        return text.encode(encoding, "backslashreplace").decode(encoding)
