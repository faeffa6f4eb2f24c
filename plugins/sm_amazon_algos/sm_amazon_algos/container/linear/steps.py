"""One step of many linear models at once: scores, losses, gradient, and the change that follows.

Weights are one matrix, (features + 1, outputs · models), biases in the last row, so that a batch
takes two matrix products whatever the number of models. Column ``output · models + model`` is one
output of one model: sums over outputs then run along memory.
"""

from __future__ import annotations

import math
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from sm_amazon_algos.container.devices import Device
from sm_amazon_algos.container.linear.examples import Examples
from sm_amazon_algos.container.linear.grid import Candidates
from sm_amazon_algos.container.linear.losses import Loss
from sm_amazon_algos.container.linear.optimizers import Adam, Momentum, Optimizer, RMSProp, shrunk
from sm_amazon_algos.container.linear.settings import Settings

__all__ = ["Arithmetic", "Stepper", "Sums", "first_weights", "optimizer_of"]

Array = Any
#: What ``auto`` stands for.
MOMENTUM, BETA_1, BETA_2, BIAS_RATE, BIAS_DECAY = 0.9, 0.9, 0.999, 1.0, 0.0
#: What a batch weighs at least, that a mean over none of its rows is 0.
_NOTHING = 1e-12


def first_weights(settings: Settings, width: int, models: int) -> npt.NDArray[np.float32]:
    """Weights to begin with: (width + 1, outputs · models); the same ones every time.

    Args:
        settings: `init_method` and what goes with it.
        width: columns of the data.
        models: how many.
    """
    shape = (width + 1, settings.outputs * models)
    generator = np.random.default_rng(0)
    if settings.init_method == "normal":
        weights = generator.standard_normal(shape, dtype=np.float32) * settings.init_sigma
    else:
        weights = (2 * generator.random(shape, dtype=np.float32) - 1) * settings.init_scale
    weights[-1] = settings.init_bias if settings.use_bias else 0
    return weights.astype(np.float32)


def column_sums(columns: Array, xp: Any) -> Array:
    """What (rows, models) add up to in each column, by a product: eight times as fast as a sum."""
    return (xp.ones((1, columns.shape[0]), dtype=columns.dtype, device=columns.device) @ columns)[0]


def optimizer_of(settings: Settings) -> Optimizer:
    """The optimizer; ``auto`` is adam."""

    def value(given: float | str, auto: float) -> float:
        return auto if given == "auto" else float(given)

    if settings.optimizer == "sgd":
        return Momentum(value(settings.momentum, MOMENTUM))
    if settings.optimizer == "rmsprop":
        return RMSProp(BETA_1)
    return Adam(value(settings.beta_1, BETA_1), value(settings.beta_2, BETA_2))


@attrs.frozen(eq=False)
class Sums:
    """Sums over some examples.

    Attributes:
        gradient: of the loss by the weights: (features + 1, outputs · models).
        losses: (models,).
        weights: of the examples: (models,).
    """

    gradient: Array
    losses: Array
    weights: Array


@attrs.frozen(eq=False)
class Arithmetic:
    """What scores cost, for models of one shape.

    Attributes:
        loss: what is paid.
        outputs: scores of a row.
        xp: the arrays' namespace.
    """

    loss: Loss
    outputs: int
    xp: Any

    def scores(self, weights: Array, rows: Array) -> Array:
        """What models say of rows, margins in binary classification: (rows, outputs · models).

        Those of several outputs lie in memory as softmax wants them, by column.
        """
        if self.outputs == 1:
            return rows @ weights
        return (weights.T @ rows.T).T

    def losses(self, scores: Array, labels: Array) -> tuple[Array, Array]:
        """What scores cost, and the slopes of that.

        Args:
            scores: as `scores` gives them.
            labels: (rows,), of examples.

        Returns:
            (rows, models), and the derivatives by the scores, of their shape.
        """
        if self.outputs == 1:
            arguments = scores - labels[:, None] if self.loss.power else scores
            return self.loss.evaluate(arguments, labels, self.xp)
        values, slopes = self.loss.evaluate(self._by_output(scores), labels, self.xp)
        return values.T, self._by_row(slopes)

    def sums(self, weights: Array, examples: Examples, counting: Array) -> Sums:
        """Loss and gradient of models on examples.

        Args:
            weights: (features + 1, outputs · models).
            examples: what to evaluate them on.
            counting: (rows, models) or (rows, 1), what each example counts; None for 1.
        """
        xp = self.xp
        values, slopes = self.losses(self.scores(weights, examples.rows), examples.labels)
        models = values.shape[1]
        if counting is None:
            totals = xp.full((models,), float(len(examples)), dtype=values.dtype)
            return Sums(examples.rows.T @ slopes, column_sums(values, xp), totals)
        totals = xp.broadcast_to(column_sums(counting, xp), (models,))
        slopes = self._by_row(self._by_output(slopes) * counting.T)
        return Sums(examples.rows.T @ slopes, column_sums(values * counting, xp), totals)

    def _by_output(self, columns: Array) -> Array:
        """(rows, outputs · models) as (outputs, models, rows)."""
        return self.xp.reshape(columns.T, (self.outputs, -1, columns.shape[0]))

    def _by_row(self, shaped: Array) -> Array:
        """(outputs, models, rows) as (rows, outputs · models)."""
        return self.xp.reshape(shaped, (-1, shaped.shape[-1])).T


class Stepper:
    """Models on their way.

    Attributes:
        weights: (features + 1, outputs · models), float32, on the device.
        steps: that were made.
    """

    def __init__(
        self,
        weights: npt.NDArray[np.float32],
        *,
        settings: Settings,
        candidates: Candidates,
        device: Device,
    ) -> None:
        """
        Args:
            weights: to begin with.
            settings: the hyperparameters.
            candidates: what tells the models apart.
            device: where to compute.
        """
        self.weights: Array = device.put(weights)
        self.steps = 0
        self._candidates, self._device, self._outputs = candidates, device, settings.outputs
        self._optimizer = optimizer_of(settings)
        self._interval = math.gcd(*candidates.step.astype(np.int64).tolist())
        self._bias_rate = _bias_rate(settings)
        decay = BIAS_DECAY if settings.bias_wd_mult == "auto" else float(settings.bias_wd_mult)
        self._decay = self._strengths(candidates.wd, bias=decay)
        self._sparsity = self._strengths(candidates.l1, bias=0.0)
        self._rates: Array = None

    def step(self, sums: Sums) -> None:
        """Follow the gradient of the mean loss; it is overwritten."""
        xp = self._device.xp
        gradient = sums.gradient
        gradient /= xp.tile(sums.weights + _NOTHING, (self._outputs,))
        if self._decay is not None:
            gradient += self._decay * self.weights
        if self._rates is None or self.steps % self._interval == 0:
            self._rates = self._learning_rates()
        change, paces = self._optimizer.change(gradient, self._rates, xp)
        self.weights = self.weights - change
        if self._sparsity is not None:
            self.weights = shrunk(self.weights, paces * self._sparsity, xp)
        self.steps += 1

    def _by_column(self, per_model: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        return np.tile(per_model, self._outputs)[None, :].astype(np.float32)

    def _learning_rates(self) -> Array:
        rates = self._by_column(self._candidates.rates(self.steps))
        if self._bias_rate == 1:
            return self._device.put(rates)
        by_row = np.ones((self.weights.shape[0], 1), dtype=np.float32)
        by_row[-1] = self._bias_rate
        return self._device.put(by_row * rates)

    def _strengths(self, per_model: npt.NDArray[np.float64], *, bias: float) -> Array:
        """The strength of a regularisation for each weight; None if there is none."""
        if not per_model.any():
            return None
        by_row = np.ones((self.weights.shape[0], 1), dtype=np.float32)
        by_row[-1] = bias
        return self._device.put(by_row * self._by_column(per_model))


def _bias_rate(settings: Settings) -> float:
    """A model without a bias has one of 0 that does not learn."""
    if not settings.use_bias:
        return 0.0
    return BIAS_RATE if settings.bias_lr_mult == "auto" else float(settings.bias_lr_mult)
