"""What a finished model is worth, by AWS's metrics; gathered piece by piece, over all hosts.

Names are those that AWS's metric definitions look for:
https://docs.aws.amazon.com/sagemaker/latest/dg/linear-learner-tuning.html
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from sm_amazon_algos.container.hosts import Hosts
from sm_amazon_algos.container.linear.criteria import fbeta
from sm_amazon_algos.container.linear.settings import Settings

__all__ = ["Metric", "Tally", "area_under_curve", "tally_for"]

Array = npt.NDArray[np.float32]
#: Scores that are kept for the area under the curve; of more rows the first so many on each host.
_MOST_SCORES = 1 << 24


class Metric(NamedTuple):
    """One number of a model.

    Attributes:
        name: as AWS's log calls it.
        value: of it.
        tag: ``loss`` if less is better, ``score`` if more.
    """

    name: str
    value: float
    tag: str = "score"


class Tally(Protocol):
    """Counts what a model's scores are worth."""

    def add(self, scores: Array, labels: Array) -> None:
        """Count rows.

        Args:
            scores: float32, (rows, outputs), as they will be served.
            labels: float32, (rows,), as they were read.
        """

    def metrics(self, hosts: Hosts) -> Iterator[Metric]:
        """What all hosts' rows come to."""


def tally_for(settings: Settings, threshold: float | None) -> Tally:
    """The tally of a task; `threshold` is a binary classifier's."""
    if settings.predictor_type == "regressor":
        return _Regression()
    if settings.predictor_type == "binary_classifier":
        assert threshold is not None
        return _Binary(settings, threshold)
    return _Multiclass(settings)


class _Regression:
    """Mean squared and mean absolute error."""

    def __init__(self) -> None:
        self._sums = np.zeros(3)

    def add(self, scores: Array, labels: Array) -> None:
        """See `Tally`."""
        errors = scores[:, 0].astype(np.float64) - labels
        self._sums += (len(errors), np.dot(errors, errors), np.abs(errors).sum())

    def metrics(self, hosts: Hosts) -> Iterator[Metric]:
        """See `Tally`."""
        rows, squared, absolute = hosts.sum(self._sums)
        yield Metric("mse", squared / rows, "loss")
        yield Metric("absolute_loss", absolute / rows, "loss")


class _Binary:
    """Accuracy, F, precision, recall at the threshold; the area under the ROC curve."""

    def __init__(self, settings: Settings, threshold: float) -> None:
        self._beta, self._threshold = settings.f_beta, threshold
        #: Rows by label and prediction.
        self._table = np.zeros((2, 2), dtype=np.int64)
        self._scores: list[Array] = [np.zeros(0, dtype=np.float32)]
        self._labels: list[npt.NDArray[np.bool_]] = [np.zeros(0, dtype=np.bool_)]
        self._room = _MOST_SCORES

    def add(self, scores: Array, labels: Array) -> None:
        """See `Tally`."""
        positive, taken = labels > 0, scores[:, 0] >= self._threshold
        pairs = 2 * positive.astype(np.int64) + taken
        self._table += np.bincount(pairs, minlength=4).reshape(2, 2)
        if self._room > 0:
            self._scores.append(scores[: self._room, 0].copy())
            self._labels.append(positive[: self._room])
            self._room -= len(scores)

    def metrics(self, hosts: Hosts) -> Iterator[Metric]:
        """See `Tally`."""
        table = hosts.sum(self._table)
        true, taken, positives = int(table[1, 1]), int(table[:, 1].sum()), int(table[1].sum())
        yield Metric("binary_classification_accuracy", float(np.trace(table) / table.sum()))
        yield Metric(f"binary_f_{self._beta:.3f}", float(fbeta(true, taken, positives, self._beta)))
        yield Metric("precision", true / taken if taken else 0.0)
        yield Metric("recall", true / positives if positives else 0.0)
        scores = np.concatenate(hosts.gather(np.concatenate(self._scores)))
        labels = np.concatenate(hosts.gather(np.concatenate(self._labels).astype(np.int64)))
        area = area_under_curve(scores, labels > 0)
        if not math.isnan(area):
            yield Metric("roc_auc_score", area)


def area_under_curve(scores: Array, labels: npt.NDArray[np.bool_]) -> float:
    """The share of pairs of a positive and a negative row that are in the right order; ties half.

    By the rank sum (Mann and Whitney 1947); NaN if all rows are of one class.

    Args:
        scores: float32, (rows,).
        labels: bool, (rows,), whether each is positive.
    """
    positives = np.sort(scores[labels])
    negatives = np.sort(scores[~labels])
    if not len(positives) or not len(negatives):
        return float("nan")
    below = np.searchsorted(negatives, positives, side="left").sum(dtype=np.float64)
    up_to = np.searchsorted(negatives, positives, side="right").sum(dtype=np.float64)
    return float((below + up_to) / 2 / len(positives) / len(negatives))


class _Multiclass:
    """Accuracy, top-k accuracy, gain by rank, and the means over classes.

    The gain is Järvelin and Kekäläinen's, Cumulated Gain-Based Evaluation of IR Techniques (2002),
    for one relevant class: 1 / log₂(rank + 1).
    """

    def __init__(self, settings: Settings) -> None:
        self._top, self._beta = min(settings.accuracy_top_k, settings.outputs), settings.f_beta
        self._asked = settings.accuracy_top_k
        #: Rows of each class that are judged right, that are judged so, that are so.
        self._counts = np.zeros((3, settings.outputs), dtype=np.int64)
        #: Rows among the best k, gains, logarithms of probabilities.
        self._sums = np.zeros(3)

    def add(self, scores: Array, labels: Array) -> None:
        """See `Tally`."""
        classes = labels.astype(np.int64)
        outputs = scores.shape[1]
        predicted = scores.argmax(axis=1)
        for row, some in enumerate((classes[predicted == classes], predicted, classes)):
            self._counts[row] += np.bincount(some, minlength=outputs)
        own = np.take_along_axis(scores, classes[:, None], axis=1)
        before = np.arange(outputs)[None, :] < classes[:, None]
        ranks = ((scores > own) | ((scores == own) & before)).sum(axis=1)
        probabilities = np.maximum(own.astype(np.float64), np.finfo(np.float64).tiny)
        self._sums += (
            (ranks < self._top).sum(),
            (1 / np.log2(ranks + 2)).sum(),
            np.log(probabilities).sum(),
        )

    def metrics(self, hosts: Hosts) -> Iterator[Metric]:
        """See `Tally`."""
        right, taken, actual = hosts.sum(self._counts)
        top, gain, logarithm = hosts.sum(self._sums) / actual.sum()
        present = np.flatnonzero(actual + taken)
        right, taken, actual = right[present], taken[present], actual[present]
        there = actual > 0
        yield Metric("multiclass_accuracy", float(right.sum() / actual.sum()))
        yield Metric(f"multiclass_top_k_accuracy_{self._asked}", float(top))
        yield Metric("dcg", float(gain))
        yield Metric("macro_recall", float((right / np.maximum(actual, 1)).mean()))
        yield Metric("macro_precision", float((right / np.maximum(taken, 1)).mean()))
        yield Metric(
            f"macro_f_{self._beta:.3f}", float(fbeta(right, taken, actual, self._beta).mean())
        )
        balanced = (right[there] / actual[there]).mean()
        yield Metric("multiclass_balanced_accuracy", float(balanced))
        yield Metric("multiclass_log_loss", float(-logarithm), "loss")
