"""What the hosts of a job tell each other: sums, and what the first one decides."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Hosts"]

Array = npt.NDArray[Any]


class Hosts:
    """The hosts of a job; this class itself is for a job of one host.

    Every host calls the same methods in the same order, with arrays of the same type and, but for
    `gather`, shape.

    Attributes:
        rank: this host's number, in the order of their names.
        count: how many there are.
    """

    rank = 0
    count = 1

    def sum(self, array: Array) -> Array:
        """The sum of what all hosts have, element by element; the same bits on each."""
        return array

    def gather(self, array: Array) -> list[Array]:
        """What each host has, in the order of their ranks; the first dimension may differ."""
        return [array]

    def broadcast(self, array: Array | None) -> Array:
        """What the first host has; the others give None."""
        if array is None:
            raise ValueError("the first host has to give what all get")
        return array

    def any(self, flag: bool) -> bool:
        """Whether `flag` is true on any host."""
        return bool(self.sum(np.array([flag], dtype=np.int64))[0])

    def all(self, flag: bool) -> bool:
        """Whether `flag` is true on all hosts."""
        return not self.any(not flag)
