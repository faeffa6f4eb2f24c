"""Rows of bytes of different lengths, copied between places where they lie apart from one another.

numpy copies pieces of one length at memory speed wherever they lie. A row of any length is covered
by two such pieces, of which the second ends where the row ends: they overlap, and together they
touch no byte outside of the row. Rows between a length and its double share that length. Where rows
are put into a new array in their order, one piece of the longest row's length is enough.
"""

from __future__ import annotations

import attrs
import numpy as np

from sm_amazon_algos.matrices import Array

__all__ = ["Runs", "copy", "gather", "places", "spread", "windows"]

#: Rows of fewer bytes than this, on average, are copied byte by byte.
_SHORT = 4
#: Rows up to so many times as long as the average one are all copied at the longest one's length.
_OVERRUN = 4
#: Bytes that are copied at a time.
_ON_THE_WAY = 1 << 17


@attrs.frozen(eq=False)
class Runs:
    """A run of bytes for each row.

    Attributes:
        block: where they lie.
        starts: where each begins.
        sizes: bytes of each.
    """

    block: Array
    starts: Array
    sizes: Array

    @classmethod
    def joined(cls, flat: Array, sizes: Array) -> Runs:
        """Runs that follow one another in `flat`."""
        return cls(flat, np.cumsum(sizes) - sizes, sizes)


def copy(runs: Runs, out: Array, starts: Array) -> None:
    """Write `runs` into `out`, each to its place in `starts`."""
    total = int(runs.sizes.sum())
    if total < _SHORT * len(starts):
        out[places(starts, runs.sizes)] = runs.block[places(runs.starts, runs.sizes)]
        return
    sizes, begins = runs.sizes, runs.starts
    shortest = int(sizes.min()) if len(sizes) else 0
    longest = int(sizes.max(initial=0))
    while longest > 2 * shortest:
        if shortest:
            chosen = sizes <= 2 * shortest
            _copy_alike(Runs(runs.block, begins[chosen], sizes[chosen]), out, starts[chosen])
        left = np.flatnonzero(sizes > 2 * shortest)
        sizes, begins, starts = sizes[left], begins[left], starts[left]
        shortest = int(sizes.min())
    if shortest:
        _copy_alike(Runs(runs.block, begins, sizes), out, starts)


def _copy_alike(runs: Runs, out: Array, starts: Array) -> None:
    """The same for runs of which none has more than twice the bytes of another."""
    shortest, longest = int(runs.sizes.min()), int(runs.sizes.max())
    width = longest if longest == shortest else (longest + 1) // 2
    source, target = windows(runs.block, width), windows(out, width)
    # What is on its way from one place to the other stays in the processor's cache.
    rows = max(1, _ON_THE_WAY // width)
    for first in range(0, len(starts), rows):
        part = slice(first, first + rows)
        here, there = runs.starts[part], starts[part]
        target[there] = source[here]
        if longest != shortest:
            rest = runs.sizes[part] - width
            target[there + rest] = source[here + rest]


def windows(block: Array, width: int) -> Array:
    """The pieces of `width` bytes (which are there) that begin at each byte of `block`; a view.

    Each is a single element, without a type: numpy copies those fastest.
    """
    found: Array = np.ndarray(
        len(block) - width + 1, dtype=np.dtype((np.void, width)), buffer=block, strides=(1,)
    )
    return found


def gather(runs: Runs) -> Array:
    """The bytes of all runs, one after the other."""
    ends = np.cumsum(runs.sizes)
    total = int(ends[-1]) if len(ends) else 0
    return spread(runs, ends - runs.sizes, total)


def spread(runs: Runs, starts: Array, total: int) -> Array:
    """An array of `total` bytes with `runs` in it, each at its place in `starts`.

    Args:
        runs: what to copy.
        starts: ascending; no run reaches into the next one.
        total: bytes of the array; what lies between the runs means nothing.
    """
    longest = int(runs.sizes.max(initial=0))
    room = len(runs.block) - longest - int(runs.starts.max(initial=0))
    if not longest or room < 0 or longest * len(starts) > _OVERRUN * total:
        flat = np.empty(total, dtype=np.uint8)
        copy(runs, flat, starts)
        return flat
    # Each row takes along what follows it, and the next row is written over that.
    flat = np.empty(total + longest, dtype=np.uint8)
    source, target = windows(runs.block, longest), windows(flat, longest)
    rows = max(1, _ON_THE_WAY // longest)
    for first in range(0, len(starts), rows):
        part = slice(first, first + rows)
        target[starts[part]] = source[runs.starts[part]]
    return flat[:total]


def places(starts: Array, sizes: Array) -> Array:
    """The places of each row, which begins at its start, row after row."""
    ends = np.cumsum(sizes)
    found: Array = np.repeat(starts - (ends - sizes), sizes)
    found += np.arange(len(found))
    return found
