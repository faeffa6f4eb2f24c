"""PCA beside scikit-learn's fastest counterpart that reaches its quality, both from files.

The same rows, on the same cores: ours as records, scikit-learn's as npy. `main` takes the fastest
of PCA, with each of its solvers for such shapes, and IncrementalPCA, that loses no more than 0.1
percent more of the rows than ours does. The best round counts.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.decomposition import PCA, IncrementalPCA

from benchmarks.support.algorithms import Array, tell, timed, train, write
from sm_amazon_algos.container.ndarrays import read_ndarrays

#: Name → rows, columns, components, mode.
SHAPES = {
    "600,000 x 64, 8 components": (600_000, 64, 8, "regular"),
    "80,000 x 500, 20 components": (80_000, 500, 20, "regular"),
    "20,000 x 3,000, 10 components, randomized": (20_000, 3000, 10, "randomized"),
}
#: scikit-learn may lose so many times what ours does.
SAME = 1.001


def made(count: int, width: int) -> Array:
    """Rows whose spectrum falls, off centre."""
    rng = np.random.default_rng(0)
    rank = min(width, 200)
    found = rng.standard_normal((count, rank), dtype=np.float32)
    found /= np.arange(1, rank + 1, dtype=np.float32)
    rows = found @ rng.standard_normal((rank, width), dtype=np.float32)
    rows += rng.standard_normal(width, dtype=np.float32)
    rows += np.float32(0.05) * rng.standard_normal(rows.shape, dtype=np.float32)
    return rows


def lost(rows: Array, basis: Any) -> float:
    """What of the rows is outside of a subspace, as a sum of squares."""
    basis, _ = np.linalg.qr(basis.astype(np.float64))
    mean, total = rows.mean(axis=0, dtype=np.float64), 0.0
    for part in np.array_split(rows, 40):
        centred = part - mean
        total += float(np.square(centred).sum() - np.square(centred @ basis).sum())
    return total


def counterparts(folder: Path, components: int) -> dict[str, Callable[[], Any]]:
    """What scikit-learn offers, from npy to components."""

    def fit(make: Callable[[], Any]) -> Callable[[], Any]:
        return lambda: make().fit(np.load(folder / "rows.npy")).components_.T

    return {
        "PCA": fit(lambda: PCA(components, random_state=0)),
        "PCA, covariance": fit(lambda: PCA(components, svd_solver="covariance_eigh")),
        "PCA, randomized": fit(lambda: PCA(components, svd_solver="randomized", random_state=0)),
        "IncrementalPCA": fit(lambda: IncrementalPCA(components, batch_size=5000)),
    }


def compare(name: str, count: int, width: int, components: int, mode: str) -> None:
    """Print one comparison as a line of JSON."""
    rows = made(count, width)
    settings = {"feature_dim": width, "num_components": components, "mini_batch_size": 500}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write(folder, rows)
        ours, file = timed(lambda: train("pca", folder, **settings, algorithm_mode=mode))
        model = read_ndarrays(file.read_bytes())
        assert isinstance(model, dict)
        wanted = SAME * lost(rows, model["v"])
        tell(
            f"PCA of {name}",
            ours,
            counterparts(folder, components),
            is_as_good=lambda other: lost(rows, other) <= wanted,
        )


def main() -> None:
    """Print each comparison as one line of JSON."""
    warnings.simplefilter("ignore")
    for name, shape in SHAPES.items():
        compare(name, *shape)


if __name__ == "__main__":
    main()
