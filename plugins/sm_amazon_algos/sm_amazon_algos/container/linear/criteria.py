"""The threshold that a binary classifier says "1" from, and what it is chosen by.

AWS's criteria: https://docs.aws.amazon.com/sagemaker/latest/dg/ll_how-it-works.html.
Everything here is on the host, for many models at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs
import numpy as np
import numpy.typing as npt

from sm_amazon_algos.container.linear.settings import Settings

__all__ = ["Cuts", "Thresholds", "best_thresholds", "fbeta"]

Floats = npt.NDArray[np.float64]
Scores = npt.NDArray[np.float32]


#: More than any number of 32 bits, and the next one's is too.
_FINITE = 1e300


@attrs.frozen(eq=False)
class Cuts:
    """How many rows are judged right and wrong if the highest so many are taken for positive.

    Attributes:
        true: positive rows among those taken; int32, (models, rows + 1).
        taken: how many rows are taken; int32, (rows + 1,).
        positives: positive rows altogether.
        rows: altogether.
    """

    true: npt.NDArray[np.int32]
    taken: npt.NDArray[np.int32]
    positives: int
    rows: int

    @property
    def accuracy(self) -> Floats:
        """The share of rows that are judged right: float64, (rows + 1, models), as the others."""
        wrong = self.taken + self.positives - 2 * self.true
        found: Floats = 1 - wrong / self.rows
        return found

    @property
    def precision(self) -> Floats:
        """The share of positive rows among those taken; 0 where none is."""
        found: Floats = self.true / np.maximum(self.taken, 1)
        return found

    @property
    def recall(self) -> Floats:
        """The share of positive rows that are taken; 0 where there are none."""
        found: Floats = self.true / max(self.positives, 1)
        return found

    def fbeta(self, beta: float) -> Floats:
        """See `fbeta`."""
        return fbeta(self.true, self.taken, self.positives, beta)


def fbeta(
    true: npt.ArrayLike, taken: npt.ArrayLike, positives: npt.ArrayLike, beta: float
) -> Floats:
    """The F measure (van Rijsbergen 1979): (1 + β²)·true / (taken + β²·positives); 0 for 0 of 0."""
    weight = beta * beta
    below = np.asarray(taken) + weight * np.asarray(positives)
    found: Floats = (1 + weight) * np.asarray(true) / np.where(below > 0, below, 1)
    return found


@attrs.frozen(eq=False)
class Thresholds:
    """The best threshold of each model.

    Attributes:
        threshold: float64, (models,); a score of at least that is a 1.
        value: float64, (models,), of the criterion; more is better. Below 0 where a target was
            missed, the less the further.
    """

    threshold: Floats
    value: Floats


def _at_target(wanted: Floats, met: Floats, target: float) -> Floats:
    """`wanted` where `met` reaches the target, and less than anything else by how it fails to."""
    # Shares that equal the target but for rounding reach it.
    return np.where(met >= target - 1e-12, wanted, met - 1 - target)


_CRITERIA: Mapping[str, Callable[[Cuts, Settings], Floats]] = {
    "accuracy": lambda cuts, settings: cuts.accuracy,
    "f_beta": lambda cuts, settings: cuts.fbeta(settings.f_beta),
    "precision_at_target_recall": lambda cuts, settings: _at_target(
        cuts.precision, cuts.recall, settings.target_recall
    ),
    "recall_at_target_precision": lambda cuts, settings: _at_target(
        cuts.recall, cuts.precision, settings.target_precision
    ),
}


def best_thresholds(
    scores: Scores, labels: npt.NDArray[np.bool_], settings: Settings, *, default: float
) -> Thresholds:
    """Each model's best threshold by the chosen criterion.

    Of equally good ones it is the nearest to `default`; it lies half way between two scores where
    that does not.

    Args:
        scores: float32, (rows, models), as they will be served; at least one row.
        labels: bool, (rows,), whether each is positive.
        settings: the criterion, and its targets. Of ``loss_function`` the threshold is `default`.
        default: threshold that the loss means: a probability of 0.5, a margin of 0.
    """
    rows, models = scores.shape
    if settings.criterion == "loss_function":
        return Thresholds(np.full(models, default), np.zeros(models))
    ranked, positive = _ranked(scores, labels)
    true = np.zeros((models, rows + 1), dtype=np.int32)
    np.cumsum(positive, axis=1, out=true[:, 1:])
    cuts = Cuts(true, np.arange(rows + 1, dtype=np.int32), int(labels.sum()), rows)
    values = _CRITERIA[settings.criterion](cuts, settings)
    # Rows of one score are taken together.
    values[:, 1:-1][ranked[:, :-1] == ranked[:, 1:]] = -np.inf
    return _nearest(ranked, values, default)


def _ranked(scores: Scores, labels: npt.NDArray[np.bool_]) -> tuple[Scores, npt.NDArray[np.bool_]]:
    """The scores of each model from the highest to the lowest, (models, rows), and their labels.

    A sort is several times as fast as finding an order to put scores and labels into. So each label
    is the last bit of its score, of which 64 bits have more than the 32 of a score need.
    """
    # The rows of one model side by side are sorted, and gone through, much faster.
    keys = -np.ascontiguousarray(scores.T).astype(np.float64)
    # An infinite number with another bit would be none.
    np.clip(keys, -_FINITE, _FINITE, out=keys)
    keys.view(np.uint64)[...] |= labels
    keys.sort(axis=1)
    with np.errstate(over="ignore"):
        ranked = -keys.astype(np.float32)
    return ranked, (keys.view(np.uint64) & 1).astype(np.bool_)


def _nearest(ranked: Scores, values: Floats, default: float) -> Thresholds:
    """Of the cuts with the highest value, those that a threshold nearest to `default` makes."""
    best = values.max(axis=1)
    model, cut = np.nonzero(values == best[:, None])
    lower, upper = _bounds(ranked, model, cut)
    inside = (lower < default) & (default <= upper)
    thresholds = np.where(inside, default, (lower + upper) / 2)
    order = np.lexsort((cut, np.abs(thresholds - default), model))
    first = np.searchsorted(model, np.arange(len(best)))
    return Thresholds(thresholds[order[first]], best)


def _bounds(
    ranked: Scores, model: npt.NDArray[np.intp], cut: npt.NDArray[np.intp]
) -> tuple[Floats, Floats]:
    """Between which scores a cut's threshold lies: above the first, up to the second."""
    ends = ranked[:, [0, -1]].astype(np.float64)
    margin = 2 * (1e-3 + 1e-3 * np.abs(ends))
    last = ranked.shape[1]
    below = ranked[model, np.minimum(cut, last - 1)].astype(np.float64)
    above = ranked[model, np.maximum(cut - 1, 0)].astype(np.float64)
    lower = np.where(cut == last, ends[model, 1] - margin[model, 1], below)
    upper = np.where(cut == 0, ends[model, 0] + margin[model, 0], above)
    return lower, upper
