"""Every hyperparameter of the algorithms: its name on the wire, what it takes, what it does not."""

from __future__ import annotations

from typing import Any

import pytest

from sm_amazon_algos import PCA, KMeans, LinearLearner
from sm_amazon_algos.hyperparameters import (
    KMeansHyperparameters,
    LinearLearnerHyperparameters,
    PCAHyperparameters,
)
from sm_core import Estimator
from sm_core.errors import ConfigurationError
from sm_core.hyperparameters import Hyperparameter

#: From AWS's documentation: name on the wire → values that are taken, values that are refused.
KMEANS: dict[str, tuple[list[Any], list[Any]]] = {
    "k": ([1, 10], [0, -1, 2.5, "many"]),
    "feature_dim": ([1], [0]),
    "mini_batch_size": ([1, 5000], [0]),
    "epochs": ([1], [0]),
    "init_method": (["random", "kmeans++"], ["kmeans"]),
    "extra_center_factor": ([1, "auto"], [0, "automatic"]),
    "local_lloyd_max_iter": ([1, 300], [0]),
    "local_lloyd_tol": ([0, 0.0001, 1], [-0.1, 1.1]),
    "local_lloyd_init_method": (["random", "kmeans++"], ["uniform"]),
    "local_lloyd_num_trials": ([1, "auto"], [0]),
    "half_life_time_size": ([0, 5], [-1]),
    "eval_metrics": ([["msd"], ["ssd", "msd"], '["msd"]'], [[], ["mse"]]),
    "force_dense": ([True, "false"], [1, "auto"]),
}
PCA_: dict[str, tuple[list[Any], list[Any]]] = {
    "feature_dim": ([1], [0]),
    "mini_batch_size": ([1], [0]),
    "num_components": ([1], [0]),
    "algorithm_mode": (["regular", "randomized", "stable"], ["exact"]),
    "subtract_mean": ([False, "True"], [0]),
    "extra_components": ([-1, 0, 5], [-2]),
    "force_dense": ([True], ["auto"]),
}
LINEAR_LEARNER: dict[str, tuple[list[Any], list[Any]]] = {
    "predictor_type": (
        ["binary_classifier", "multiclass_classifier", "regressor"],
        ["classifier"],
    ),
    "num_classes": ([3, 1_000_000], [2, 1_000_001]),
    "feature_dim": ([1, "auto"], [0]),
    "mini_batch_size": ([1], [0]),
    "epochs": ([1], [0]),
    "use_bias": ([True], ["auto"]),
    "num_models": ([1, "auto"], [0]),
    "num_calibration_samples": ([1, "auto"], [0]),
    "init_method": (["uniform", "normal"], ["random"]),
    "init_scale": ([0.07, 2], [0]),
    "init_sigma": ([0.01], [0]),
    "init_bias": ([0, -1.5], ["none"]),
    "optimizer": (["auto", "sgd", "adam", "rmsprop"], ["adagrad"]),
    "loss": (
        [
            *("auto", "squared_loss", "absolute_loss", "eps_insensitive_squared_loss"),
            *("eps_insensitive_absolute_loss", "quantile_loss", "huber_loss", "logistic"),
            *("hinge_loss", "softmax_loss"),
        ],
        ["mse"],
    ),
    "wd": ([0, 1e-4, "auto"], [-1]),
    "l1": ([0, "auto"], [-1]),
    "momentum": ([0, 0.9, "auto"], [1]),
    "learning_rate": ([0.1, "auto"], [0]),
    "beta_1": ([0, 0.9, "auto"], [1]),
    "beta_2": ([0, 0.999, "auto"], [1]),
    "bias_lr_mult": ([10, "auto"], [0]),
    "bias_wd_mult": ([0, "auto"], [-1]),
    "use_lr_scheduler": ([False], ["auto"]),
    "lr_scheduler_step": ([1, "auto"], [0]),
    "lr_scheduler_factor": ([0.5, "auto"], [0, 1]),
    "lr_scheduler_minimum_lr": ([1e-5, "auto"], [0]),
    "normalize_data": ([True, "auto"], ["no"]),
    "normalize_label": ([True, "auto"], ["no"]),
    "unbias_data": ([True, "auto"], ["no"]),
    "unbias_label": ([True, "auto"], ["no"]),
    "num_point_for_scaler": ([1], [0]),
    "positive_example_weight_mult": ([0.5, "balanced", "auto"], [0]),
    "balance_multiclass_weights": ([True], ["auto"]),
    "binary_classifier_model_selection_criteria": (
        ["accuracy", "f_beta", "precision_at_target_recall", "loss_function"],
        ["auc"],
    ),
    "target_recall": ([0.8], [0, 1]),
    "target_precision": ([0.8], [0, 1]),
    "f_beta": ([1.0], [0]),
    "accuracy_top_k": ([1], [0]),
    "margin": ([0, 1], [-1]),
    "quantile": ([0.5], [0, 1]),
    "loss_insensitivity": ([0.01], [0]),
    "huber_delta": ([0, 1], [-1]),
    "early_stopping_patience": ([1], [0]),
    "early_stopping_tolerance": ([0.001], [0]),
}
#: The names that AWS's SDK gives them, where they are others.
OTHER_NAMES = {
    "extra_center_factor": "center_factor",
    "local_lloyd_max_iter": "max_iterations",
    "local_lloyd_tol": "tol",
    "local_lloyd_init_method": "local_init_method",
    "local_lloyd_num_trials": "num_trials",
}
ALL = [
    (KMeansHyperparameters, KMEANS),
    (PCAHyperparameters, PCA_),
    (LinearLearnerHyperparameters, LINEAR_LEARNER),
]
EACH = [
    pytest.param(declaring.declared()[OTHER_NAMES.get(wire, wire)], wire, *values, id=wire)
    for declaring, table in ALL
    for wire, values in table.items()
]


@pytest.mark.parametrize(("declaring", "table"), ALL)
def test_there_are_these_and_no_others(declaring: Any, table: dict[str, Any]) -> None:
    assert {each.wire for each in declaring.declared().values()} == set(table)


@pytest.mark.parametrize(("declared", "wire", "good", "bad"), EACH)
def test_each_takes_what_aws_takes(
    declared: Hyperparameter[Any], wire: str, good: list[Any], bad: list[Any]
) -> None:
    assert declared.wire == wire
    assert declared.help
    for value in good:
        declared.checked(value)
    for value in bad:
        with pytest.raises(ValueError, match="it must be"):
            declared.checked(value)
    if declared.default is not None:
        declared.checked(declared.default)


def made(cls: type[Any], **options: Any) -> Any:
    return cls(train_instance_type="ml.c5.xlarge", **options)


def test_by_every_way_in() -> None:
    ways = [
        made(KMeans, k=10, init_method="random"),
        made(Estimator, framework="kmeans", k=10, init_method="random"),
        made(Estimator, framework="kmeans", hyperparameters={"k": "10", "init_method": "random"}),
        KMeans("role", 1, "ml.c5.xlarge", 10, init_method="random"),
    ]
    for kmeans in ways:
        assert isinstance(kmeans, KMeans)
        assert kmeans.hyperparameters() == {"k": 10, "init_method": "random"}
    kmeans = made(KMeans, k=3)
    kmeans.init_method = "kmeans++"
    kmeans.max_iterations = 5
    kmeans.eval_metrics = ["msd", "ssd"]
    assert kmeans.hyperparameters() == {
        "k": 3,
        "init_method": "kmeans++",
        "local_lloyd_max_iter": 5,
        "eval_metrics": ["msd", "ssd"],
    }


def test_what_is_required() -> None:
    with pytest.raises(TypeError, match="KMeans needs k"):
        made(KMeans)
    with pytest.raises(TypeError, match="PCA needs num_components"):
        made(PCA)
    made(LinearLearner)
    with pytest.raises(ConfigurationError, match=r"tol is 2; it must be .*; k is missing"):
        made(KMeans, tol=2)


def test_all_mistakes_of_the_arguments_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        made(KMeans, k=0, epochs=1.5, init_method="x", extra_center_factor=0)
    assert str(caught.value) == (
        "KMeans: k is 0; it must be a whole number of at least 1; "
        "epochs is 1.5; it must be a whole number of at least 1; "
        "init_method is 'x'; it must be 'random' or 'kmeans++'; "
        "center_factor is 0; it must be a whole number of at least 1, or 'auto'"
    )


def test_a_misspelt_attribute_is_an_error() -> None:
    kmeans = made(KMeans, k=3)
    with pytest.raises(AttributeError, match="no attribute 'init_methd'; did you mean 'init_meth"):
        kmeans.init_methd = "random"
    kmeans.train_instance_count = 3
    kmeans.base_job_name = "x"
