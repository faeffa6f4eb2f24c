"""The local reduction: Lloyd's algorithm on weighted centres, in some trials."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from sm_amazon_algos.container.devices import CPU
from sm_amazon_algos.container.kmeans.assignment import nearest, squared_distances
from sm_amazon_algos.container.kmeans.seeding import draw

__all__ = ["Reduction", "reduce_centres"]

Array = npt.NDArray[Any]


@attrs.frozen(kw_only=True)
class Reduction:
    """How centres are reduced.

    Attributes:
        method: how first centres are drawn, ``random`` or ``kmeans++``.
        trials: how often it is tried.
        iterations: of Lloyd's algorithm at most.
        tolerance: relative change of the sum of squared distances below which that ends.
    """

    method: str
    trials: int
    iterations: int
    tolerance: float


def reduce_centres(
    points: Array,
    weights: Array,
    k: int,
    how: Reduction,
    *,
    rng: np.random.Generator,
    tried: Callable[[int, float], None],
) -> list[tuple[Array, float]]:
    """`k` centres for weighted points, as each trial found them, the best trial first.

    Args:
        points: float64, (points, width).
        weights: float64, (points,), above zero.
        k: at most as many as there are points.
        how: the settings.
        rng: source of the randomness.
        tried: told each trial's number and mean squared distance.

    Returns:
        float64, (k, width), and the mean squared distance, of each trial.
    """
    found = []
    shift = np.average(points, axis=0, weights=weights)
    around_zero = points - shift
    for trial in range(how.trials):
        start = draw(
            around_zero, k, method=how.method, rng=rng, weights=weights, tries=2 + int(np.log(k))
        )
        centres, distance = _lloyd(around_zero, weights, start, how)
        tried(trial, distance)
        found.append((centres + shift, distance))
    return sorted(found, key=lambda each: each[1])


def _lloyd(points: Array, weights: Array, centres: Array, how: Reduction) -> tuple[Array, float]:
    """Centres moved to the means of their points until that changes little.

    Source: S. Lloyd, "Least squares quantization in PCM", IEEE Transactions on Information Theory
    28, 1982. Arguments as of `reduce_centres`; a centre that has lost all its points
    goes to the point that is farthest from its own centre.
    """
    total = float(weights.sum())
    before = np.inf
    for _ in range(how.iterations):
        labels, _ = nearest(points, centres, CPU)
        distances = squared_distances(points, centres, labels)
        ssd = float(weights @ distances)
        if before - ssd <= how.tolerance * before and np.isfinite(before):
            break
        before = ssd
        centres = _means(points, weights, labels, distances, len(centres))
    return centres, ssd / total


def _means(points: Array, weights: Array, labels: Array, distances: Array, k: int) -> Array:
    mass = np.bincount(labels, weights, k)
    totals, _ = CPU.sums_by_label(points * weights[:, np.newaxis], labels, k)
    empty = np.flatnonzero(mass == 0)
    centres = totals / np.where(mass == 0, 1, mass)[:, np.newaxis]
    if len(empty):
        centres[empty] = points[np.argsort(-weights * distances, kind="stable")[: len(empty)]]
    found: Array = centres
    return found
