"""A small plot of a metric for the terminal: braille where it can be shown, else ASCII."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import IO, Any

__all__ = ["can_show_braille", "plotted"]

#: Bits of a braille character's dots, by row and column (Unicode, block 2800).
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_BLANK = 0x2800


def can_show_braille(stream: IO[Any]) -> bool:
    """Whether the encoding of `stream` has the characters."""
    try:
        chr(_BLANK).encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def plotted(
    points: Sequence[tuple[float, float]], *, width: int, height: int, braille: bool
) -> list[str]:
    """The lines of a plot, with the greatest and the least value beside it and the time below.

    Args:
        points: time in seconds and value; what is no finite number is left out.
        width: characters of a line at most.
        height: lines of the plot, without the one below.
        braille: 2 by 4 dots in each character, or one asterisk.
    """
    finite = [(time, value) for time, value in points if math.isfinite(value)]
    if not finite:
        return ["no finite values"]
    low, high = min(value for _, value in finite), max(value for _, value in finite)
    labels = [f"{high:.4g}", *[""] * (height - 2), f"{low:.4g}"]
    margin = max(map(len, labels))
    columns = max(1, width - margin - 2)
    across, down = (2, 4) if braille else (1, 1)
    dots = _dots(finite, columns * across, height * down)
    rows = _braille(dots, columns, height) if braille else _ascii(dots, columns, height)
    axis = "\u2524" if braille else "|"
    begin = min(time for time, _ in finite)
    seconds = f"{max(time for time, _ in finite) - begin:.4g} s"
    return [
        *(
            f"{label:>{margin}} {axis}{row}".rstrip()
            for label, row in zip(labels, rows, strict=True)
        ),
        f"{'':{margin}} 0{seconds:>{columns}}",
    ]


def _dots(points: Sequence[tuple[float, float]], width: int, height: int) -> set[tuple[int, int]]:
    """Columns and rows, from the upper left, of dots for points and the lines between them."""
    begin, end = min(time for time, _ in points), max(time for time, _ in points)
    low, high = min(value for _, value in points), max(value for _, value in points)
    places = [
        (
            round(_share(time, begin, end) * (width - 1)),
            round((1 - _share(value, low, high)) * (height - 1)),
        )
        for time, value in sorted(points)
    ]
    dots = set(places)
    for (left, before), (right, after) in pairwise(places):
        steps = max(right - left, abs(after - before))
        for step in range(1, steps):
            share = step / steps
            dots.add(
                (round(left + share * (right - left)), round(before + share * (after - before)))
            )
    return dots


def _share(value: float, low: float, high: float) -> float:
    """How far between `low` and `high`; the middle if they are the same."""
    return (value - low) / (high - low) if high > low else 0.5


def _braille(dots: set[tuple[int, int]], columns: int, lines: int) -> list[str]:
    cells = [[_BLANK] * columns for _ in range(lines)]
    for x, y in dots:
        cells[y // 4][x // 2] |= _DOTS[y % 4][x % 2]
    return ["".join(" " if cell == _BLANK else chr(cell) for cell in line) for line in cells]


def _ascii(dots: set[tuple[int, int]], columns: int, lines: int) -> list[str]:
    return ["".join("*" if (x, y) in dots else " " for x in range(columns)) for y in range(lines)]
