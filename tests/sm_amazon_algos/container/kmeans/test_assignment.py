"""Nearest centres and sums, against the plain way of computing them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sm_amazon_algos.container.devices import CPU
from sm_amazon_algos.container.kmeans import assignment
from sm_amazon_algos.container.kmeans.assignment import nearest, nearest_of_each, sums

SIZES = st.integers(1, 30)


@given(rows=SIZES, centres=SIZES, width=st.integers(1, 5), seed=st.integers(0, 1000))
def test_nearest_is_the_smallest_distance(rows: int, centres: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, c = rng.normal(size=(rows, width)), rng.normal(size=(centres, width))
    labels, least = nearest(x, c, CPU)
    wanted = np.square(x[:, np.newaxis] - c).sum(axis=2)
    np.testing.assert_allclose(least + np.square(x).sum(axis=1), wanted.min(axis=1), atol=1e-9)
    np.testing.assert_allclose(wanted[np.arange(rows), labels], wanted.min(axis=1), atol=1e-9)
    found = sums(x, labels, centres, CPU)
    for number in range(centres):
        np.testing.assert_allclose(found.rows[number], x[labels == number].sum(axis=0), atol=1e-9)
        assert found.mass[number] == (labels == number).sum()


def test_sets_of_centres_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assignment, "_BLOCK", 8)
    rng = np.random.default_rng(0)
    x, sets = rng.normal(size=(50, 3)), rng.normal(size=(2, 4, 3))
    labels, least = nearest_of_each(x, sets, CPU)
    for number, centres in enumerate(sets):
        one, distance = nearest(x, centres, CPU)
        np.testing.assert_array_equal(labels[:, number], one)
        np.testing.assert_allclose(least[:, number], distance)
