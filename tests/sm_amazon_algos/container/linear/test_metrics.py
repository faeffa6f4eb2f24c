"""Metrics, piece by piece and over hosts, against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from sm_amazon_algos.container.hosts import Hosts
from sm_amazon_algos.container.linear.metrics import Tally, area_under_curve, tally_for
from sm_amazon_algos.container.linear.settings import Settings

RANDOM = np.random.default_rng(0)


def told(tally: Tally) -> dict[str, float]:
    return {metric.name: metric.value for metric in tally.metrics(Hosts())}


def test_regression() -> None:
    labels = RANDOM.normal(size=300).astype(np.float32)
    scores = (labels + RANDOM.normal(size=300)).astype(np.float32)[:, None]
    tally = tally_for(Settings("regressor"), None)
    tally.add(scores[:100], labels[:100])
    tally.add(scores[100:], labels[100:])
    assert told(tally) == pytest.approx(
        {
            "mse": metrics.mean_squared_error(labels, scores[:, 0]),
            "absolute_loss": metrics.mean_absolute_error(labels, scores[:, 0]),
        }
    )


def test_binary() -> None:
    labels = (RANDOM.random(400) < 0.3).astype(np.float32)
    scores = np.round(RANDOM.random((400, 1)) + labels[:, None] / 3, 1).astype(np.float32)
    tally = tally_for(Settings("binary_classifier", f_beta=2.0), 0.6)
    tally.add(scores[:1], labels[:1])
    tally.add(scores[1:], labels[1:])
    taken = scores[:, 0] >= 0.6
    assert told(tally) == pytest.approx(
        {
            "binary_classification_accuracy": metrics.accuracy_score(labels, taken),
            "binary_f_2.000": metrics.fbeta_score(labels, taken, beta=2),
            "precision": metrics.precision_score(labels, taken),
            "recall": metrics.recall_score(labels, taken),
            "roc_auc_score": metrics.roc_auc_score(labels, scores[:, 0]),
        }
    )


def test_multiclass() -> None:
    labels = RANDOM.integers(0, 5, 600)
    scores = RANDOM.random((600, 5)).astype(np.float32)
    scores[np.arange(600), labels] += 0.4
    scores /= scores.sum(axis=1, keepdims=True)
    settings = Settings("multiclass_classifier", num_classes=5, accuracy_top_k=2)
    tally = tally_for(settings, None)
    tally.add(scores[:250], labels[:250].astype(np.float32))
    tally.add(scores[250:], labels[250:].astype(np.float32))
    predicted = scores.argmax(axis=1)
    wide = scores.astype(np.float64)
    wide /= wide.sum(axis=1, keepdims=True)
    assert told(tally) == pytest.approx(
        {
            "multiclass_accuracy": metrics.accuracy_score(labels, predicted),
            "multiclass_top_k_accuracy_2": metrics.top_k_accuracy_score(labels, scores, k=2),
            "dcg": metrics.dcg_score(np.eye(5)[labels], scores),
            "macro_recall": metrics.recall_score(labels, predicted, average="macro"),
            "macro_precision": metrics.precision_score(labels, predicted, average="macro"),
            "macro_f_1.000": metrics.f1_score(labels, predicted, average="macro"),
            "multiclass_balanced_accuracy": metrics.balanced_accuracy_score(labels, predicted),
            "multiclass_log_loss": metrics.log_loss(labels, wide),
        },
        abs=1e-6,
    )


def test_there_is_no_area_of_one_class() -> None:
    assert np.isnan(area_under_curve(np.zeros(3, dtype=np.float32), np.ones(3, dtype=bool)))
