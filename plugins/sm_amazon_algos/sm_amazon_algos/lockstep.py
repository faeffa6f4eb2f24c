"""Many records parsed at once: the same step for all of them, whatever the sizes in each.

Records of one writer have the same fields in the same order. A plan, taken from one of them, says
which; every record is then read field by field along the plan, all records at a time, as arrays of
positions. A record that turns out to be different is left to others.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import attrs
import numpy as np

from sm_amazon_algos import keys, ragged, varints
from sm_amazon_algos.arrays import Column
from sm_amazon_algos.encoding import FEATURES, LABEL, TENSOR_TAGS
from sm_amazon_algos.framing import Frames
from sm_amazon_algos.matrices import Array, Kind
from sm_amazon_algos.ragged import Runs
from sm_amazon_algos.wire import Tensor

__all__ = ["parse"]

#: More than the bytes of a tensor besides its name, shape, values and keys.
_MARGIN = 64
#: Lengths of more bytes than this are left to others.
_LENGTH_BYTES = 5


def parse(
    frames: Frames, rows: Array, plan: Sequence[Tensor]
) -> tuple[Array, dict[tuple[str, str], Column]]:
    """The columns of those records among `rows` that follow `plan`.

    Args:
        frames: the records.
        rows: which of them, ascending, neighbours in `frames` for the most part.
        plan: the tensors of one of them, in their order.

    Returns:
        which of `rows` follow the plan, as a mask, and their columns.
    """
    starts, sizes = frames.starts[rows], frames.sizes[rows]
    first, stop = int(starts[0]), int(starts[-1] + sizes[-1])
    # What the walk looks at behind a record must be there; what it is means nothing.
    margin = sum((_MARGIN + len(t.name) + len(t.shape) for t in plan), start=_MARGIN)
    wanted = stop - first + int(sizes.max()) + margin
    block = frames.data[first : first + wanted]
    if len(block) < wanted:
        block = np.append(block, np.zeros(wanted - len(block), dtype=np.uint8))
    good = np.ones(len(rows), dtype=np.bool_)
    while True:
        # A position behind all records is none at which one ends.
        walk = _Walk(block, starts - first, sizes, stop - first + 1)
        spans = [_follow(walk, tensor) for tensor in plan]
        good &= walk.good & (walk.position == walk.end)
        chosen = np.flatnonzero(good)
        columns, broken = _columns(block, plan, spans, chosen)
        if columns is not None:
            return good, columns
        # Their numbers are damaged; what was read behind them is not to be trusted.
        good[broken] = False


class _Walk:
    """A position in every record, moved on together.

    Attributes:
        good: which records were as expected so far; the others' positions mean nothing.
    """

    def __init__(self, block: Array, starts: Array, sizes: Array, limit: int) -> None:
        self._block = block
        self._limit = limit
        self.position = starts
        self.end = starts + sizes
        self.good = np.ones(len(starts), dtype=np.bool_)

    def expect(self, text: bytes) -> None:
        """`text` comes next."""
        self.good &= self.shows(text)
        self.position = self.position + len(text)

    def shows(self, text: bytes) -> Array:
        """Where `text` comes next."""
        found = np.ones(len(self.position), dtype=np.bool_)
        at = 0
        while at < len(text):
            width = next(width for width in (8, 4, 2, 1) if width <= len(text) - at)
            number = int.from_bytes(text[at : at + width], "little")
            found &= self._words(self.position + at, width) == number
            at += width
        return found

    def given(self, tag: int) -> Array:
        """Where `tag` comes next; the position moves over it there."""
        found: Array = (self._block.take(self.position) == tag) & (self.position < self.end)
        self.position = self.position + found
        return found

    def length(self, where: Array | None = None) -> Array:
        """The length that comes next, and is no longer than the record; 0 where not `where`."""
        position = self.position
        word = self._words(position, 8).view(np.int64)
        value = word & 0x7F
        more = word >> 7 & 1
        moved = position + 1
        for place in range(1, _LENGTH_BYTES):
            if not more.any():
                break
            word >>= 8
            value += (word & 0x7F) * more << 7 * place
            moved += more
            more &= word >> 7
        self.good &= more == 0
        if where is not None:
            value = np.where(where, value, 0)
            moved = np.where(where, moved, position)
        self.good &= moved + value <= self.end
        self.position = moved
        return value

    def skip(self, length: Array | int) -> Array:
        """Move over `length` bytes; returns where they begin."""
        before = self.position
        self.position = np.minimum(before + length, self._limit)
        return before

    def _words(self, position: Array, width: int) -> Array:
        """The little-endian numbers of `width` bytes at each position."""
        pieces = ragged.windows(self._block, width)[position]
        return pieces.view(f"<u{width}")


@attrs.frozen(eq=False)
class _Spans:
    """Where the values and keys of one tensor lie in every record."""

    values: Array
    value_sizes: Array
    keys: Array
    key_sizes: Array

    def of(self, chosen: Array) -> _Spans:
        """Those of some records."""
        return _Spans(*(part[chosen] for part in attrs.astuple(self)))


def _follow(walk: _Walk, tensor: Tensor) -> _Spans:
    if tensor.values is not None and not tensor.keys:
        size = tensor.values.stop - tensor.values.start
        head, tail = _around(tensor, size)
        if (walk.shows(head) | ~walk.good).all():
            walk.skip(len(head))
            values = walk.skip(size)
            walk.expect(tail)
            none = np.zeros_like(values)
            return _Spans(values, none + size, walk.position, none)
    tag = FEATURES if tensor.field == "features" else LABEL
    walk.expect(bytes([tag]))
    stop = walk.length()
    stop += walk.position
    walk.expect(bytes([0x0A, len(tensor.name)]) + tensor.name + b"\x12")
    for inner in (TENSOR_TAGS[tensor.kind], None):
        length = walk.length()
        walk.good &= walk.position + length == stop
        if inner is not None:
            walk.expect(bytes([inner]))
    value_sizes = walk.length(walk.given(0x0A))
    values = walk.skip(value_sizes)
    key_sizes = walk.length(walk.given(0x12))
    keys = walk.skip(key_sizes)
    if tensor.shape:
        walk.expect(bytes([0x1A, len(tensor.shape)]) + tensor.shape)
    walk.good &= walk.position == stop
    return _Spans(values, value_sizes, keys, key_sizes)


def _around(tensor: Tensor, size: int) -> tuple[bytes, bytes]:
    """What a writer puts before and behind `size` bytes of values without keys."""
    tail = bytes([0x1A, len(tensor.shape)]) + tensor.shape if tensor.shape else b""
    head = _before(0x0A, size) if size else b""
    head = _before(TENSOR_TAGS[tensor.kind], len(head) + size + len(tail)) + head
    head = _before(0x12, len(head) + size + len(tail)) + head
    head = _before(0x0A, len(tensor.name)) + tensor.name + head
    tag = FEATURES if tensor.field == "features" else LABEL
    return _before(tag, len(head) + size + len(tail)) + head, tail


def _before(tag: int, length: int) -> bytes:
    return bytes([tag]) + varints.packed(length)


def _columns(
    block: Array, plan: Sequence[Tensor], spans: Sequence[_Spans], chosen: Array
) -> tuple[dict[tuple[str, str], Column] | None, Array]:
    """The columns of the chosen records; or None, and those whose numbers are damaged."""
    columns: dict[tuple[str, str], Column] = {}
    for tensor, span in zip(plan, spans, strict=True):
        lie = span if len(chosen) == len(span.values) else span.of(chosen)
        column, broken = _tensor(block, lie, tensor)
        if column is None:
            return None, chosen[broken]
        columns[tensor.field, tensor.name.decode()] = column
    return columns, chosen[:0]


def _tensor(block: Array, spans: _Spans, tensor: Tensor) -> tuple[Column | None, Array]:
    """The tensors of some records as a column; or None, and which of them are damaged."""
    values, counts, broken = _values(Runs(block, spans.values, spans.value_sizes), tensor.kind)
    sparse = spans.key_sizes != 0
    found = None
    if sparse.any() and not broken.any():
        runs = Runs(block, spans.keys, spans.key_sizes)
        found, key_counts, broken = keys.unpack(runs, counts)
        broken = broken | sparse & (key_counts != counts)
    if broken.any():
        return None, broken
    widths = np.full(len(counts), width_of(tensor.shape), dtype=np.int64)
    return (
        Column(values=values, counts=counts, keys=found, sparse=sparse, columns=widths),
        broken,
    )


def _values(runs: Runs, kind: Kind) -> tuple[Array, Array, Array]:
    """The packed values of all rows, row after row; how many each has; which rows are damaged."""
    if kind == "int32":
        found, counts, broken = varints.decode(ragged.gather(runs), runs.sizes)
        # A negative number was written with 64 bits.
        return found.astype(np.uint32).view(np.int32), counts, broken
    number = np.dtype(kind).newbyteorder("<")
    bits = number.itemsize.bit_length() - 1
    counts, broken = runs.sizes >> bits, runs.sizes & (number.itemsize - 1) != 0
    if broken.any():
        return runs.block[:0], counts, broken
    return ragged.gather(runs).view(number), counts, broken


@lru_cache(maxsize=64)
def width_of(shape: bytes) -> int:
    """The width that a packed shape declares; -1 for none."""
    numbers, _, _ = varints.decode(
        np.frombuffer(shape, dtype=np.uint8), np.array([len(shape)], dtype=np.int64)
    )
    width = 1
    for number in numbers.tolist():
        width *= number
    return width if len(numbers) else -1
