"""A trained linear model: scores of raw rows, in label units, probabilities or margins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from sm_amazon_algos.container.linear.settings import Task

__all__ = ["LinearModel", "served"]

Floats = npt.NDArray[np.float32]

#: Weights up to which scores are added up in 64 bits: more would take long for each request.
_EXACT = 1 << 20


def served(linear: Floats, task: Task, loss: str) -> Floats:
    """What is served as score, of the linear form's values.

    Args:
        linear: (rows, outputs), float32.
        task: the predictor type.
        loss: AWS's name of it.

    Returns:
        float32 of the same shape: with logistic loss the probability of a 1, with softmax_loss
        those of the classes, else what was given.
    """
    if task == "multiclass_classifier":
        shares: Floats = np.exp(linear - linear.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        return shares
    if task == "binary_classifier" and loss == "logistic":
        # Of large scores the power is 0 or infinite, as it should be.
        with np.errstate(over="ignore"):
            probabilities: Floats = (1 / (1 + np.exp(-linear))).astype(np.float32)
        return probabilities
    return linear


@attrs.frozen(eq=False, kw_only=True)
class LinearModel:
    """One linear model of raw features.

    Attributes:
        task: the predictor type.
        loss: AWS's name of the loss it was trained by.
        weights: (outputs, feature_dim), float32.
        bias: (outputs,), float32.
        threshold: score from which on a binary classifier says 1.
    """

    task: Task
    loss: str
    weights: Floats
    bias: Floats
    threshold: float = 0.5

    @property
    def feature_dim(self) -> int:
        """Width of the rows that it takes."""
        return int(self.weights.shape[1])

    def scores(self, rows: Floats) -> Floats:
        """(rows, outputs), as they are served.

        Of columns far from zero large numbers cancel out, for which 32 bits are too few.
        """
        kind = np.float64 if self.weights.size <= _EXACT else np.float32
        linear = rows.astype(kind) @ self.weights.T.astype(kind) + self.bias
        with np.errstate(over="ignore"):  # a score that is too large is infinite
            return served(linear.astype(np.float32), self.task, self.loss)

    def predict(self, rows: Floats) -> Mapping[str, npt.NDArray[Any]]:
        """What is answered: see `ServedModel.predict`."""
        scores = self.scores(rows)
        if self.task == "regressor":
            return {"score": scores[:, 0]}
        if self.task == "binary_classifier":
            labels = (scores[:, 0] >= self.threshold).astype(np.int64)
            return {"score": scores[:, 0], "predicted_label": labels}
        return {"score": scores, "predicted_label": scores.argmax(axis=1)}
