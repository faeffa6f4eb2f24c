"""Keeping memory that large arrays leave for the next ones."""

from __future__ import annotations

import numpy as np

__all__ = ["keep_freed_memory"]

#: The largest block that changes what glibc does: DEFAULT_MMAP_THRESHOLD_MAX of mallopt(3), less
#: what it adds for itself.
_LARGEST = (32 << 20) - 4096


def keep_freed_memory() -> None:
    """Let the allocator reuse the memory of freed arrays, instead of giving it to the kernel.

    glibc maps each array that is larger than any freed so far anew, page by page, which takes
    longer than what is computed with it. Once a large one was freed, it keeps all smaller ones.
    Other allocators do what they do.
    """
    np.empty(_LARGEST, dtype=np.uint8)
