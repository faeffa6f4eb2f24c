"""What TensorFlow 1, or the numpy of its time, let pass, and their successors refuse."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = [
    "accept_metric_of_keras",
    "accept_mixed_floats_in_metrics",
    "restore_numpy_names",
    "silence_deprecations",
]

#: Names of Python's own types that numpy had until 1.24.
_NUMPY_NAMES = {
    "bool": bool,
    "complex": complex,
    "float": float,
    "int": int,
    "long": int,
    "object": object,
    "str": str,
    "unicode": str,
}
#: Metrics that compare labels with predictions, by their first two arguments.
_METRICS = (
    "mean_absolute_error",
    "mean_cosine_distance",
    "mean_relative_error",
    "mean_squared_error",
    "root_mean_squared_error",
)


def restore_numpy_names() -> None:
    """Give ``np.int`` and the like back, where numpy has none."""
    for name, kind in _NUMPY_NAMES.items():
        if name not in vars(np):
            setattr(np, name, kind)


def silence_deprecations() -> None:
    """Keep TensorFlow from advising a script of version 1 to be one of version 2."""
    from tensorflow.python.util import deprecation, module_wrapper

    deprecation._PRINT_DEPRECATION_WARNINGS = False
    module_wrapper._PER_MODULE_WARNING_LIMIT = 0
    warnings.filterwarnings("ignore", message=r"`tf\.(layers|nn)\.|The `lr` argument")


def accept_mixed_floats_in_metrics() -> None:
    """Let ``tf.metrics`` compare float64 with float32, as in the specification's ``model_fn``."""
    import tensorflow.compat.v1 as v1

    for name in _METRICS:
        setattr(v1.metrics, name, _with_equal_floats(getattr(v1.metrics, name)))


def _with_equal_floats(metric: Callable[..., Any]) -> Callable[..., Any]:
    import tensorflow.compat.v1 as v1

    @functools.wraps(metric)
    def compare(labels: Any, predictions: Any, *args: Any, **kwargs: Any) -> Any:
        first, second = v1.convert_to_tensor(labels), v1.convert_to_tensor(predictions)
        if first.dtype != second.dtype and first.dtype.is_floating and second.dtype.is_floating:
            wider = max(first.dtype, second.dtype, key=lambda dtype: dtype.size)
            first, second = v1.cast(first, wider), v1.cast(second, wider)
        return metric(first, second, *args, **kwargs)

    return compare


def accept_metric_of_keras() -> None:
    """Let ``compile(metric=…)`` of Keras mean ``metrics=[…]``; version 1 ignored it silently."""
    from keras.src.engine import training, training_v1

    # In graph mode every model is one of the second class.
    for model in (training.Model, training_v1.Model):
        model.compile = _with_metric(model.compile)


def _with_metric(compile_: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(compile_)
    def compile_model(self: Any, *args: Any, **kwargs: Any) -> Any:
        metric = kwargs.pop("metric", None)
        if metric is not None and kwargs.get("metrics") is None:
            kwargs["metrics"] = list(metric) if isinstance(metric, (list, tuple)) else [metric]
        return compile_(self, *args, **kwargs)

    return compile_model
