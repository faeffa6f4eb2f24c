"""Numbers out of rows of different lengths that lie apart from one another in a block of bytes.

Where the rows are of similar lengths, as many bytes as the longest has are taken for each, into a
table of which the surplus is dropped again: numpy does that many times faster than anything that
looks at single bytes.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sm_amazon_algos.matrices import Array

__all__ = ["keys", "numbers", "varints"]

_WIDTHS: Mapping[str, int] = {"float32": 4, "float64": 8}
#: Rows of fewer numbers are picked number by number, of more, run by run.
_SHORT = 32


def numbers(block: Array, starts: Array, sizes: Array, kind: str) -> tuple[Array, Array, Array]:
    """The packed values that lie there.

    Args:
        block: bytes; behind the last row there are at least as many as the longest row has.
        starts: where each row begins.
        sizes: bytes of each row.
        kind: ``float32``, ``float64`` or ``int32``.

    Returns:
        the values, row after row; how many each row has; which rows are damaged (if one is, the
        rest means nothing).
    """
    width = _WIDTHS.get(kind)
    if width is None:
        found, counts, broken = varints(_gather(block, starts, sizes), sizes)
        # A negative number was written with 64 bits.
        return found.astype(np.uint32).view(np.int32), counts, broken
    counts, broken = sizes // width, sizes % width != 0
    if broken.any():
        return block[:0], counts, broken
    return (
        _gather(block, starts, sizes, width).view(np.dtype(kind).newbyteorder("<")),
        counts,
        broken,
    )


def keys(block: Array, starts: Array, sizes: Array, counts: Array) -> tuple[Array, Array, Array]:
    """The packed keys that lie there; arguments and result as for `numbers`.

    Args:
        block: bytes.
        starts: where each row's keys begin.
        sizes: bytes of them.
        counts: how many keys each row should have.
    """
    found = _short_keys(block, starts, sizes, counts)
    if found is not None:
        return found, counts, np.zeros(len(counts), dtype=np.bool_)
    return varints(_gather(block, starts, sizes), sizes)


def _short_keys(block: Array, starts: Array, sizes: Array, counts: Array) -> Array | None:
    """Ascending keys below 16384: in each row first those of one byte, then those of two.

    How many there are of either follows from the row's size, so no byte has to be looked at to
    find where a key begins. None if the rows are not like that.
    """
    pairs = sizes - counts
    if not _alike(counts) or (pairs < 0).any() or (pairs > counts).any():
        return None
    singles = counts - pairs
    longest = int(counts.max())
    first = _windows(block, longest)[starts]
    # The last two-byte key stands in the same place whatever the row begins with, and so do the
    # others if the row is read as if all of its keys had two bytes.
    begin = starts - singles
    if len(begin) and int(begin.min()) < 0:
        return None
    both = _windows(block, 2 * longest)[begin].view("<u2")
    place = np.arange(longest, dtype=np.int32)
    raw = np.where(place < singles.astype(np.int32)[:, np.newaxis], first, both ^ np.uint16(0x80))
    flat = _flat(raw, counts)
    if int(np.bitwise_or.reduce(flat, initial=0)) & 0x8080:
        return None
    joined: Array = flat & np.uint16(0x7F) | (flat & np.uint16(0x7F00)) >> np.uint16(1)
    return joined


def varints(flat: Array, sizes: Array) -> tuple[Array, Array, Array]:
    """The numbers in rows of varints, one row after the other; result as for `numbers`.

    Args:
        flat: bytes of all rows.
        sizes: bytes of each.
    """
    last = flat < 0x80
    row_ends = np.cumsum(sizes)
    filled = sizes != 0
    broken = np.zeros(len(sizes), dtype=np.bool_)
    broken[filled] = ~last[row_ends[filled] - 1]
    if broken.any():
        return flat, sizes, broken
    ends = np.flatnonzero(last)
    longest = 1
    if len(ends) < len(flat):
        longest = int(np.diff(ends, prepend=-1).max())
    if longest > 10:
        lengths = np.diff(ends, prepend=-1)
        broken[np.searchsorted(row_ends, ends[lengths > 10], side="right")] = True
        return flat, sizes, broken
    counts = np.diff(np.searchsorted(ends, row_ends), prepend=0)
    return _joined(flat, ends, longest), counts, broken


def _joined(flat: Array, ends: Array, longest: int) -> Array:
    """The numbers whose last bytes stand at `ends`."""
    if longest == 1:
        return flat
    if longest == 2:
        # Every byte with the one before it, if that says that a byte follows.
        before = np.empty_like(flat)
        before[0], before[1:] = 0, flat[:-1]
        follows = before >> np.uint8(7)
        joined: Array = flat * ((follows << np.uint8(7)) - follows + np.uint8(1)).astype(np.uint16)
        joined += before & np.uint8(0x7F) & (np.uint8(0) - follows)
        return joined.take(ends)
    word = np.uint32 if longest <= 4 else np.uint64
    value = flat.take(ends).astype(word)
    more = np.ones(len(ends), dtype=np.bool_)
    for back in range(1, longest):
        byte = flat.take(np.maximum(ends - back, 0))
        more &= (byte >= 0x80) & (ends >= back)
        value = np.where(more, value << word(7) | byte & np.uint8(0x7F), value)
    return value


def _gather(block: Array, starts: Array, sizes: Array, unit: int = 1) -> Array:
    """The bytes of all rows, one row after the other; sizes are multiples of `unit`."""
    if not int(sizes.max(initial=0)):
        return block[:0]
    if _alike(sizes):
        table = _windows(block, int(sizes.max()))[starts]
        return _flat(table.view(f"u{unit}"), sizes // unit).view(np.uint8)
    runs = np.empty(2 * len(starts), dtype=np.int64)
    runs[1::2] = sizes
    runs[0] = starts[0]
    runs[2::2] = starts[1:] - (starts + sizes)[:-1]
    turns = np.zeros(len(runs), dtype=np.bool_)
    turns[1::2] = True
    mask = np.repeat(turns, runs)
    return block[: len(mask)][mask]


def _alike(sizes: Array) -> bool:
    """Whether a table as wide as the longest row has not too much surplus."""
    return int(sizes.max(initial=0)) * len(sizes) <= 2 * int(sizes.sum())


def _windows(block: Array, width: int) -> Array:
    return np.lib.stride_tricks.sliding_window_view(block, width)


def _flat(table: Array, counts: Array) -> Array:
    """The first `counts` numbers of each row of `table`, row after row."""
    longest = table.shape[1]
    if int(counts.min(initial=longest)) == longest:
        return table.reshape(-1)
    kept = np.arange(longest, dtype=np.int32) < counts.astype(np.int32)[:, np.newaxis]
    if longest < _SHORT:
        return table.reshape(-1).take(np.flatnonzero(kept))
    chosen: Array = table[kept]
    return chosen
