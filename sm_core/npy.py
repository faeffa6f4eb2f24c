"""numpy's own format, read from bytes of others; for client and container alike."""

from __future__ import annotations

import io
from typing import Any

__all__ = ["read_npy"]

#: What numpy raises for bytes that are no npy, or an array that cannot be.
_UNREADABLE = (ValueError, TypeError, SyntaxError, MemoryError, OverflowError, RecursionError)


def read_npy(data: bytes) -> Any:
    """The array that `data` holds; a pickled one is refused.

    Raises:
        ValueError: `data` is no such array, or one that cannot be.
    """
    from tokenize import TokenError

    import numpy as np

    try:
        # Not ``numpy.load``, which takes other formats too.
        array = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    except (*_UNREADABLE, TokenError) as error:
        raise ValueError(f"it is no array in npy format: {error}") from error
    if array.size and not array.itemsize:
        # Any number of those fits into a header.
        raise ValueError(f"its {array.size} items have no size: dtype {array.dtype.str}")
    return array
