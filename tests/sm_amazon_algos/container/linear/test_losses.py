"""The losses: values against their definitions, slopes against differences of values."""

from __future__ import annotations

import array_api_compat.numpy as xp
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sm_amazon_algos.container.linear.losses import (
    MARGIN_LOSSES,
    REGRESSION_LOSSES,
    LossParameters,
    loss_named,
)

Array = npt.NDArray[np.float64]
PARAMETERS = LossParameters(quantile=0.3, insensitivity=0.25, delta=0.7, margin=1.2)
NOBODY = np.zeros(0)
#: Name → its definition, of one number.
DEFINITIONS = {
    "squared_loss": lambda r: r**2,
    "absolute_loss": abs,
    "eps_insensitive_squared_loss": lambda r: max(abs(r) - 0.25, 0) ** 2,
    "eps_insensitive_absolute_loss": lambda r: max(abs(r) - 0.25, 0),
    "quantile_loss": lambda r: max(-0.3 * r, 0.7 * r),
    "huber_loss": lambda r: r**2 / 2 if abs(r) <= 0.7 else 0.7 * (abs(r) - 0.35),
    "logistic": lambda m: np.log1p(np.exp(-m)),
    "hinge_loss": lambda m: max(1.2 - m, 0),
}
arguments = arrays(np.float64, (3, 4), elements=st.floats(-9, 9, width=32))


def test_every_loss_is_defined_here() -> None:
    assert DEFINITIONS.keys() == {**REGRESSION_LOSSES, **MARGIN_LOSSES}.keys()


@pytest.mark.parametrize("name", DEFINITIONS)
@given(given_arguments=arguments)
def test_values(name: str, given_arguments: Array) -> None:
    values, _ = loss_named(name, PARAMETERS).evaluate(given_arguments, NOBODY, xp)
    wanted = np.vectorize(DEFINITIONS[name], otypes=[float])(given_arguments)
    assert values == pytest.approx(wanted, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", DEFINITIONS)
@given(given_arguments=arguments)
def test_slopes_are_what_the_values_do(name: str, given_arguments: Array) -> None:
    loss, step = loss_named(name, PARAMETERS), 1e-6
    kinks = np.array([0, 0.25, -0.25, 0.7, -0.7, 1.2])
    # Between two sides of a kink there is no slope.
    smooth = (np.abs(given_arguments[..., None] - kinks) > 2 * step).all(axis=-1)
    _, slopes = loss.evaluate(given_arguments, NOBODY, xp)
    above, _ = loss.evaluate(given_arguments + step, NOBODY, xp)
    below, _ = loss.evaluate(given_arguments - step, NOBODY, xp)
    assert slopes[smooth] == pytest.approx(((above - below) / (2 * step))[smooth], abs=1e-4)


@given(
    scores=arrays(np.float64, (3, 2, 4), elements=st.floats(-9, 9, width=32)),
    labels=arrays(np.int64, (4,), elements=st.integers(0, 2)),
)
def test_softmax(scores: Array, labels: npt.NDArray[np.int64]) -> None:
    loss, step = loss_named("softmax_loss", PARAMETERS), 1e-6
    values, slopes = loss.evaluate(scores, labels, xp)
    shares = np.exp(scores) / np.exp(scores).sum(axis=0, keepdims=True)
    wanted = -np.log(shares[labels, :, np.arange(4)].T)
    assert values == pytest.approx(wanted, abs=1e-9)
    for output in range(3):
        moved = scores.copy()
        moved[output] += step
        above, _ = loss.evaluate(moved, labels, xp)
        assert slopes[output] == pytest.approx((above - values) / step, abs=1e-4)


@given(margin=st.floats(-80, 80, width=32))
def test_logistic_loss_in_32_bits_far_from_zero(margin: float) -> None:
    given_margin = np.array([[margin]], dtype=np.float32)
    values, slopes = loss_named("logistic", PARAMETERS).evaluate(given_margin, NOBODY, xp)
    assert (values.dtype, slopes.dtype) == (np.float32, np.float32)
    assert values[0, 0] == pytest.approx(np.logaddexp(0, -np.float64(margin)), rel=1e-3, abs=2e-5)


def test_huber_of_no_width_is_the_absolute_loss() -> None:
    values, slopes = loss_named("huber_loss", LossParameters(delta=0)).evaluate(
        np.array([[-2.0, 3.0]]), NOBODY, xp
    )
    assert (values.tolist(), slopes.tolist()) == ([[2, 3]], [[-1, 1]])


@pytest.mark.parametrize("name", REGRESSION_LOSSES)
def test_a_loss_in_other_units_is_the_same_loss(name: str) -> None:
    residuals, deviation = np.array([[-3.0, -0.5, 0.1, 0.6, 8.0]]), 4.0
    own = loss_named(name, PARAMETERS)
    scaled = loss_named(name, PARAMETERS.in_units_of(deviation))
    values, _ = own.evaluate(residuals, NOBODY, xp)
    others, _ = scaled.evaluate(residuals / deviation, NOBODY, xp)
    assert others * deviation**own.power == pytest.approx(values)
