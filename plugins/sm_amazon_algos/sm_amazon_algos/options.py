"""The options of the estimators, for type checkers; a test compares them with the declarations."""

from __future__ import annotations

from collections.abc import Sequence

from sm_core.declarations import AlgorithmOptions

__all__ = ["KMeansOptions", "LinearLearnerOptions", "PCAOptions"]


class AmazonAlgorithmOptions(AlgorithmOptions, total=False):
    """Of all of them."""

    data_location: str | None


class KMeansOptions(AmazonAlgorithmOptions, total=False):
    """Keyword arguments of `KMeans`; meanings stand beside `KMeansHyperparameters`."""

    k: int
    feature_dim: int | None
    mini_batch_size: int | None
    epochs: int | None
    init_method: str | None
    center_factor: int | str | None
    extra_center_factor: int | str | None
    max_iterations: int | None
    local_lloyd_max_iter: int | None
    tol: float | None
    local_lloyd_tol: float | None
    local_init_method: str | None
    local_lloyd_init_method: str | None
    num_trials: int | str | None
    local_lloyd_num_trials: int | str | None
    half_life_time_size: int | None
    eval_metrics: Sequence[str] | None
    force_dense: bool | None


class PCAOptions(AmazonAlgorithmOptions, total=False):
    """Keyword arguments of `PCA`; meanings stand beside `PCAHyperparameters`."""

    num_components: int
    feature_dim: int | None
    mini_batch_size: int | None
    algorithm_mode: str | None
    subtract_mean: bool | None
    extra_components: int | None
    force_dense: bool | None


class LinearLearnerOptions(AmazonAlgorithmOptions, total=False):
    """Keyword arguments of `LinearLearner`; see `LinearLearnerHyperparameters` for meanings."""

    predictor_type: str | None
    num_classes: int | None
    feature_dim: int | str | None
    loss: str | None
    margin: float | None
    quantile: float | None
    loss_insensitivity: float | None
    huber_delta: float | None
    mini_batch_size: int | None
    epochs: int | None
    use_bias: bool | None
    num_models: int | str | None
    optimizer: str | None
    learning_rate: float | str | None
    wd: float | str | None
    l1: float | str | None
    momentum: float | str | None
    beta_1: float | str | None
    beta_2: float | str | None
    bias_lr_mult: float | str | None
    bias_wd_mult: float | str | None
    use_lr_scheduler: bool | None
    lr_scheduler_step: int | str | None
    lr_scheduler_factor: float | str | None
    lr_scheduler_minimum_lr: float | str | None
    early_stopping_patience: int | None
    early_stopping_tolerance: float | None
    init_method: str | None
    init_scale: float | None
    init_sigma: float | None
    init_bias: float | None
    normalize_data: bool | str | None
    normalize_label: bool | str | None
    unbias_data: bool | str | None
    unbias_label: bool | str | None
    num_point_for_scaler: int | None
    positive_example_weight_mult: float | str | None
    balance_multiclass_weights: bool | None
    binary_classifier_model_selection_criteria: str | None
    num_calibration_samples: int | str | None
    target_recall: float | None
    target_precision: float | None
    f_beta: float | None
    accuracy_top_k: int | None
