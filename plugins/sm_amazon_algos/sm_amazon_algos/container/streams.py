"""Files and pipes in pieces that hold whole records or lines: the same memory for any size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO, Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

__all__ = ["Taken", "pieces"]

#: Bytes that are read at once: more than a cache of the processor holds make what follows slower.
CHUNK = 1 << 20

T = TypeVar("T")
Bytes = npt.NDArray[np.uint8]


class Taken(NamedTuple, Generic[T]):
    """What was made of the beginning of a piece.

    Attributes:
        value: it; None if nothing in the piece was complete.
        items: records or lines that it holds.
        used: bytes that they take.
    """

    value: T | None
    items: int
    used: int


def pieces(file: BinaryIO, take: Callable[[Bytes, int, int, bool], Taken[T]]) -> Iterator[T]:
    """What `take` makes of a stream, piece by piece.

    A value may be a view of the memory that the next piece is read into: it is good until then.

    Args:
        file: the stream, opened for bytes.
        take: makes something of the beginning of a piece. It gets the piece, the bytes and the
            records or lines of the stream before it, and whether the stream ends with it.
    """
    buffer = np.empty(CHUNK, dtype=np.uint8)
    filled = base = first = 0
    while True:
        if filled > len(buffer) // 2:
            # One record or line takes more than half of it.
            larger = np.empty(2 * len(buffer), dtype=np.uint8)
            larger[:filled] = buffer[:filled]
            buffer = larger
        final = False
        while filled < len(buffer) and not final:
            got = file.readinto(buffer[filled:].data)  # type: ignore[attr-defined]  # all files have it
            final = not got
            filled += got or 0
        value, items, used = take(buffer[:filled], base, first, final)
        if value is not None:
            yield value
        if final:
            return
        filled, base, first = filled - used, base + used, first + items
        buffer[:filled] = buffer[used : used + filled].copy()
