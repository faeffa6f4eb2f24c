"""First centres: drawn without repetition, or far from one another."""

from __future__ import annotations

import numpy as np
import pytest

from sm_amazon_algos.container.kmeans.seeding import draw


def test_random_draws_each_row_at_most_once() -> None:
    rows = np.arange(20.0).reshape(20, 1)
    found = draw(rows, 20, method="random", rng=np.random.default_rng(0))
    assert sorted(found[:, 0].tolist()) == list(range(20))


def test_weights_decide_what_is_drawn() -> None:
    rows = np.array([[0.0], [1], [2]])
    weights = np.array([0.0, 5, 0])
    for method in ("random", "kmeans++"):
        found = draw(rows, 1, method=method, rng=np.random.default_rng(0), weights=weights)
        assert found.tolist() == [[1]]


def test_kmeans_plus_plus_takes_one_row_of_each_distant_group() -> None:
    rows = np.concatenate([np.full((50, 2), 1000.0 * group) for group in range(5)])
    rows += np.random.default_rng(1).normal(size=rows.shape)
    for seed in range(20):
        found = draw(rows, 5, method="kmeans++", rng=np.random.default_rng(seed))
        assert sorted(np.round(found[:, 0] / 1000).tolist()) == [0, 1, 2, 3, 4]


def test_kmeans_plus_plus_draws_by_the_squared_distance() -> None:
    # From 0, the rows at 1 and 3 are drawn as 1 to 9; the rest has no chance.
    rows = np.array([[0.0], [1], [3]])
    weights = np.array([1.0, 1e-12, 1e-12])
    rng = np.random.default_rng(0)
    second = [
        float(draw(rows, 2, method="kmeans++", rng=rng, weights=weights)[1, 0]) for _ in range(2000)
    ]
    assert np.mean(np.array(second) == 3) == pytest.approx(0.9, abs=0.03)
