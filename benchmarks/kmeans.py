"""KMeans beside scikit-learn's fastest counterpart that reaches its quality, both from files.

The same rows, on the same cores: ours as records, scikit-learn's as npy. `main` takes the fastest
of KMeans and MiniBatchKMeans, in some settings each, whose inertia is at most one percent above
ours. The best round counts.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.datasets import make_blobs

from benchmarks.support.algorithms import Array, tell, timed, train, write
from sm_amazon_algos.container.ndarrays import read_ndarrays

#: Name → rows, columns, clusters, their width.
SHAPES = {
    "400,000 x 32, k=16": (400_000, 32, 16, 6.0),
    "100,000 x 100, k=50": (100_000, 100, 50, 6.0),
}
#: scikit-learn's inertia may be so many times ours.
SAME = 1.01


def inertia(rows: Array, centres: Any) -> float:
    """Sum of the squared distances to the nearest centre."""
    total = 0.0
    for part in np.array_split(rows, 40):
        lengths = np.square(part).sum(axis=1)[:, np.newaxis] + np.square(centres).sum(axis=1)
        total += float((lengths - 2 * part @ centres.T).min(axis=1).sum(dtype=np.float64))
    return total


def counterparts(folder: Path, k: int) -> dict[str, Callable[[], Any]]:
    """What scikit-learn offers, from npy to centres."""

    def fit(make: Callable[[], Any]) -> Callable[[], Any]:
        return lambda: make().fit(np.load(folder / "rows.npy")).cluster_centers_

    return {
        "KMeans": fit(lambda: KMeans(k, n_init=1, random_state=0)),
        "KMeans, random": fit(lambda: KMeans(k, init="random", n_init=1, random_state=0)),
        "KMeans, best of 10": fit(lambda: KMeans(k, n_init=10, random_state=0)),
        "MiniBatchKMeans": fit(lambda: MiniBatchKMeans(k, n_init=1, random_state=0)),
        "MiniBatchKMeans, 4096": fit(
            lambda: MiniBatchKMeans(k, n_init=3, batch_size=4096, random_state=0)
        ),
    }


def compare(name: str, count: int, width: int, k: int, spread: float) -> None:
    """Print one comparison as a line of JSON."""
    made, _ = make_blobs(count, width, centers=k, cluster_std=spread, random_state=0)
    rows = made.astype(np.float32)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write(folder, rows)
        ours, model = timed(lambda: train("kmeans", folder, k=k, feature_dim=width))
        (centres,) = read_ndarrays(model.read_bytes())
        wanted = SAME * inertia(rows, centres)
        tell(
            f"KMeans of {name}",
            ours,
            counterparts(folder, k),
            is_as_good=lambda other: inertia(rows, other) <= wanted,
        )


def main() -> None:
    """Print each comparison as one line of JSON."""
    warnings.simplefilter("ignore")
    for name, shape in SHAPES.items():
        compare(name, *shape)


if __name__ == "__main__":
    main()
