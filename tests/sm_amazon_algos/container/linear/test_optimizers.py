"""The optimizers: each first steps by hand, and all of them find the bottom of a bowl."""

from __future__ import annotations

import array_api_compat.numpy as xp
import numpy as np
import pytest

from sm_amazon_algos.container.linear.optimizers import (
    Adam,
    Momentum,
    Optimizer,
    RMSProp,
    shrunk,
)

RATES = np.array([[0.1, 0.2]])


def gradient(*values: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.array([values], dtype=np.float64)


def test_sgd_follows_the_gradient() -> None:
    change, paces = Momentum(0.0).change(gradient(1, -3), RATES, xp)
    assert change == pytest.approx(np.array([[0.1, -0.6]]))
    assert paces == pytest.approx(RATES)


def test_momentum_adds_up() -> None:
    optimizer = Momentum(0.5)
    optimizer.change(gradient(1, 1), RATES, xp)
    change, paces = optimizer.change(gradient(1, 1), RATES, xp)
    assert change == pytest.approx(np.array([[0.15, 0.3]]))
    assert paces == pytest.approx(2 * RATES)


def test_adam_begins_with_steps_of_its_rate() -> None:
    optimizer = Adam(0.9, 0.999)
    for _ in range(3):
        change, _ = optimizer.change(gradient(1e-3, -50), RATES, xp)
        assert change == pytest.approx(np.array([[0.1, -0.2]]), rel=1e-3)


def test_rmsprop_divides_by_the_root_of_the_mean_square() -> None:
    change, _ = RMSProp(0.9).change(gradient(2, -2), RATES, xp)
    assert change == pytest.approx(RATES * np.sign([2, -2]) / np.sqrt(0.1), rel=1e-3)


@pytest.mark.parametrize("optimizer", [Momentum(0.9), Momentum(0), Adam(0.9, 0.999), RMSProp(0.9)])
def test_all_find_the_bottom_of_a_bowl(optimizer: Optimizer) -> None:
    weights = np.array([[3.0, -2.0]])
    for step in range(600):
        change, _ = optimizer.change(2 * weights, np.full((1, 2), 0.1 * 0.99**step), xp)
        weights = weights - change
    assert np.abs(weights).max() < 1e-2


def test_shrinking_stops_at_zero() -> None:
    found = shrunk(np.array([[2.0, -2.0, 0.3, -0.3]]), np.full((1, 4), 0.5), xp)
    assert found.tolist() == [[1.5, -1.5, 0, 0]]
