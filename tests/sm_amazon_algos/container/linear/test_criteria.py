"""Thresholds: no other one is better by the criterion, by trying all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from sm_amazon_algos.container.linear.criteria import best_thresholds
from sm_amazon_algos.container.linear.settings import Settings

rows = st.lists(
    st.tuples(st.sampled_from([-3.0, -0.1, 0.0, 0.1, 0.25, 0.5, 0.6, 0.75, 1.0]), st.booleans()),
    min_size=2,
    max_size=12,
)
CRITERIA = ("accuracy", "f_beta", "precision_at_target_recall", "recall_at_target_precision")


def settings(criterion: str, **more: Any) -> Settings:
    return Settings(
        "binary_classifier", binary_classifier_model_selection_criteria=criterion, **more
    )


def worth(criterion: str, labels: npt.NDArray[np.bool_], taken: npt.NDArray[np.bool_]) -> float:
    """By scikit-learn; what misses the target of 0.8 is below 0."""
    precision = metrics.precision_score(labels, taken, zero_division=0.0)
    recall = metrics.recall_score(labels, taken, zero_division=0.0)
    if criterion == "accuracy":
        return float(metrics.accuracy_score(labels, taken))
    if criterion == "f_beta":
        return float(metrics.fbeta_score(labels, taken, beta=2, zero_division=0.0))
    if criterion == "precision_at_target_recall":
        return float(precision if recall >= 0.8 else recall - 1.8)
    return float(recall if precision >= 0.8 else precision - 1.8)


@pytest.mark.parametrize("criterion", CRITERIA)
@given(drawn=rows)
def test_no_threshold_is_better(criterion: str, drawn: list[tuple[float, bool]]) -> None:
    scores = np.array([[score] for score, _ in drawn], dtype=np.float32)
    labels = np.array([label for _, label in drawn])
    found = best_thresholds(scores, labels, settings(criterion, f_beta=2), default=0.5)
    tried = [-4.0, *np.unique(scores), 2.0]
    best = max(worth(criterion, labels, scores[:, 0] >= each) for each in tried)
    own = worth(criterion, labels, scores[:, 0] >= found.threshold[0])
    assert found.value[0] == pytest.approx(best)
    assert own == pytest.approx(best)


def test_of_equally_good_ones_it_is_the_nearest_to_the_default() -> None:
    labels = np.array([False, False, True, True])
    scores = np.array([[0.1, 0.6], [0.2, 0.7], [0.7, 0.8], [0.9, 0.9]], dtype=np.float32)
    found = best_thresholds(scores, labels, settings("accuracy"), default=0.5)
    assert found.threshold == pytest.approx([0.5, 0.75])


def test_infinite_scores_are_the_last_ones_of_all() -> None:
    labels = np.array([True, False, False, True])
    scores = np.array([[np.inf], [-np.inf], [-3e38], [3e38]], dtype=np.float32)
    found = best_thresholds(scores, labels, settings("accuracy"), default=0.0)
    assert found.value.tolist() == [1]
    assert found.threshold.tolist() == [0]


def test_by_the_loss_the_threshold_is_the_default() -> None:
    scores = np.array([[0.9], [0.8]], dtype=np.float32)
    found = best_thresholds(
        scores, np.array([True, False]), settings("cross_entropy_loss"), default=0.5
    )
    assert found.threshold.tolist() == [0.5]


def test_each_model_has_its_own() -> None:
    random = np.random.default_rng(0)
    scores = random.random((500, 7), dtype=np.float32)
    labels = random.random(500) < scores[:, 0]
    together = best_thresholds(scores, labels, settings("f_beta"), default=0.5)
    for model in range(7):
        alone = best_thresholds(scores[:, [model]], labels, settings("f_beta"), default=0.5)
        assert alone.threshold[0] == together.threshold[model]
        assert alone.value[0] == together.value[model]
