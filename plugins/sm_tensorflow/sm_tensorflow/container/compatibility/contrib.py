"""Stand-ins for what scripts used most of ``tf.contrib``, which TensorFlow 2 has not."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import tensorflow.compat.v1 as v1
from tensorflow.python.ops import lookup_ops

from sm_tensorflow.container.compatibility import datasets, layers

__all__ = ["make", "missing"]

_ROOT = "tensorflow.contrib"


class _Contrib(ModuleType):
    """One module below ``tensorflow.contrib``."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "Stand-ins for a removed part of TensorFlow 1.")
        self.__path__ = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if f"{self.__name__}.{name}" == f"{_ROOT}.keras":
            return v1.keras
        raise AttributeError(missing(self.__name__, name))


def missing(parent: str, name: str) -> str:
    """Why there is no `name` in the module `parent`, and what there is."""
    module = sys.modules.get(parent)
    present = sorted(key for key in vars(module) if not key.startswith("_")) if module else []
    return (
        f"TensorFlow 2 has no {parent}.{name}: contrib has been removed from it. Stand-ins for "
        f"scripts of version 1 exist here for: {', '.join(present) or 'nothing'}"
    )


def make() -> ModuleType:
    """``tensorflow.contrib`` and all modules below it, ready to be imported."""
    root = _module("")
    for path, names in _MODULES.items():
        vars(_module(path)).update(names())
    for old, new in _SECOND_NAMES.items():
        _name(old, _module(new))
    return root


def _module(path: str) -> ModuleType:
    """The module at `path` below contrib, with those on the way to it."""
    name = f"{_ROOT}.{path}" if path else _ROOT
    module = sys.modules.get(name)
    if module is None:
        module = _Contrib(name)
        _name(path, module)
    return module


def _name(path: str, module: ModuleType) -> None:
    sys.modules[f"{_ROOT}.{path}" if path else _ROOT] = module
    if path:
        parent, _, name = path.rpartition(".")
        setattr(_module(parent), name, module)


def _from(module: Any, *names: str) -> dict[str, Any]:
    return {name: getattr(module, name) for name in names}


def _framework() -> dict[str, Any]:
    names = ("create_global_step", "get_global_step", "get_or_create_global_step")
    return {
        **_from(v1.train, *names, "assert_global_step", "list_variables", "load_checkpoint"),
        **_from(v1, "add_to_collection", "get_variable"),
        "local_variable": layers.local_variable,
    }


def _rnn() -> dict[str, Any]:
    cells = (
        "BasicLSTMCell",
        "BasicRNNCell",
        "DeviceWrapper",
        "DropoutWrapper",
        "GRUCell",
        "LSTMCell",
        "LSTMStateTuple",
        "MultiRNNCell",
        "RNNCell",
        "ResidualWrapper",
    )
    functions = ("static_bidirectional_rnn", "static_rnn", "static_state_saving_rnn")
    return {**_from(v1.nn.rnn_cell, *cells), **_from(v1.nn, *functions)}


def _lookup() -> dict[str, Any]:
    names = (
        "index_table_from_file",
        "index_table_from_tensor",
        "index_to_string_table_from_file",
        "index_to_string_table_from_tensor",
        "KeyValueTensorInitializer",
        "TextFileInitializer",
        "TextFileStringTableInitializer",
        "TextFileIdTableInitializer",
    )
    return {**_from(lookup_ops, *names), "HashTable": v1.lookup.StaticHashTable}


def _data() -> dict[str, Any]:
    readers = ("Dataset", "FixedLengthRecordDataset", "TFRecordDataset", "TextLineDataset")
    steps = ("map_and_batch", "parallel_interleave", "shuffle_and_repeat", "unbatch", "AUTOTUNE")
    return {
        **_from(v1.data, *readers, "Iterator"),
        **_from(v1.data.experimental, *steps),
        "batch_and_drop_remainder": datasets.batch_and_drop_remainder,
    }


def _layers() -> dict[str, Any]:
    return {
        **_from(layers, *layers.__all__),
        "avg_pool2d": v1.layers.average_pooling2d,
        "flatten": v1.layers.flatten,
        "xavier_initializer": v1.glorot_uniform_initializer,
        "xavier_initializer_conv2d": v1.glorot_uniform_initializer,
        "variance_scaling_initializer": v1.variance_scaling_initializer,
    }


def _metrics() -> dict[str, Any]:
    """The metrics by their first names, ``streaming_…``, with predictions as first argument."""

    def streaming(metric: Callable[..., Any]) -> Callable[..., Any]:
        def measure(predictions: Any, labels: Any, *args: Any, **kwargs: Any) -> Any:
            return metric(labels, predictions, *args, **kwargs)

        return measure

    errors = ("mean_absolute_error", "mean_squared_error", "root_mean_squared_error")
    names = ("accuracy", "auc", "precision", "recall", *errors)
    found = {f"streaming_{name}": streaming(getattr(v1.metrics, name)) for name in names}
    return {**found, "streaming_mean": v1.metrics.mean}


class _ModeKeys:
    TRAIN, EVAL, INFER = "train", "eval", "infer"


#: Path below contrib → what stands there.
_MODULES: Mapping[str, Callable[[], Mapping[str, Any]]] = {
    "data": _data,
    "framework": _framework,
    "layers": _layers,
    "learn": lambda: {"ModeKeys": _ModeKeys},
    "learn.datasets.base": lambda: _from(datasets, *datasets.BASE),
    "lookup": _lookup,
    "metrics": _metrics,
    "rnn": _rnn,
    "training": lambda: {"HParams": datasets.HParams},
}
_SECOND_NAMES = {
    "learn.python.learn.datasets": "learn.datasets",
    "learn.python.learn.datasets.base": "learn.datasets.base",
    "data.python.ops.dataset_ops": "data",
    "framework.python.ops.variables": "framework",
    "layers.python.layers": "layers",
}
