"""What a linear model pays for its scores, and the slope of that: the losses of LinearLearner.

All work on arrays of the array API standard, many models at a time: residuals and margins are
(rows, models), float32 or float64; values and slopes have their shape and dtype. Sources stand
beside each. AWS's names and parameters:
https://docs.aws.amazon.com/sagemaker/latest/dg/ll_hyperparameters.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

__all__ = ["MARGIN_LOSSES", "REGRESSION_LOSSES", "Loss", "LossParameters", "loss_named"]

Array = Any
#: Values and slopes.
Pair = tuple[Array, Array]

#: Above this loss of a margin, it is the margin's negative itself, but for less than rounding.
_LARGE = 80.0


@attrs.frozen
class LossParameters:
    """What some losses depend on; label units, or those of the scaled labels.

    Attributes:
        quantile: of quantile_loss, in (0, 1).
        insensitivity: error that costs nothing, of the eps_insensitive losses.
        delta: error up to which huber_loss is quadratic; 0 makes it the absolute loss.
        margin: that hinge_loss asks for.
    """

    quantile: float = 0.5
    insensitivity: float = 0.01
    delta: float = 1.0
    margin: float = 1.0

    def in_units_of(self, deviation: float) -> LossParameters:
        """The same, for labels divided by `deviation`."""
        return attrs.evolve(
            self,
            insensitivity=self.insensitivity / deviation,
            delta=self.delta / deviation,
        )


@attrs.frozen
class Loss:
    """One loss, with its parameters.

    Attributes:
        name: AWS's.
        objective: what AWS's log calls its mean.
        power: by which power of a factor the loss grows with scores and labels; 0 for classifiers.
        evaluate: (arguments, labels, namespace) → values and slopes. Of a regression loss the
            arguments are residuals, scores minus labels; of a binary one margins, scores times the
            label's sign, both (rows, models), and so are values. Of softmax_loss they are scores
            (classes, models, rows), with labels (rows,) of integers, and values are (models,
            rows). Slopes are the derivatives by the arguments and have their shape.
    """

    name: str
    objective: str
    power: int
    evaluate: Callable[[Array, Array, Any], Pair]


def squared(residuals: Array, xp: Any) -> Pair:
    """r² and 2r: least squares (Gauss 1809)."""
    return residuals * residuals, 2 * residuals


def absolute(residuals: Array, xp: Any) -> Pair:
    """|r| and its sign: least absolute deviations (Boscovich 1757)."""
    return xp.abs(residuals), xp.sign(residuals)


def insensitive_absolute(residuals: Array, xp: Any, insensitivity: float) -> Pair:
    """max(|r| - ε, 0): Vapnik, The Nature of Statistical Learning Theory (1995), chapter 6."""
    excess = xp.abs(residuals) - insensitivity
    beyond = excess > 0
    return _where(beyond, excess, xp), _where(beyond, xp.sign(residuals), xp)


def insensitive_squared(residuals: Array, xp: Any, insensitivity: float) -> Pair:
    """max(|r| - ε, 0)²: the quadratic form of the same."""
    excess = xp.abs(residuals) - insensitivity
    excess = _where(excess > 0, excess, xp)
    return excess * excess, 2 * excess * xp.sign(residuals)


def quantile(residuals: Array, xp: Any, share: float) -> Pair:
    """The check function max(-τr, (1 - τ)r): Koenker and Bassett, Regression Quantiles (1978)."""
    above = xp.astype(residuals > 0, residuals.dtype)
    slopes = above - share
    return slopes * residuals, slopes


def huber(residuals: Array, xp: Any, delta: float) -> Pair:
    """r²/2 up to δ, then δ(|r| - δ/2): Huber, Robust Estimation of a Location Parameter (1964)."""
    if delta == 0:
        return absolute(residuals, xp)
    slopes = xp.clip(residuals, -delta, delta)
    return slopes * (residuals - 0.5 * slopes), slopes


def logistic(margins: Array, xp: Any) -> Pair:
    """log(1 + exp(-m)), the cross entropy of a label given the score's log-odds (Cox 1958)."""
    sums = xp.exp(-margins)
    sums += 1
    values = xp.log(sums)
    if bool(xp.any(values > _LARGE)):
        # Where the exponential is infinite, or might be: the loss is the margin itself by then.
        values = xp.where(margins < -_LARGE, -margins, values)
    return values, 1 / sums - 1


def hinge(margins: Array, xp: Any, margin: float) -> Pair:
    """max(μ - m, 0): Cortes and Vapnik, Support-Vector Networks (1995), with AWS's margin μ."""
    short = margin - margins
    missing = short > 0
    return _where(missing, short, xp), -xp.astype(missing, margins.dtype)


def softmax(scores: Array, labels: Array, xp: Any) -> Pair:
    """Cross entropy of the label under softmax probabilities (Bridle 1990), several models at once.

    With the classes in front, what is said of a row's classes is said of whole arrays of numbers.

    Args:
        scores: (classes, models, rows), floating.
        labels: (rows,), integers from 0.
        xp: the arrays' namespace.

    Returns:
        (models, rows), and (classes, models, rows).
    """
    shifted = scores - xp.max(scores, axis=0, keepdims=True)
    slopes = xp.exp(shifted)
    totals = xp.sum(slopes, axis=0)
    classes = xp.arange(scores.shape[0], dtype=labels.dtype, device=labels.device)
    wanted = xp.astype(classes[:, None, None] == labels, scores.dtype)
    shifted *= wanted
    values = xp.log(totals) - xp.sum(shifted, axis=0)
    slopes /= totals
    slopes -= wanted
    return values, slopes


def _where(condition: Array, values: Array, xp: Any) -> Array:
    return xp.where(condition, values, xp.zeros_like(values))


Elementwise = Callable[[Array, Any, LossParameters], Pair]

#: Name → objective, power, function.
REGRESSION_LOSSES: dict[str, tuple[str, int, Elementwise]] = {
    "squared_loss": ("mse", 2, lambda r, xp, p: squared(r, xp)),
    "absolute_loss": ("absolute_loss", 1, lambda r, xp, p: absolute(r, xp)),
    "eps_insensitive_squared_loss": (
        "eps_insensitive_squared_loss",
        2,
        lambda r, xp, p: insensitive_squared(r, xp, p.insensitivity),
    ),
    "eps_insensitive_absolute_loss": (
        "eps_insensitive_absolute_loss",
        1,
        lambda r, xp, p: insensitive_absolute(r, xp, p.insensitivity),
    ),
    "quantile_loss": ("quantile_loss", 1, lambda r, xp, p: quantile(r, xp, p.quantile)),
    "huber_loss": ("huber_loss", 2, lambda r, xp, p: huber(r, xp, p.delta)),
}
MARGIN_LOSSES: dict[str, tuple[str, int, Elementwise]] = {
    "logistic": ("binary_classification_cross_entropy", 0, lambda m, xp, p: logistic(m, xp)),
    "hinge_loss": ("hinge_loss", 0, lambda m, xp, p: hinge(m, xp, p.margin)),
}


def loss_named(name: str, parameters: LossParameters) -> Loss:
    """The loss that AWS calls `name`.

    Args:
        name: never ``auto``.
        parameters: in the units of the labels that it will see.
    """
    if name == "softmax_loss":
        return Loss(name, "multiclass_cross_entropy", 0, softmax)
    objective, power, function = {**REGRESSION_LOSSES, **MARGIN_LOSSES}[name]

    def evaluate(arguments: Array, labels: Array, xp: Any) -> Pair:
        return function(arguments, xp, parameters)

    return Loss(name, objective, power, evaluate)
