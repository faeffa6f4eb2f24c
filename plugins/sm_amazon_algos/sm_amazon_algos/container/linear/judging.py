"""What models are judged by: the validation channel, or else the training data.

Without a validation channel, and with few rows, each model has copies that are trained on all but
one part of the rows each: cross-validation (Stone 1974). With many rows the training data itself,
of which a linear model can learn little by heart, says as much.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Protocol

import attrs
import numpy as np
import numpy.typing as npt

from sm_amazon_algos.container.devices import Device
from sm_amazon_algos.container.hosts import Hosts
from sm_amazon_algos.container.linear.examples import Examples, Preparer, Rows
from sm_amazon_algos.container.linear.steps import Arithmetic

__all__ = ["FOLDS", "FOLD_ROWS", "Folds", "Judge", "Sample", "TrainingSample", "Validation"]

Array = Any
Floats = npt.NDArray[np.float64]

#: Parts of the rows, and how many rows at most there are for it to be worth while.
FOLDS, FOLD_ROWS = 5, 10_000
#: Rows of each host by which the training data judges, and how many of them at once.
OBJECTIVE_ROWS, _PIECE = 4096, 1024


@attrs.frozen(eq=False)
class Sample:
    """Some rows, as the models see them; on the host.

    Attributes:
        margins: float32, (rows, models), scores times the label's sign; of a binary classifier.
        signs: float32, (rows,), the labels' signs.
    """

    margins: npt.NDArray[np.float32]
    signs: npt.NDArray[np.float32]

    @property
    def linear(self) -> npt.NDArray[np.float32]:
        """(rows, models), the values of the linear forms."""
        found: npt.NDArray[np.float32] = self.margins * self.signs[:, None]
        return found


class Judge(Protocol):
    """Tells what models are worth on rows that it chose."""

    @property
    def phase(self) -> str:
        """What the log calls those rows."""

    def objectives(self, weights: Array) -> Floats:
        """The mean loss of each model: float64, (models,).

        Args:
            weights: float32, (features + 1, outputs · models), copies of the models included.
        """

    def sample(self, weights: Array, rows: int) -> Sample:
        """At most so many rows of each host, of all hosts, in an order that means nothing.

        Args:
            weights: as of `objectives`.
            rows: so many.
        """


@attrs.frozen(eq=False)
class _Base:
    """What judges have in common.

    Attributes:
        arithmetic: the loss.
        device: where weights are.
        hosts: of the job.
    """

    arithmetic: Arithmetic
    device: Device
    hosts: Hosts

    def _mean(self, parts: Iterator[tuple[Array, Examples]], models: int) -> Floats:
        """Mean losses of all hosts' examples, each part of them with the weights beside it."""
        xp = self.device.xp
        total: Array = self.device.put(np.zeros(models))
        count = 0
        for weights, examples in parts:
            scores = self.arithmetic.scores(weights, examples.rows)
            values, _ = self.arithmetic.losses(scores, examples.labels)
            total = total + xp.astype(xp.sum(values, axis=0), xp.float64)
            count += len(examples)
        packed = np.append(self.device.get(total), float(count))
        packed = self.hosts.sum(packed)
        found: Floats = packed[:-1] / packed[-1]
        return found

    def _sample(self, parts: Iterator[tuple[Array, Examples]]) -> Sample:
        margins, signs = [], []
        for weights, examples in parts:
            margins.append(self.device.get(examples.rows @ weights))
            signs.append(self.device.get(examples.labels))
        return Sample(
            np.concatenate(self.hosts.gather(np.concatenate(margins))),
            np.concatenate(self.hosts.gather(np.concatenate(signs))),
        )


@attrs.frozen(eq=False)
class Validation(_Base):
    """Judges by the validation channel.

    Attributes:
        rows: its examples.
        preparer: makes them.
        some: a sample of them.
    """

    rows: Rows
    preparer: Preparer
    some: Examples
    phase: str = "validation"

    def objectives(self, weights: Array) -> Floats:
        """See `Judge`."""
        parts = ((weights, part) for part in self.rows.batches(self.preparer))
        return self._mean(parts, weights.shape[1] // self.arithmetic.outputs)

    def sample(self, weights: Array, rows: int) -> Sample:
        """See `Judge`."""
        return self._sample(iter([(weights, self.some.part(0, rows))]))


@attrs.frozen(eq=False)
class TrainingSample(_Base):
    """Judges by the training data itself.

    Attributes:
        some: a sample of it.
    """

    some: Examples
    phase: str = "train"

    def objectives(self, weights: Array) -> Floats:
        """See `Judge`; by some rows, which tell whether models still improve."""
        rows = min(len(self.some), OBJECTIVE_ROWS)
        edges = [*range(0, rows, _PIECE), rows]
        parts = ((weights, self.some.part(*each)) for each in pairwise(edges))
        return self._mean(parts, weights.shape[1] // self.arithmetic.outputs)

    def sample(self, weights: Array, rows: int) -> Sample:
        """See `Judge`."""
        return self._sample(iter([(weights, self.some.part(0, rows))]))


@attrs.frozen(eq=False)
class Folds(_Base):
    """Judges by cross-validation: each row by the copy of a model that has not seen it.

    Attributes:
        examples: all rows, with their folds.
        models: how many models there are, copies aside.
    """

    examples: Examples
    models: int
    phase: str = "train"

    def objectives(self, weights: Array) -> Floats:
        """See `Judge`."""
        return self._mean(self._parts(weights, len(self.examples)), self.models)

    def sample(self, weights: Array, rows: int) -> Sample:
        """See `Judge`."""
        return self._sample(self._parts(weights, rows))

    def _parts(self, weights: Array, rows: int) -> Iterator[tuple[Array, Examples]]:
        """Each fold, and the weights of the copies that do not see it."""
        xp = self.device.xp
        outputs = self.arithmetic.outputs
        shaped = xp.reshape(weights, (weights.shape[0], outputs, (FOLDS + 1) * self.models))
        for fold in range(FOLDS):
            start = (fold + 1) * self.models
            own = shaped[:, :, start : start + self.models]
            own = xp.reshape(own, (weights.shape[0], outputs * self.models))
            part = self.examples.part(fold, min(rows, len(self.examples)), FOLDS)
            if len(part):
                yield own, part
