"""The centres to begin with, drawn from rows: at random, or by k-means++."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["draw"]

Array = npt.NDArray[Any]


def draw(
    rows: Array, count: int, *, method: str, rng: np.random.Generator, weights: Array | None = None
) -> Array:
    """`count` of the `rows`.

    Args:
        rows: floating point, (rows, width), at least `count`.
        count: how many to draw.
        method: ``random``, each row at most once, or ``kmeans++``.
        rng: source of the randomness.
        weights: float64, (rows,), how much each row counts; None for all the same.

    Returns:
        of the rows' type, (count, width).
    """
    if method == "kmeans++":
        return rows[_by_distance(rows, count, rng, weights)]
    likely = None if weights is None else weights / weights.sum()
    if likely is not None and np.count_nonzero(likely) < count:
        likely = None
    return rows[rng.choice(len(rows), size=count, replace=False, p=likely)]


def _by_distance(rows: Array, count: int, rng: np.random.Generator, weights: Array | None) -> Array:
    """Row numbers, each drawn with a chance that grows with its distance to those before it.

    Source: D. Arthur and S. Vassilvitskii, "k-means++: the advantages of careful seeding", SODA
    2007: the next centre is a row with probability proportional to its weight times its squared
    distance to the nearest centre so far.
    """
    weights = np.ones(len(rows)) if weights is None else weights
    lengths = np.einsum("ij,ij->i", rows, rows).astype(np.float64)
    chosen = np.empty(count, dtype=np.int64)
    distances = np.full(len(rows), np.inf)
    for number in range(count):
        chances = weights if number == 0 else weights * distances
        bounds = np.cumsum(chances)
        if bounds[-1] > 0:
            place = np.searchsorted(bounds, rng.random() * bounds[-1], side="right")
            chosen[number] = min(int(place), len(rows) - 1)
        else:
            # All rows are centres already: there are fewer different ones than centres.
            chosen[number] = rng.integers(len(rows))
        centre = rows[chosen[number]]
        new = lengths - 2 * (rows @ centre) + float(centre @ centre)
        np.minimum(distances, np.maximum(new, 0), out=distances)
        distances[chosen[number]] = 0
    return chosen
