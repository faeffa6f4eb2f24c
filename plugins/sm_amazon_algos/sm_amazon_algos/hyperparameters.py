"""The hyperparameters of the algorithms: name on the wire, values, default and meaning of each.

From AWS's developer guide and the default configurations that the containers log. What is not set
is not sent, so that the container's own default holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from sm_core.hyperparameters import Hyperparameters
from sm_core.kinds import choice, flag, integer, number, several

__all__ = [
    "ALWAYS_SENT",
    "AlgorithmHyperparameters",
    "KMeansHyperparameters",
    "LinearLearnerHyperparameters",
    "PCAHyperparameters",
]

AUTO = ("auto",)

#: What each container is told where the user sets nothing else, as AWS's own SDK does.
ALWAYS_SENT: Mapping[str, Mapping[str, Any]] = {
    "kmeans": {"force_dense": True},
    "pca": {},
    "linear-learner": {"predictor_type": "binary_classifier"},
}


class AlgorithmHyperparameters(Hyperparameters):
    """What all algorithms have in common."""

    #: What a job cannot do without, and a `RecordSet` tells.
    needed: ClassVar[tuple[str, ...]] = ("feature_dim",)

    @classmethod
    def contradictions(cls, values: Mapping[str, Any]) -> Iterator[str]:
        """What the data should have told, and did not."""
        for name in cls.needed:
            if name not in values:
                yield f"{name} is missing; set it, or fit with what record_set(array) returns"


class KMeansHyperparameters(AlgorithmHyperparameters):
    """Of KMeans: finds `k` clusters, by distance."""

    k = integer("clusters in the model", least=1, required=True)
    feature_dim = integer("width of the data", least=1)
    mini_batch_size = integer("rows per step of each host", least=1, default=5000)
    epochs = integer("passes over the training data", least=1, default=1)
    init_method = choice(
        "how the first centres are chosen", ("random", "kmeans++"), default="random"
    )
    center_factor = integer(
        "how many times k centres are kept while the data streams by",
        words=AUTO,
        least=1,
        wire="extra_center_factor",
        default="auto",
    )
    max_iterations = integer(
        "iterations at most when those are reduced to k",
        least=1,
        wire="local_lloyd_max_iter",
        default=300,
    )
    tol = number(
        "change of the loss below which that stops early",
        least=0,
        most=1,
        wire="local_lloyd_tol",
        default=0.0001,
    )
    local_init_method = choice(
        "how that chooses its first centres",
        ("random", "kmeans++"),
        wire="local_lloyd_init_method",
        default="kmeans++",
    )
    num_trials = integer(
        "how often that is tried; the best counts",
        words=AUTO,
        least=1,
        wire="local_lloyd_num_trials",
        default="auto",
    )
    half_life_time_size = integer(
        "further rows after which a row counts half; 0 for never", least=0, default=0
    )
    eval_metrics = several(
        "what is reported of the test channel: mean or sum of squared distances",
        ("msd", "ssd"),
        default=("msd",),
    )
    force_dense = flag("make sparse records dense inside", default=True)


class PCAHyperparameters(AlgorithmHyperparameters):
    """Of PCA: projects onto the `num_components` directions of the largest variance."""

    num_components = integer("components to keep", least=1, required=True)
    feature_dim = integer("width of the data", least=1)
    mini_batch_size = integer("rows per step of each host", least=1)
    algorithm_mode = choice(
        "exact, or approximate for many columns",
        ("regular", "randomized", "stable"),
        default="regular",
    )
    subtract_mean = flag("centre the data, in training and in inference", default=True)
    extra_components = integer(
        "components beyond those kept, of the randomized mode; -1 for the larger of 10 and "
        "num_components",
        least=-1,
        default=-1,
    )
    force_dense = flag("make sparse records dense inside", default=True)

    needed = ("feature_dim", "mini_batch_size")

    @classmethod
    def contradictions(cls, values: Mapping[str, Any]) -> Iterator[str]:
        """More components than the data has columns."""
        yield from super().contradictions(values)
        kept, width = values.get("num_components", 0), values.get("feature_dim")
        if width is not None and kept > width:
            yield f"num_components is {kept}, but the data has only {width} columns"


REGRESSION_LOSSES = (
    "squared_loss",
    "absolute_loss",
    "eps_insensitive_squared_loss",
    "eps_insensitive_absolute_loss",
    "quantile_loss",
    "huber_loss",
)
#: The losses that fit each task; ``auto`` fits all.
LOSSES: Mapping[str, tuple[str, ...]] = {
    "regressor": REGRESSION_LOSSES,
    "binary_classifier": ("logistic", "hinge_loss"),
    "multiclass_classifier": ("softmax_loss",),
}
CRITERIA = (
    "accuracy",
    "f_beta",
    "f1",
    "precision_at_target_recall",
    "recall_at_target_precision",
    "loss_function",
    "cross_entropy_loss",
)


class LinearLearnerHyperparameters(AlgorithmHyperparameters):
    """Of LinearLearner: linear regression and classification, by the best of many models."""

    # The task.
    predictor_type = choice("the task", tuple(LOSSES), default="binary_classifier")
    num_classes = integer("classes, of a multiclass_classifier", least=3, most=1_000_000)
    feature_dim = integer("width of the data", words=AUTO, least=1, default="auto")
    loss = choice("loss; it must fit the task", (*AUTO, *sum(LOSSES.values(), ())), default="auto")
    margin = number("margin of hinge_loss", least=0, default=1.0)
    quantile = number("quantile of quantile_loss", above=0, below=1, default=0.5)
    loss_insensitivity = number("of the eps_insensitive losses", above=0, default=0.01)
    huber_delta = number("delta of huber_loss", least=0, default=1.0)

    # Training.
    mini_batch_size = integer("rows per step of each host", least=1, default=1000)
    epochs = integer("passes over the training data at most", least=1, default=15)
    use_bias = flag("have an intercept", default=True)
    num_models = integer("models trained at once", words=AUTO, least=1, default="auto")
    optimizer = choice("optimizer", (*AUTO, "sgd", "adam", "rmsprop"), default="auto")
    learning_rate = number("learning rate", words=AUTO, above=0, default="auto")
    wd = number("strength of the L2 regularisation", words=AUTO, least=0, default="auto")
    l1 = number("strength of the L1 regularisation", words=AUTO, least=0, default="auto")
    momentum = number("momentum of sgd", words=AUTO, least=0, below=1, default="auto")
    beta_1 = number(
        "decay of the first moment, of adam", words=AUTO, least=0, below=1, default="auto"
    )
    beta_2 = number(
        "decay of the second moment, of adam", words=AUTO, least=0, below=1, default="auto"
    )
    bias_lr_mult = number(
        "learning rate of the bias, relative", words=AUTO, above=0, default="auto"
    )
    bias_wd_mult = number(
        "L2 regularisation of the bias, relative", words=AUTO, least=0, default="auto"
    )
    use_lr_scheduler = flag("let the learning rate decay", default=True)
    lr_scheduler_step = integer("steps between decays", words=AUTO, least=1, default="auto")
    lr_scheduler_factor = number(
        "what a decay multiplies by", words=AUTO, above=0, below=1, default="auto"
    )
    lr_scheduler_minimum_lr = number(
        "learning rate that is never gone below", words=AUTO, above=0, default="auto"
    )
    early_stopping_patience = integer(
        "epochs without improvement after which training stops", least=1, default=3
    )
    early_stopping_tolerance = number(
        "relative improvement that counts as one", above=0, default=0.001
    )

    # Beginning.
    init_method = choice("how weights begin", ("uniform", "normal"), default="uniform")
    init_scale = number("uniform between minus and plus this", above=0, default=0.07)
    init_sigma = number("standard deviation of normal", above=0, default=0.01)
    init_bias = number("bias at the beginning", default=0)

    # The data.
    normalize_data = flag("scale columns to a standard deviation of 1", words=AUTO, default=True)
    normalize_label = flag("scale labels, in regression", words=AUTO, default="auto")
    unbias_data = flag("shift columns to a mean of 0", words=AUTO, default="auto")
    unbias_label = flag("shift labels to a mean of 0, in regression", words=AUTO, default="auto")
    num_point_for_scaler = integer("rows that tell mean and deviation", least=1, default=10_000)
    positive_example_weight_mult = number(
        "weight of positive rows, of a binary_classifier",
        words=("balanced", "auto"),
        above=0,
        default=1.0,
    )
    balance_multiclass_weights = flag(
        "give every class the same weight, of a multiclass_classifier", default=False
    )

    # Choosing among the models.
    binary_classifier_model_selection_criteria = choice(
        "what the best model is best at", CRITERIA, default="accuracy"
    )
    num_calibration_samples = integer(
        "rows of the validation channel that calibrate", words=AUTO, least=1, default="auto"
    )
    target_recall = number("of precision_at_target_recall", above=0, below=1, default=0.8)
    target_precision = number("of recall_at_target_precision", above=0, below=1, default=0.8)
    f_beta = number("beta of f_beta", above=0, default=1.0)
    accuracy_top_k = integer("k of top-k accuracy, of a multiclass_classifier", least=1, default=3)

    needed = ()

    @classmethod
    def contradictions(cls, values: Mapping[str, Any]) -> Iterator[str]:
        """What does not fit the task."""
        yield from super().contradictions(values)
        task = values.get("predictor_type", "binary_classifier")
        loss = values.get("loss", "auto")
        if loss != "auto" and loss not in LOSSES[task]:
            yield f"loss is {loss!r}, but a {task} takes auto, {', '.join(LOSSES[task])}"
        if task == "multiclass_classifier" and "num_classes" not in values:
            yield "num_classes is missing, which a multiclass_classifier needs"
