"""How weights follow gradients: sgd, adam and rmsprop, for many models at once.

State has the shape and dtype of the weights, (features + 1, outputs · models); what differs between
models comes in rows of (1, outputs · models). The forms are MXNet's, on which AWS's container runs:
L2 regularisation is part of the gradient.
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import attrs

__all__ = ["Adam", "Momentum", "Optimizer", "RMSProp", "shrunk"]

Array = Any
#: Keeps quotients finite.
_EPSILON = 1e-8


class Optimizer(Protocol):
    """What turns a gradient into a change of the weights."""

    def change(self, gradient: Array, rates: Array, xp: Any) -> tuple[Array, Array]:
        """What to subtract from the weights, and by what a constant gradient is multiplied in it.

        Args:
            gradient: (features + 1, columns), of the mean loss, L2 regularisation included.
            rates: learning rates that broadcast against it.
            xp: the arrays' namespace.
        """


@attrs.define
class Momentum:
    """Stochastic gradient descent with momentum (Polyak 1964): v ← μv + ηg, w ← w - v."""

    momentum: float
    _velocity: Array = None

    def change(self, gradient: Array, rates: Array, xp: Any) -> tuple[Array, Array]:
        """See `Optimizer`."""
        step = rates * gradient
        if self.momentum == 0:
            return step, rates
        if self._velocity is None:
            self._velocity = xp.zeros_like(gradient)
        self._velocity *= self.momentum
        self._velocity += step
        return self._velocity, rates / (1 - self.momentum)


@attrs.define
class Adam:
    """Kingma and Ba, Adam: A Method for Stochastic Optimization (2015), algorithm 1."""

    beta_1: float
    beta_2: float
    _mean: Array = None
    _square: Array = None
    _steps: int = 0

    def change(self, gradient: Array, rates: Array, xp: Any) -> tuple[Array, Array]:
        """See `Optimizer`."""
        if self._mean is None:
            self._mean = xp.zeros_like(gradient)
            self._square = xp.zeros_like(gradient)
        self._steps += 1
        self._mean *= self.beta_1
        self._mean += (1 - self.beta_1) * gradient
        self._square *= self.beta_2
        self._square += (1 - self.beta_2) * (gradient * gradient)
        corrected = math.sqrt(1 - self.beta_2**self._steps)
        paces = (rates * corrected) / (xp.sqrt(self._square) + _EPSILON)
        return (paces * self._mean) / (1 - self.beta_1**self._steps), paces


@attrs.define
class RMSProp:
    """Tieleman and Hinton, lecture 6.5 of Neural Networks for Machine Learning (2012)."""

    decay: float
    _square: Array = None

    def change(self, gradient: Array, rates: Array, xp: Any) -> tuple[Array, Array]:
        """See `Optimizer`."""
        if self._square is None:
            self._square = xp.zeros_like(gradient)
        self._square *= self.decay
        self._square += (1 - self.decay) * (gradient * gradient)
        paces = rates / xp.sqrt(self._square + _EPSILON)
        return paces * gradient, paces


def shrunk(weights: Array, amounts: Array, xp: Any) -> Array:
    """Weights moved towards zero by `amounts` and no further: the proximal step of L1.

    Duchi and Singer, Efficient Online and Batch Learning Using Forward Backward Splitting (2009). A
    subgradient would leave no weight at zero.
    """
    return weights - xp.maximum(xp.minimum(weights, amounts), -amounts)
