"""The best of the models, and a binary classifier's threshold."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from sm_amazon_algos.container.linear.criteria import Thresholds, best_thresholds
from sm_amazon_algos.container.linear.judging import Judge
from sm_amazon_algos.container.linear.model import served
from sm_amazon_algos.container.linear.settings import Settings

__all__ = [
    "AUTO_CALIBRATION",
    "CRITERION_ROWS",
    "Choice",
    "calibrated",
    "chosen",
    "default_threshold",
]

#: Rows that ``num_calibration_samples=auto`` calibrates with, of each host.
AUTO_CALIBRATION = 32_768
#: Rows of each host that tell after each epoch whether training goes on.
CRITERION_ROWS = 8192

Floats = npt.NDArray[np.float64]


@attrs.frozen
class Choice:
    """The model that won.

    Attributes:
        index: its number.
        threshold: of a binary classifier; None of others.
    """

    index: int
    threshold: float | None


def default_threshold(settings: Settings) -> float:
    """What the loss means by even odds: a probability of a half, or a margin of nothing."""
    return 0.0 if settings.loss_name == "hinge_loss" else 0.5


def calibrated(judge: Judge, weights: Any, settings: Settings, *, rows: int) -> Thresholds:
    """Each binary classifier's best threshold, by the rows of `judge`.

    Args:
        judge: has the rows.
        weights: of the models.
        settings: the criterion.
        rows: at most so many of each host.
    """
    sample = judge.sample(weights, rows)
    scores = served(sample.linear, settings.predictor_type, settings.loss_name)
    return best_thresholds(scores, sample.signs > 0, settings, default=default_threshold(settings))


def chosen(judge: Judge, weights: Any, objectives: Floats, settings: Settings) -> Choice:
    """The best model: by the criterion in binary classification, else by its mean loss.

    Of binary classifiers that are equally good by the criterion, the one of the lowest loss.

    Args:
        judge: what models are judged by.
        weights: of the models.
        objectives: (models,), their mean losses.
        settings: the criterion.
    """
    losses = np.where(np.isfinite(objectives), objectives, np.inf)
    if settings.predictor_type != "binary_classifier":
        return Choice(int(losses.argmin()), None)
    given = settings.num_calibration_samples
    found = calibrated(
        judge, weights, settings, rows=AUTO_CALIBRATION if given == "auto" else given
    )
    values = np.where(np.isfinite(losses), found.value, -np.inf)
    best = np.flatnonzero(values == values.max())
    index = int(best[losses[best].argmin()])
    return Choice(index, float(found.threshold[index]))
