"""What commands print: tables on a terminal, aligned columns in a pipe, or JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import IO, Any, TypeVar

import click

from sm_core.text import printable

__all__ = [
    "is_terminal",
    "json_option",
    "moment",
    "print_json",
    "print_record",
    "print_table",
    "span",
]

Function = TypeVar("Function", bound=Callable[..., Any])

#: Colours of statuses, of jobs and endpoints alike.
_COLOURS = {
    "Completed": "green",
    "InService": "green",
    "Failed": "red",
    "InProgress": "cyan",
    "Creating": "cyan",
    "Updating": "cyan",
    "Stopped": "yellow",
    "Stopping": "yellow",
    "Deleting": "yellow",
}


def json_option(function: Function) -> Function:
    """Give a command ``--json``, as its argument `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")(function)


def is_terminal(stream: IO[Any]) -> bool:
    """Whether a person sees or feeds `stream`."""
    return stream.isatty()


def print_json(value: Any) -> None:
    """Print `value`; times as ISO 8601, AWS's answers without what is about the call."""
    if isinstance(value, Mapping):
        value = {name: each for name, each in value.items() if name != "ResponseMetadata"}
    click.echo(json.dumps(value, indent=2, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"a {type(value).__name__} has no form in JSON")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows under their columns' names.

    On a terminal long text is folded. Elsewhere each row is one line, whole, for programs.
    """
    shown = [[printable(cell).replace("\n", " ") for cell in row] for row in rows]
    if not is_terminal(sys.stdout):
        _print_aligned([list(columns), *shown])
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=None, pad_edge=False)
    for row in shown:
        table.add_row(*(Text(cell, style=_COLOURS.get(cell, "")) for cell in row))
    Console(highlight=False).print(table)


def print_record(pairs: Iterable[tuple[str, str]]) -> None:
    """Print names and values, one pair a line; values of several lines are indented."""
    kept = [(name, value) for name, value in pairs if value]
    width = max((len(name) for name, _ in kept), default=0)
    for name, value in kept:
        first, *rest = printable(value).splitlines() or [""]
        title = click.style(name.ljust(width), bold=True)
        click.echo("\n".join([f"{title}  {first}", *(f"{'':{width}}  {line}" for line in rest)]))


def moment(time: datetime | None) -> str:
    """A time as this machine's clock shows it, to the second; "" for None."""
    return time.astimezone().strftime("%Y-%m-%d %H:%M:%S") if time else ""


def span(start: datetime | None, end: datetime | None) -> str:
    """The time from `start` to `end`, or until now: ``1h02m03s``; "" where it has not begun."""
    if start is None:
        return ""
    seconds = max(0, int(((end or datetime.now(timezone.utc)) - start).total_seconds()))
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes:02}m{seconds:02}s"
    return f"{minutes}m{seconds:02}s" if minutes else f"{seconds}s"


def _print_aligned(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(padded).rstrip())
