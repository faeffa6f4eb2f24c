"""What AWS looks for in the logs of the algorithms' jobs, whose metrics it defines itself.

Names: https://docs.aws.amazon.com/sagemaker/latest/dg/linear-learner-tuning.html and
https://docs.aws.amazon.com/sagemaker/latest/dg/k-means-tuning.html.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

__all__ = ["metric_definitions"]

_LINE = r"#quality_metric: host=\S+, "
_PHASES = ("train", "validation", "test")
_MULTICLASS = (
    "multiclass_accuracy",
    "dcg",
    "macro_precision",
    "macro_recall",
    "multiclass_balanced_accuracy",
)


def metric_definitions(framework: str, hyperparameters: Mapping[str, str]) -> list[dict[str, str]]:
    """MetricDefinitions of a job: at most 40, as many as a request may have.

    Args:
        framework: name of the algorithm.
        hyperparameters: of the job; LinearLearner's metrics depend on its task.
    """
    found = {
        "train:progress": r"#progress_metric: host=\S+, completed (\S+) %",
        "train:throughput": r"#throughput_metric: host=\S+, train throughput=(\S+)",
    }
    if framework == "kmeans":
        found |= {
            f"{phase}:{name}": _final(phase, name, "loss")
            for phase, name in (("train", "msd"), ("test", "msd"), ("test", "ssd"))
        }
    if framework == "linear-learner":
        found |= dict(_of_linear_learner(hyperparameters.get("predictor_type", "")))
    return [{"Name": name, "Regex": regex} for name, regex in found.items()]


def _final(phase: str, metric: str, tag: str) -> str:
    return f"{_LINE}{phase} {metric} <{tag}>=(\\S+)"


def _of_linear_learner(task: str) -> Iterator[tuple[str, str]]:
    for phase in ("train", "validation"):
        yield f"{phase}:objective_loss", _final(rf"epoch=\S+, {phase}", r"\S+_objective", "loss")
        yield f"{phase}:objective_loss:final", _final(phase, r"\S+_objective", "loss")
    yield "test:objective_loss", _final("test", r"\S+_objective", "loss")
    for phase in _PHASES:
        if task == "regressor":
            yield f"{phase}:mse", _final(phase, "mse", "loss")
            yield f"{phase}:absolute_loss", _final(phase, "absolute_loss", "loss")
        elif task == "binary_classifier":
            yield from _of_two_classes(phase)
        elif phase != "train":
            yield from _of_many_classes(phase)


def _of_two_classes(phase: str) -> Iterator[tuple[str, str]]:
    for name in ("binary_classification_accuracy", "precision", "recall"):
        yield f"{phase}:{name}", _final(phase, name, "score")
    yield f"{phase}:binary_f_beta", _final(phase, r"binary_f_\S+", "score")
    if phase != "train":
        yield f"{phase}:roc_auc_score", _final(phase, "roc_auc_score", "score")


def _of_many_classes(phase: str) -> Iterator[tuple[str, str]]:
    for name in _MULTICLASS:
        yield f"{phase}:{name}", _final(phase, name, "score")
    yield (
        f"{phase}:multiclass_top_k_accuracy",
        _final(phase, r"multiclass_top_k_accuracy_\S+", "score"),
    )
    yield f"{phase}:macro_f_beta", _final(phase, r"macro_f_\S+", "score")
    yield f"{phase}:multiclass_log_loss", _final(phase, "multiclass_log_loss", "loss")
