"""Which centre is nearest to each row, and what the rows of each centre add up to."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from sm_amazon_algos.container.devices import Device

__all__ = ["Sums", "nearest", "nearest_of_each", "squared_distances", "sums"]

Array = npt.NDArray[Any]

#: Distances that are computed at once: as many as stay in a cache of the processor.
_BLOCK = 1 << 18


@attrs.frozen(eq=False)
class Sums:
    """What the rows of each centre add up to; of sets of centres too, one dimension before these.

    Attributes:
        rows: float64, (centres, width): the sum of the rows.
        mass: float64, (centres,): how many they are, or their weights' sum.
    """

    rows: Array
    mass: Array

    @classmethod
    def none(cls, shape: tuple[int, ...]) -> Sums:
        """Of no rows at all; `shape` is that of the centres."""
        return cls(np.zeros(shape), np.zeros(shape[:-1]))

    def add(self, other: Sums, *, decay: float = 1.0) -> Sums:
        """These, multiplied by `decay`, and `other` beside them."""
        return Sums(self.rows * decay + other.rows, self.mass * decay + other.mass)

    def means(self, otherwise: Array) -> Array:
        """The mean row of each centre, as `rows`; of one without rows its row of `otherwise`."""
        some = self.mass > 0
        found = np.array(otherwise, dtype=np.float64)
        found[some] = self.rows[some] / self.mass[some, np.newaxis]
        return found


def nearest(rows: Any, centres: Any, device: Device) -> tuple[Any, Any]:
    """The centre nearest to each row, by Euclidean distance; as `nearest_of_each` with one set.

    Args:
        rows: floating point, (rows, width).
        centres: of the same type, (centres, width).
        device: that has both.

    Returns:
        int64, (rows,), and of the rows' type, (rows,).
    """
    labels, least = nearest_of_each(rows, centres[None, :, :], device)
    return labels[:, 0], least[:, 0]


def nearest_of_each(rows: Any, sets: Any, device: Device) -> tuple[Any, Any]:
    """The centre nearest to each row, of each of some sets of centres, by Euclidean distance.

    The distances are those of the expansion |x|² + |c|² - 2x·c, whose first term is the same for
    all centres and is left out; so rows should lie around zero.

    Args:
        rows: floating point, (rows, width).
        sets: of the same type, (sets, centres, width).
        device: that has both.

    Returns:
        int64, (rows, sets): the centres' numbers; and of the rows' type, (rows, sets):
        |c|² - 2x·c.
    """
    xp = device.xp
    shape = sets.shape
    centres = xp.reshape(sets, (shape[0] * shape[1], shape[2]))
    scaled = xp.permute_dims(-2 * centres, (1, 0))
    lengths = xp.sum(centres * centres, axis=1)
    size = max(1, _BLOCK // int(centres.shape[0]))
    labels, least = [], []
    for start in range(0, int(rows.shape[0]), size):
        scores = xp.matmul(rows[start : start + size, :], scaled)
        scores += lengths
        scores = xp.reshape(scores, (scores.shape[0], shape[0], shape[1]))
        labels.append(xp.argmin(scores, axis=2))
        least.append(xp.min(scores, axis=2))
    return xp.concat(labels), xp.concat(least)


def sums(rows: Any, labels: Any, centres: int, device: Device) -> Sums:
    """What the rows of each centre add up to.

    Args:
        rows: floating point, (rows, width).
        labels: int64, (rows,): each row's centre.
        centres: how many there are.
        device: that has both.
    """
    totals, counts = device.sums_by_label(rows, labels, centres)
    return Sums(totals.astype(np.float64), counts.astype(np.float64))


def squared_distances(rows: Array, centres: Array, labels: Array) -> Array:
    """Float64, (rows,): the squared distance from each row to its own centre, without expansion."""
    differences = rows.astype(np.float64) - centres[labels]
    found: Array = np.einsum("ij,ij->i", differences, differences)
    return found
