"""Lines of comma-separated numbers as arrays, at the speed of a JSON parser."""

from __future__ import annotations

from array import array

import numpy as np
import numpy.typing as npt
import orjson

from sm_amazon_algos.container.streams import Taken
from sm_core.errors import CodecError

__all__ = ["parse_lines", "take_lines"]

Rows = npt.NDArray[np.float64]

_NEWLINE, _COMMA = ord("\n"), ord(",")
#: All that numbers in JSON are written with, and what separates them.
_PLAIN = b"0123456789.,-eE\n"
#: Bytes of the longest line.
_LONGEST = 1 << 28


def take_lines(piece: npt.NDArray[np.uint8], base: int, first: int, final: bool) -> Taken[Rows]:
    """The complete lines in a piece of a stream, for `streams.pieces`.

    Raises:
        CodecError: a line holds something else than numbers, or another number of them.
    """
    data = piece.tobytes()
    used = len(data) if final else data.rfind(b"\n") + 1
    if not used:
        if len(data) > _LONGEST:
            raise CodecError(f"line {first + 1} has more than {_LONGEST} bytes")
        return Taken(None, 0, 0)
    text = data[:used]
    return Taken(parse_lines(text, first=first), text.count(b"\n"), used)


def parse_lines(text: bytes, *, first: int = 0) -> Rows | None:
    """The numbers in lines of CSV: float64, (lines, numbers of a line); None if all are blank.

    Quotation marks around numbers are left out, blank lines too.

    Args:
        text: the lines; the last one need not be ended.
        first: lines before them, for messages.

    Raises:
        CodecError: a line holds something else than numbers, or another number of them; names it.
    """
    plain = text.translate(None, b'\r" \t')
    if not plain.strip():
        return None
    if not plain.endswith(b"\n"):
        plain += b"\n"
    rows = _parse_plain(plain) if _is_plain(plain) else None
    return _parse_slowly(text, first) if rows is None else rows


def _is_plain(text: bytes) -> bool:
    """Whether there is nothing but numbers, in lines of equal length."""
    if text.translate(None, _PLAIN):
        return False
    codes = np.frombuffer(text, dtype=np.uint8)
    separators = codes[(codes == _NEWLINE) | (codes == _COMMA)]
    width = int(np.argmax(separators == _NEWLINE)) + 1
    if len(separators) % width:
        return False
    table = separators.reshape(-1, width) == _NEWLINE
    return bool(table[:, -1].all()) and not table[:, :-1].any()


def _parse_plain(text: bytes) -> Rows | None:
    width = text.count(b",", 0, text.index(b"\n")) + 1
    try:
        numbers = orjson.loads(b"[%b]" % text[:-1].replace(b"\n", b","))
    except orjson.JSONDecodeError:
        # Written as JSON does not: 1. or .5 or 007, or nothing at all.
        return None
    return np.frombuffer(array("d", numbers)).reshape(-1, width)


def _parse_slowly(text: bytes, first: int) -> Rows | None:
    """Cell by cell, to find out what is wrong or unusual."""
    rows: list[list[float]] = []
    for number, line in enumerate(text.splitlines(), start=first + 1):
        cells = line.replace(b'"', b"").split(b",")
        if cells == [b""] or not line.strip():
            continue
        try:
            row = [float(cell) for cell in cells]
        except ValueError:
            raise CodecError(f"line {number} is {_excerpt(line)}, which is not numbers") from None
        if rows and len(row) != len(rows[0]):
            raise CodecError(f"line {number} has {len(row)} numbers, the first has {len(rows[0])}")
        rows.append(row)
    return np.array(rows, dtype=np.float64) if rows else None


def _excerpt(line: bytes) -> str:
    text = line.decode(errors="replace")
    return repr(text if len(text) <= 60 else f"{text[:60]}…")
