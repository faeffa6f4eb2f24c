"""Lines of comma-separated numbers as arrays, at the speed of a JSON parser."""

from __future__ import annotations

import re
from array import array

import numpy as np
import numpy.typing as npt
import orjson

from sm_amazon_algos.container.streams import Taken
from sm_core.errors import CodecError

__all__ = ["parse_lines", "take_lines"]

Rows = npt.NDArray[np.float64]

_NEWLINE, _COMMA = ord("\n"), ord(",")
#: All that numbers in JSON are written with, what separates them, and white space, which JSON may
#: have around numbers, not in them.
_PLAIN = b"0123456789.,-eE\n\r\t "
#: A cell in quotation marks; one with a comma or a line's end in it is no number.
_QUOTED = re.compile(rb'(?<![^,\n])[ \t]*"([^",\r\n]*)"[ \t]*(?![^,\r\n])')
#: What some programs put before text to say that it is UTF-8.
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
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

    Quotation marks and white space around numbers are left out, blank lines and a mark of the byte
    order before the first line too. Lines end as on any system.

    Args:
        text: the lines; the last one need not be ended.
        first: lines before them, for messages.

    Raises:
        CodecError: a line holds something else than numbers, or another number of them; names it.
    """
    if not first:
        text = text.removeprefix(_BYTE_ORDER_MARK)
    if not text.strip():
        return None
    if not text.endswith(b"\n"):
        text += b"\n"
    if b'"' in text:
        text = _QUOTED.sub(rb"\1", text)
    rows = _parse_plain(text) if _is_plain(text) else None
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
        if not line.strip():
            continue
        try:
            row = [_number(cell) for cell in line.split(b",")]
        except ValueError:
            raise CodecError(f"line {number} is {_excerpt(line)}, which is not numbers") from None
        if rows and len(row) != len(rows[0]):
            raise CodecError(f"line {number} has {len(row)} numbers, the first has {len(rows[0])}")
        rows.append(row)
    return np.array(rows, dtype=np.float64) if rows else None


def _number(cell: bytes) -> float:
    """A number as everybody writes it: Python would take 1_000 too."""
    if b"_" in cell:
        raise ValueError(cell)
    return float(cell)


def _excerpt(line: bytes) -> str:
    text = line.decode(errors="replace")
    return repr(text if len(text) <= 60 else f"{text[:60]}…")
