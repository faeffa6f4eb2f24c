"""One epoch of training: every host makes the same steps, by the gradient of all their rows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, repeat
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from sm_amazon_algos.container.devices import Device
from sm_amazon_algos.container.hosts import Hosts
from sm_amazon_algos.container.linear.examples import Examples, Preparer, Rows
from sm_amazon_algos.container.linear.labels import Weighting
from sm_amazon_algos.container.linear.steps import Arithmetic, Stepper, Sums

__all__ = ["Averages", "Epochs"]

#: Step t counts about t to this power.
_DECAY = 3

Array = Any
Floats = npt.NDArray[np.float64]


@attrs.define
class Averages:
    """The mean of the weights over the steps of an epoch, of which later ones count more.

    It is nearer to the optimum than the last weights, which a learning rate keeps in motion: Polyak
    and Juditsky, Acceleration of Stochastic Approximation by Averaging (1992). The first epoch's
    beginning would still be far off: Shamir and Zhang, Stochastic Gradient Descent for Non-smooth
    Optimization (2013), section 4, polynomial-decay averaging.
    """

    _mean: Array = None
    _count: int = 0

    def add(self, weights: Array) -> None:
        """Take the weights of one more step: float32, (features + 1, outputs · models)."""
        self._count += 1
        if self._mean is None:
            self._mean = 1.0 * weights
        else:
            share = (1 + _DECAY) / (self._count + _DECAY)
            self._mean += (weights - self._mean) * share

    @property
    def mean(self) -> Array:
        """The mean of all that were added, of their shape and dtype."""
        return self._mean


@attrs.frozen(eq=False, kw_only=True)
class Epochs:
    """Trains models epoch by epoch, all hosts in step.

    Attributes:
        rows: what to train on.
        preparer: makes examples of them.
        stepper: the models.
        arithmetic: what scores cost.
        weighting: what examples count.
        hosts: of the job.
        device: where to compute.
        repeats: passes over the data in an epoch.
    """

    rows: Rows
    preparer: Preparer
    stepper: Stepper
    arithmetic: Arithmetic
    weighting: Weighting
    hosts: Hosts
    device: Device
    repeats: int = 1

    def run(self) -> tuple[Array, Floats, int]:
        """One epoch.

        Returns:
            the mean of the weights over its steps; the mean loss of each model, (models,), each
            batch judged before it was learned from; and how many steps there were.
        """
        xp = self.device.xp
        averages = Averages()
        losses: Array = 0
        weights: Array = 0
        steps = 0
        for batch in self._batches():
            sums = self._everywhere(self._sums(batch), batch)
            if sums is None:
                break
            losses = losses + xp.astype(sums.losses, xp.float64)
            weights = weights + xp.astype(sums.weights, xp.float64)
            self.stepper.step(sums)
            averages.add(self.stepper.weights)
            steps += 1
        means: Floats = self.device.get(losses) / self.device.get(weights)
        return averages.mean, means, steps

    def _batches(self) -> Iterator[Examples | None]:
        """This host's batches, then None for as long as others have some."""
        passes = (self.rows.batches(self.preparer) for _ in range(self.repeats))
        return chain(chain.from_iterable(passes), repeat(None))

    def _sums(self, batch: Examples | None) -> Sums | None:
        if batch is None:
            return None
        counting = self.weighting.weights(batch.labels, batch.folds, self.device.xp)
        return self.arithmetic.sums(self.stepper.weights, batch, counting)

    def _everywhere(self, sums: Sums | None, batch: Examples | None) -> Sums | None:
        """The sums of all hosts; None if no host has a batch."""
        if self.hosts.count == 1:
            return sums
        shape = self.stepper.weights.shape
        models = shape[1] // self.arithmetic.outputs
        size = shape[0] * shape[1]
        packed = np.zeros(size + 2 * models + 1, dtype=np.float32)
        if sums is not None:
            packed[:size] = self.device.get(sums.gradient).reshape(-1)
            packed[size : size + models] = self.device.get(sums.losses)
            packed[size + models : -1] = self.device.get(sums.weights)
            packed[-1] = 1
        packed = self.hosts.sum(packed)
        if not packed[-1]:
            return None
        return Sums(
            self.device.put(packed[:size].reshape(shape)),
            self.device.put(packed[size : size + models]),
            self.device.put(packed[size + models : -1]),
        )
