"""Every hyperparameter has an effect: on the model, or on what the log says of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sm_amazon_algos.hyperparameters import (
    AlgorithmHyperparameters,
    KMeansHyperparameters,
    LinearLearnerHyperparameters,
    PCAHyperparameters,
)
from sm_core.container.channels import Channel

BINARY, MULTICLASS, REGRESSOR = "binary_classifier", "multiclass_classifier", "regressor"
RANDOM = np.random.default_rng(0)
ROWS = (RANDOM.normal(size=(400, 6)) * [1, 5, 0.2, 1, 3, 1] + [2, 0, 1, 0, 0, -1]).astype("float32")
SCORES = ROWS @ [1, 0.2, -3, 0, 0, 0.5] + RANDOM.normal(size=400)
LABELS = {
    BINARY: np.quantile(SCORES, 0.8) < SCORES,
    MULTICLASS: np.digitize(SCORES, np.quantile(SCORES, [0.5, 0.9])),
    REGRESSOR: 10 * SCORES + 3,
}
#: Changed hyperparameters, and beside what.
LEARNER: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (REGRESSOR, {"loss": loss}, {})
    for loss in (
        "absolute_loss",
        "eps_insensitive_squared_loss",
        "eps_insensitive_absolute_loss",
        "quantile_loss",
        "huber_loss",
    )
] + [
    (BINARY, {"loss": "hinge_loss"}, {}),
    (BINARY, {"margin": 0.2}, {"loss": "hinge_loss"}),
    (REGRESSOR, {"quantile": 0.9}, {"loss": "quantile_loss"}),
    (REGRESSOR, {"loss_insensitivity": 5.0}, {"loss": "eps_insensitive_squared_loss"}),
    (REGRESSOR, {"huber_delta": 5.0}, {"loss": "huber_loss"}),
    (MULTICLASS, {"num_classes": 4}, {}),
    (BINARY, {"mini_batch_size": 20}, {}),
    (BINARY, {"epochs": 4}, {}),
    (BINARY, {"use_bias": False}, {}),
    (BINARY, {"num_models": 3}, {"epochs": 6}),
    (BINARY, {"optimizer": "sgd"}, {}),
    (BINARY, {"optimizer": "rmsprop"}, {}),
    (BINARY, {"optimizer": "adam"}, {"optimizer": "auto"}),
    (BINARY, {"learning_rate": 0.3}, {}),
    (BINARY, {"wd": 0.5}, {}),
    (BINARY, {"l1": 0.05}, {}),
    (BINARY, {"momentum": 0.1}, {"optimizer": "sgd"}),
    (BINARY, {"beta_1": 0.1}, {}),
    (BINARY, {"beta_2": 0.1}, {}),
    (BINARY, {"bias_lr_mult": 3.0}, {}),
    (BINARY, {"bias_wd_mult": 9.0}, {"wd": 0.5}),
    (BINARY, {"use_lr_scheduler": False}, {"lr_scheduler_step": 2, "lr_scheduler_factor": 0.5}),
    (BINARY, {"lr_scheduler_step": 2}, {"lr_scheduler_factor": 0.5}),
    (BINARY, {"lr_scheduler_factor": 0.1}, {"lr_scheduler_step": 2}),
    (
        BINARY,
        {"lr_scheduler_minimum_lr": 0.09},
        {"lr_scheduler_step": 2, "lr_scheduler_factor": 0.1},
    ),
    (BINARY, {"early_stopping_patience": 9}, {"epochs": 6, "early_stopping_tolerance": 0.9}),
    (
        BINARY,
        {"early_stopping_tolerance": 0.9},
        {
            "epochs": 6,
            "early_stopping_patience": 1,
            "binary_classifier_model_selection_criteria": "loss_function",
        },
    ),
    (BINARY, {"init_method": "normal"}, {}),
    (BINARY, {"init_scale": 0.7}, {}),
    (BINARY, {"init_sigma": 0.5}, {"init_method": "normal"}),
    (BINARY, {"init_bias": 2.0}, {}),
    (BINARY, {"normalize_data": False}, {}),
    (REGRESSOR, {"normalize_label": False}, {}),
    (BINARY, {"unbias_data": False}, {}),
    (REGRESSOR, {"unbias_label": False}, {}),
    (BINARY, {"num_point_for_scaler": 50}, {}),
    (BINARY, {"positive_example_weight_mult": 7.0}, {}),
    (BINARY, {"positive_example_weight_mult": "balanced"}, {}),
    (
        BINARY,
        {"positive_example_weight_mult": "auto"},
        {"num_models": 2, "binary_classifier_model_selection_criteria": "f_beta"},
    ),
    (MULTICLASS, {"balance_multiclass_weights": True}, {}),
    (BINARY, {"binary_classifier_model_selection_criteria": "f_beta"}, {}),
    (BINARY, {"binary_classifier_model_selection_criteria": "f1"}, {}),
    (BINARY, {"binary_classifier_model_selection_criteria": "precision_at_target_recall"}, {}),
    (BINARY, {"binary_classifier_model_selection_criteria": "recall_at_target_precision"}, {}),
    (BINARY, {"binary_classifier_model_selection_criteria": "loss_function"}, {}),
    (BINARY, {"binary_classifier_model_selection_criteria": "cross_entropy_loss"}, {}),
    (BINARY, {"num_calibration_samples": 9}, {}),
    (
        BINARY,
        {"target_recall": 0.3},
        {"binary_classifier_model_selection_criteria": "precision_at_target_recall"},
    ),
    (
        BINARY,
        {"target_precision": 0.4},
        {"binary_classifier_model_selection_criteria": "recall_at_target_precision"},
    ),
    (BINARY, {"f_beta": 9.0}, {"binary_classifier_model_selection_criteria": "f_beta"}),
    (MULTICLASS, {"accuracy_top_k": 2}, {}),
]
KMEANS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"k": 4}, {}),
    ({"mini_batch_size": 100}, {}),
    ({"epochs": 3}, {}),
    ({"init_method": "kmeans++"}, {}),
    ({"extra_center_factor": 3}, {}),
    ({"local_lloyd_max_iter": 1}, {}),
    ({"local_lloyd_tol": 0.9}, {}),
    ({"local_lloyd_init_method": "random"}, {}),
    ({"local_lloyd_num_trials": 1}, {}),
    ({"half_life_time_size": 20}, {"mini_batch_size": 50}),
    ({"eval_metrics": ["ssd"]}, {}),
]
PCA: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"num_components": 3}, {}),
    ({"mini_batch_size": 7}, {}),
    ({"algorithm_mode": "randomized"}, {"extra_components": 0}),
    ({"subtract_mean": False}, {}),
    ({"extra_components": 1}, {"algorithm_mode": "randomized"}),
]
#: What a model does not depend on: its data tells, or nothing is left to choose.
WITHOUT_EFFECT = {"feature_dim", "force_dense", "predictor_type"}


def outcome(found: Any) -> tuple[bytes, list[str]]:
    """The model, and what the log says of its worth and of how it came about."""
    said = re.findall(
        r"(#quality_metric.*|#early_stopping.*|Total Batches Seen\W+sum\W+[\d.]+)", found.log
    )
    return found.file.read_bytes(), said


@pytest.fixture
def learned(
    trained: Callable[..., Any], write_channel: Callable[..., Channel]
) -> Callable[..., tuple[bytes, list[str]]]:
    def learn(task: str, **hyperparameters: Any) -> tuple[bytes, list[str]]:
        channel = write_channel("train", ROWS, labels=LABELS[task].astype("float32"))
        common: dict[str, Any] = {"mini_batch_size": 50, "epochs": 2, "optimizer": "adam"}
        common["num_models"] = 1
        if task == MULTICLASS:
            common["num_classes"] = 3
        given = {"predictor_type": task, **common, **hyperparameters}
        return outcome(trained("linear-learner", channel, seed=None, **given))

    return learn


@pytest.mark.parametrize(
    ("task", "change", "beside"), LEARNER, ids=[str(change) for _, change, _ in LEARNER]
)
def test_linear_learner(
    learned: Callable[..., Any], task: str, change: dict[str, Any], beside: dict[str, Any]
) -> None:
    assert learned(task, **{**beside, **change}) != learned(task, **beside)


@pytest.mark.parametrize(
    ("name", "common", "change", "beside"),
    [
        *(("kmeans", {"k": 3}, *case) for case in KMEANS),
        *(("pca", {"num_components": 2, "mini_batch_size": 50}, *case) for case in PCA),
    ],
    ids=str,
)
def test_kmeans_and_pca(
    trained: Callable[..., Any],
    name: str,
    common: dict[str, Any],
    change: dict[str, Any],
    beside: dict[str, Any],
) -> None:
    found = [
        outcome(trained(name, ROWS, test=ROWS, **{**common, **beside, **more}))
        for more in (change, {})
    ]
    assert found[0] != found[1]


@pytest.mark.parametrize(
    ("declared", "changed"),
    [
        (LinearLearnerHyperparameters, [change for _, change, _ in LEARNER]),
        (KMeansHyperparameters, [change for change, _ in KMEANS]),
        (PCAHyperparameters, [change for change, _ in PCA]),
    ],
)
def test_none_is_left_out(
    declared: type[AlgorithmHyperparameters], changed: list[dict[str, Any]]
) -> None:
    known = {each.wire for each in declared.declared().values()}
    assert {name for change in changed for name in change} == known - WITHOUT_EFFECT
