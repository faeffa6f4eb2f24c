"""The keys of sparse rows, as varints, one row after another or wherever a record has them.

Ascending keys below 16384, which is what most have, take one byte each in the first part of a row
and two in the second. Both parts are copied as wholes: no byte has to be looked at to find where a
key begins.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sm_amazon_algos import ragged, varints
from sm_amazon_algos.matrices import Array
from sm_amazon_algos.ragged import Runs

__all__ = ["pack", "unpack"]


def pack(keys: Array, pointers: Array) -> Sequence[Runs]:
    """The bytes of all rows' keys.

    Args:
        keys: of all rows, row after row; none is negative.
        pointers: where in `keys` each row begins, and where the last one ends.

    Returns:
        runs which, one behind the other, make up the row.
    """
    if varints.size(int(keys.max(initial=0))) == 2:
        short = keys < 128
        if _is_first(short, pointers):
            return _pack_ascending(keys, short, pointers)
    flat, taken = varints.encode(keys)
    return [Runs.joined(flat, varints.per_row(taken, pointers))]


def _is_first(short: Array, pointers: Array) -> bool:
    """Whether in every row all short keys come before the others."""
    later = short[1:] & ~short[:-1]
    begins = pointers[(pointers > 0) & (pointers < len(short))]
    later[begins - 1] = False
    return not later.any()


def _pack_ascending(keys: Array, short: Array, pointers: Array) -> Sequence[Runs]:
    single = np.flatnonzero(short)
    singles = np.diff(np.searchsorted(single, pointers))
    words = keys.astype("<u2")
    pairs = words << np.uint16(1) & np.uint16(0x7F00) | words & np.uint16(0x7F) | np.uint16(0x80)
    begins = 2 * (pointers[:-1] + singles)
    return [
        Runs.joined(words[single].astype(np.uint8), singles),
        Runs(pairs.view(np.uint8), begins, 2 * pointers[1:] - begins),
    ]


def unpack(runs: Runs, counts: Array) -> tuple[Array, Array, Array]:
    """The keys of all rows, row after row.

    Args:
        runs: the bytes of each row's keys.
        counts: how many keys each row should have.

    Returns:
        the keys; how many each row has; which rows are damaged (if one is, the rest means nothing).
    """
    found = _unpack_ascending(runs, counts)
    if found is not None:
        return found, counts, np.zeros(len(counts), dtype=np.bool_)
    return varints.decode(ragged.gather(runs), runs.sizes)


def _unpack_ascending(runs: Runs, counts: Array) -> Array | None:
    """None if the rows are not like that."""
    pairs = runs.sizes - counts
    singles = counts - pairs
    if int(pairs.min(initial=0)) < 0 or int(singles.min(initial=0)) < 0:
        return None
    single = ragged.gather(Runs(runs.block, runs.starts, singles))
    if int(single.max(initial=0)) >= 0x80:
        return None
    if not pairs.any():
        return single
    begins = np.cumsum(counts) - counts
    late = Runs(runs.block, runs.starts + singles, 2 * pairs)
    words = ragged.spread(late, 2 * (begins + singles), 2 * int(counts.sum())).view("<u2")
    words[ragged.places(begins, singles)] = single | np.uint8(0x80)
    words ^= np.uint16(0x80)
    if int(np.bitwise_or.reduce(words)) & 0x8080:
        return None
    keys: Array = words & np.uint16(0x7F) | words >> np.uint16(1) & np.uint16(0x3F80)
    return keys
