"""Protobuf's variable-length integers, many at a time.

Seven bits a byte, lowest first; the highest bit says that another byte follows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sm_amazon_algos.matrices import Array

__all__ = ["decode", "encode", "fill", "packed", "per_row", "size", "sizes"]


def size(number: int) -> int:
    """Bytes that `number`, not negative, takes."""
    return max(1, -(-number.bit_length() // 7))


def sizes(numbers: Array) -> Array:
    """Bytes that each of `numbers` (none negative) takes, as int64."""
    longest = size(int(numbers.max(initial=0)))
    taken = np.ones(len(numbers), dtype=np.int64)
    for count in range(1, longest):
        taken += numbers >= numbers.dtype.type(1 << 7 * count)
    return taken


def encode(numbers: Array) -> tuple[Array, Array]:
    """`numbers` (none negative) as varints.

    Returns:
        the bytes, one number after the other, and how many each takes.
    """
    longest = size(int(numbers.max(initial=0)))
    if longest == 1:
        return numbers.astype(np.uint8), np.ones(len(numbers), dtype=np.uint8)
    if longest > 8:
        return _encode_long(numbers.astype(np.uint64))
    # As many bytes a number as a machine word has, of which the first few are kept.
    word = np.uint16 if longest == 2 else np.uint32 if longest <= 4 else np.uint64
    words = numbers.astype(word)
    spread, taken = _spread(words, longest)
    table = spread.astype(spread.dtype.newbyteorder("<"), copy=False).view(np.uint8)
    kept = np.empty((len(numbers), words.itemsize), dtype=np.bool_)
    kept[:, 0] = True
    for place in range(1, words.itemsize):
        np.greater(taken, place, out=kept[:, place])
    return table[kept.reshape(-1)], taken


def fill(table: Array, numbers: Array) -> None:
    """Put `numbers`, which all take as many bytes as `table` is wide, into it as varints."""
    width = table.shape[1]
    for place in range(width):
        byte = numbers >> 7 * place if place else numbers
        table[:, place] = byte if place == width - 1 else byte & 0x7F | 0x80


def packed(number: int) -> bytes:
    """`number`, not negative, as a varint."""
    table = np.empty((1, size(number)), dtype=np.uint8)
    fill(table, np.array([number]))
    return table.tobytes()


def _spread(words: Array, longest: int) -> tuple[Array, Array]:
    """Seven bits a byte, marks included, and how many bytes count."""
    kind: Any = words.dtype.type
    spread = words & kind(0x7F)
    taken = np.ones(len(words), dtype=np.uint8)
    for place in range(1, longest):
        spread |= (words << kind(place)) & kind(0x7F << 8 * place)
        more = words >= kind(1 << 7 * place)
        taken += more.view(np.uint8)
        # The byte before this one is not the last.
        spread |= more.astype(words.dtype) << kind(8 * place - 1)
    return spread, taken


def _encode_long(numbers: Array) -> tuple[Array, Array]:
    """Numbers of which some take nine or ten bytes: negative ones, mostly."""
    taken = sizes(numbers)
    longest = int(taken.max())
    table = np.empty((len(numbers), longest), dtype=np.uint8)
    for place in range(longest):
        table[:, place] = numbers >> np.uint64(7 * place)
    table |= 0x80
    flat = table.reshape(-1)
    flat[np.arange(0, table.size, longest) + taken - 1] &= 0x7F
    return table[np.arange(longest) < taken[:, np.newaxis]], taken


def per_row(taken: Array, pointers: Array) -> Array:
    """Bytes of each row of numbers, from those of each number and where in them the rows begin."""
    until = np.zeros(len(taken) + 1, dtype=np.int64)
    np.cumsum(taken, dtype=np.int64, out=until[1:])
    ends: Array = until[pointers]
    return np.diff(ends)


def decode(flat: Array, sizes: Array) -> tuple[Array, Array, Array]:
    """The numbers in rows of varints, one row after the other.

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
