"""What LinearLearner was told: its hyperparameters as values, with AWS's defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import attrs

__all__ = ["Auto", "Settings", "Task"]

Auto = Literal["auto"]
Task = Literal["regressor", "binary_classifier", "multiclass_classifier"]
_LOSS_OF_TASK = {
    "regressor": "squared_loss",
    "binary_classifier": "logistic",
    "multiclass_classifier": "softmax_loss",
}
#: Earlier names of criteria.
_CRITERIA = {"f1": "f_beta", "cross_entropy_loss": "loss_function"}


@attrs.frozen
class Settings:
    """The hyperparameters; `LinearLearnerHyperparameters` tells what each means."""

    predictor_type: Task
    num_classes: int = 1
    feature_dim: int | Auto = "auto"
    loss: str = "auto"
    margin: float = 1.0
    quantile: float = 0.5
    loss_insensitivity: float = 0.01
    huber_delta: float = 1.0

    mini_batch_size: int = 1000
    epochs: int = 15
    use_bias: bool = True
    num_models: int | Auto = "auto"
    optimizer: str = "auto"
    learning_rate: float | Auto = "auto"
    wd: float | Auto = "auto"
    l1: float | Auto = "auto"
    momentum: float | Auto = "auto"
    beta_1: float | Auto = "auto"
    beta_2: float | Auto = "auto"
    bias_lr_mult: float | Auto = "auto"
    bias_wd_mult: float | Auto = "auto"
    use_lr_scheduler: bool = True
    lr_scheduler_step: int | Auto = "auto"
    lr_scheduler_factor: float | Auto = "auto"
    lr_scheduler_minimum_lr: float | Auto = "auto"
    early_stopping_patience: int = 3
    early_stopping_tolerance: float = 0.001

    init_method: str = "uniform"
    init_scale: float = 0.07
    init_sigma: float = 0.01
    init_bias: float = 0.0

    normalize_data: bool | Auto = True
    normalize_label: bool | Auto = "auto"
    unbias_data: bool | Auto = "auto"
    unbias_label: bool | Auto = "auto"
    num_point_for_scaler: int = 10_000
    positive_example_weight_mult: float | str = 1.0
    balance_multiclass_weights: bool = False

    binary_classifier_model_selection_criteria: str = "accuracy"
    num_calibration_samples: int | Auto = "auto"
    target_recall: float = 0.8
    target_precision: float = 0.8
    f_beta: float = 1.0
    accuracy_top_k: int = 3

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Settings:
        """Settings of checked hyperparameters; those that are not there have AWS's defaults."""
        names = {field.name for field in attrs.fields(cls)}
        given = {name: values[name] for name in names & set(values) if values[name] is not None}
        return cls(**given)

    @property
    def outputs(self) -> int:
        """Scores of a row: one, or one for each class."""
        return self.num_classes if self.predictor_type == "multiclass_classifier" else 1

    @property
    def loss_name(self) -> str:
        """The loss, with ``auto`` resolved."""
        return _LOSS_OF_TASK[self.predictor_type] if self.loss == "auto" else self.loss

    @property
    def criterion(self) -> str:
        """The criterion of a binary classifier, under its present name."""
        name = self.binary_classifier_model_selection_criteria
        return _CRITERIA.get(name, name)

    @property
    def regression(self) -> bool:
        """Whether labels are numbers to predict."""
        return self.predictor_type == "regressor"

    @property
    def unbiases_data(self) -> bool:
        """Whether columns get a mean of 0; ``auto``: where there is a bias to make up for it."""
        return _resolved(self.unbias_data, self.use_bias)

    @property
    def unbiases_label(self) -> bool:
        """Whether labels get a mean of 0; ``auto``: in regression with a bias."""
        return self.regression and _resolved(self.unbias_label, self.use_bias)

    @property
    def normalizes_data(self) -> bool:
        """Whether columns get a deviation of 1; ``auto``: they do."""
        return _resolved(self.normalize_data, True)

    @property
    def normalizes_label(self) -> bool:
        """Whether labels get a deviation of 1; ``auto``: in regression."""
        return self.regression and _resolved(self.normalize_label, True)


def _resolved(value: bool | Auto, default: bool) -> bool:
    return default if value == "auto" else value
