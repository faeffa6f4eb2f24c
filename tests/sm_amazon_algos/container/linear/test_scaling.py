"""Moments in parts are those of the whole; folded weights say the same of raw rows."""

from __future__ import annotations

import array_api_compat.numpy as xp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sm_amazon_algos.container.linear.scaling import Moments, Scaler, raw_weights

ROWS = np.random.default_rng(0).normal([0, 1e4, -5], [1, 3, 1e-3], (200, 3)).astype(np.float32)


@given(cut=st.integers(1, 199))
def test_moments_of_parts_are_merged(cut: int) -> None:
    found = Moments.of(ROWS[:cut], xp).merged(Moments.of(ROWS[cut:], xp))
    wide = ROWS.astype(np.float64)
    assert found.mean == pytest.approx(wide.mean(axis=0))
    assert found.deviation(xp) == pytest.approx(wide.std(axis=0))


def test_a_constant_column_is_not_scaled() -> None:
    moments = Moments.of(np.full((50, 1), 0.1, dtype=np.float32), xp)
    assert moments.deviation(xp).tolist() == [1]


@pytest.mark.parametrize("unbias", [True, False])
@pytest.mark.parametrize("normalize", [True, False])
def test_weights_of_scaled_rows_say_the_same_of_raw_ones(unbias: bool, normalize: bool) -> None:
    scaler = Scaler.of(Moments.of(ROWS, xp), xp, unbias=unbias, normalize=normalize)
    weights = np.random.default_rng(1).normal(size=(4, 2))
    scaled = (ROWS.astype(np.float64) - scaler.shift) / scaler.scale
    wanted = (scaled @ weights[:-1] + weights[-1]) * 7 + 3
    raw = raw_weights(weights, scaler, (3, 7), xp)
    assert ROWS @ raw[:-1] + raw[-1] == pytest.approx(wanted, abs=1e-3)
