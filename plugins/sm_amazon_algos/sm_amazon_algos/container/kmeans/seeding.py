"""The centres to begin with, drawn from rows: at random, or by k-means++."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["draw"]

Array = npt.NDArray[Any]


def draw(
    rows: Array,
    count: int,
    *,
    method: str,
    rng: np.random.Generator,
    weights: Array | None = None,
    tries: int = 1,
) -> Array:
    """`count` of the `rows`.

    Args:
        rows: floating point, (rows, width), at least `count`.
        count: how many to draw.
        method: ``random``, each row at most once, or ``kmeans++``.
        rng: source of the randomness.
        weights: float64, (rows,), how much each row counts; None for all the same.
        tries: rows that k-means++ draws for each centre; the best one is taken.

    Returns:
        of the rows' type, (count, width).
    """
    if method == "kmeans++":
        return rows[_by_distance(rows, count, rng, weights, tries)]
    likely = None if weights is None else weights / weights.sum()
    if likely is not None and np.count_nonzero(likely) < count:
        likely = None
    return rows[rng.choice(len(rows), size=count, replace=False, p=likely)]


def _by_distance(
    rows: Array, count: int, rng: np.random.Generator, weights: Array | None, tries: int
) -> Array:
    """Row numbers, each drawn with a chance that grows with its distance to those before it.

    Source: D. Arthur and S. Vassilvitskii, "k-means++: the advantages of careful seeding", SODA
    2007: the next centre is a row with probability proportional to its weight times its squared
    distance to the nearest centre so far; and, as section 6 there proposes, of several such rows
    the one that lessens the sum of these most.
    """
    weights = np.ones(len(rows)) if weights is None else weights
    lengths = np.einsum("ij,ij->i", rows, rows).astype(np.float64)
    chosen = np.empty(count, dtype=np.int64)
    distances = np.full(len(rows), np.inf)
    for number in range(count):
        drawn = _drawn(weights if number == 0 else weights * distances, tries, rng)
        centres = rows[drawn]
        new = lengths[:, np.newaxis] - 2 * (rows @ centres.T) + lengths[drawn]
        np.minimum(distances[:, np.newaxis], np.maximum(new, 0), out=new)
        best = 0 if tries == 1 else int(np.argmin(weights @ new))
        chosen[number], distances = drawn[best], new[:, best]
        distances[chosen[number]] = 0
    return chosen


def _drawn(chances: Array, tries: int, rng: np.random.Generator) -> Array:
    """Row numbers, (tries,), by chances that are not scaled."""
    bounds = np.cumsum(chances)
    if bounds[-1] <= 0:
        # All rows are centres already: there are fewer different ones than centres.
        return rng.integers(len(chances), size=tries)
    places = np.searchsorted(bounds, rng.random(tries) * bounds[-1], side="right")
    found: Array = np.minimum(places, len(chances) - 1)
    return found
