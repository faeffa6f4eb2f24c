"""Log lines of jobs and endpoints from CloudWatch Logs, and how a waiting user sees them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

import attrs
from rich.console import Console
from rich.status import Status
from rich.text import Text

from sm_core.clients import translated_errors
from sm_core.errors import RequestError

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["LogLine", "LogTail", "WaitView"]

TRAINING_GROUP = "/aws/sagemaker/TrainingJobs"
ENDPOINT_GROUP = "/aws/sagemaker/Endpoints/"
#: Colours that tell hosts apart, in the order of their first line.
_COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "red")


@attrs.frozen
class LogLine:
    """One line.

    Attributes:
        source: a job's host (``algo-1``); an endpoint's variant and instance.
        text: the line without its end.
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
        self._tokens: dict[str, str | None] = {}

    def new_lines(self) -> Iterator[LogLine]:
        """The lines that came since the last call, stream by stream.

        Raises:
            RequestError: they cannot be read.
        """
        for stream in self._streams():
            yield from self._read(stream)

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

    def _read(self, stream: str) -> Iterator[LogLine]:
        source = stream.removeprefix(self._prefix)
        if self._prefix:
            # ``algo-1-1511395200``: the host and the second it began to log.
            source = re.sub(r"-\d{9,}$", "", source)
        while True:
            token = self._tokens.get(stream)
            request: dict[str, Any] = {
                "logGroupName": self._group,
                "logStreamName": stream,
                "startFromHead": True,
            }
            if token is not None:
                request["nextToken"] = token
            with translated_errors():
                page = self._client.get_log_events(**request)
            for event in page["events"]:
                yield LogLine(source, event["message"].rstrip("\n"), event["timestamp"])
            self._tokens[stream] = page["nextForwardToken"]
            # CloudWatch gives the same token again at the end; a page may be empty before it.
            if page["nextForwardToken"] == token:
                return


class WaitView:
    """What a user sees while waiting: statuses, log lines, and on a terminal a running clock."""

    def __init__(self, title: str, *, quiet: bool = False, stream: IO[str] | None = None) -> None:
        """
        Args:
            title: what is waited for.
            quiet: show nothing.
            stream: where to write; standard output if None.
        """
        self._console = Console(
            file=stream or sys.stdout, quiet=quiet, highlight=False, soft_wrap=True
        )
        self._title = title
        self._colours: dict[str, str] = {}
        self._status: Status | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
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
        quiet, self._console.quiet = self._console.quiet, False
        self._console.print(Text(text, style="bold"))
        self._console.quiet = quiet

    def step(self, text: str) -> None:
        """Show that something moved on: a line, and the text beside the clock."""
        self._console.print(Text(text, style="bold"))
        if self._status is not None:
            self._status.update(f"{self._title}: {text}")

    def line(self, line: LogLine) -> None:
        """Show a log line behind its source's name and colour."""
        colour = self._colours.setdefault(line.source, _COLOURS[len(self._colours) % len(_COLOURS)])
        prefix = Text(f"{line.source} | ", style=colour)
        self._console.print(prefix + Text(line.text))
