"""Protobuf's variable-length integers, many at a time.

Seven bits a byte, lowest first; the highest bit says that another byte follows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sm_amazon_algos.matrices import Array

__all__ = ["encode", "encode_wide", "size", "sizes"]


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


def encode_wide(numbers: Array, width: int) -> Array:
    """`numbers`, all of which take `width` bytes, as a table of varints."""
    table = np.empty((len(numbers), width), dtype=np.uint8)
    for place in range(width):
        table[:, place] = (numbers >> numbers.dtype.type(7 * place)) & 0x7F
    table[:, :-1] |= 0x80
    return table


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
