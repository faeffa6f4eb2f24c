"""``model_algo-1`` of LinearLearner: a ZIP of what MXNet's ``Module.load`` reads, and more.

::

    additional-params.json   what the symbol does not say: task, loss, threshold
    manifest.json            which file is which
    mx-mod-symbol.json       the network: one FullyConnected layer and an output
    mx-mod-0000.params       an NDArray-list file with arg:fc0_weight and arg:fc0_bias

Names and formats are those of models that AWS's container wrote; MXNet 1.9.1 loads them with
``Module.load("mx-mod", 0, label_names=["out_label"])``.
"""

from __future__ import annotations

import io
import json
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from sm_amazon_algos.container.linear.model import LinearModel
from sm_amazon_algos.container.linear.settings import Task
from sm_amazon_algos.container.ndarrays import read_ndarrays, write_ndarrays
from sm_core.errors import CodecError

__all__ = ["read_model", "write_model"]

_SYMBOL, _PARAMS = "mx-mod-symbol.json", "mx-mod-0000.params"
_ADDITIONAL, _MANIFEST = "additional-params.json", "manifest.json"
#: Layout of the symbol's JSON, as MXNet 1.9.1 writes it.
_MXNET_VERSION = 10901
#: MXNet's output operator for what is served; the identity is LinearRegressionOutput.
_OUTPUTS = {
    "logistic": "LogisticRegressionOutput",
    "softmax_loss": "SoftmaxOutput",
}
_IDENTITY = "LinearRegressionOutput"
#: What AWS's own models are, by their output operator.
_TASKS: Mapping[str, tuple[Task, str]] = {
    "LogisticRegressionOutput": ("binary_classifier", "logistic"),
    "SoftmaxOutput": ("multiclass_classifier", "softmax_loss"),
    "SVMOutput": ("binary_classifier", "hinge_loss"),
}
#: What reading a damaged ZIP raises: its own errors, those of the ways to pack members, and what
#: numbers and names in it do that cannot be.
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    OSError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    struct.error,
)
#: Bytes that a member may have when unpacked: what a ZIP says of itself is not believed.
_LARGEST = 1 << 32


def write_model(model: LinearModel) -> bytes:
    """The bytes of ``model_algo-1``."""
    outputs, width = model.weights.shape
    additional = {
        "predictor_type": model.task,
        "loss": model.loss,
        "num_classes": outputs if model.task == "multiclass_classifier" else 1,
        "feature_dim": width,
        "threshold": model.threshold if model.task == "binary_classifier" else None,
    }
    manifest = {
        "version": "1.0",
        "symbol": _SYMBOL,
        "params": _PARAMS,
        "additional_params": _ADDITIONAL,
    }
    arrays = {"arg:fc0_weight": model.weights, "arg:fc0_bias": model.bias}
    members = {
        _ADDITIONAL: json.dumps(additional).encode(),
        _MANIFEST: json.dumps(manifest).encode(),
        _SYMBOL: _symbol(model).encode(),
        _PARAMS: write_ndarrays(arrays),
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            # Of a fixed time: the same model is the same bytes.
            archive.writestr(zipfile.ZipInfo(name), content)
    return file.getvalue()


def _symbol(model: LinearModel) -> str:
    """The network in MXNet's JSON: fc0 of data, weight and bias; out of that and a label."""

    def variable(name: str) -> dict[str, Any]:
        return {"op": "null", "name": name, "inputs": []}

    outputs = str(len(model.weights))
    layer = {
        "op": "FullyConnected",
        "name": "fc0",
        "attrs": {"num_hidden": outputs},
        "inputs": [[0, 0, 0], [1, 0, 0], [2, 0, 0]],
    }
    last = {
        "op": _OUTPUTS.get(model.loss, _IDENTITY),
        "name": "out",
        "inputs": [[3, 0, 0], [4, 0, 0]],
    }
    names = ("data", "fc0_weight", "fc0_bias")
    return json.dumps(
        {
            "nodes": [*map(variable, names), layer, variable("out_label"), last],
            "arg_nodes": [0, 1, 2, 4],
            "node_row_ptr": list(range(7)),
            "heads": [[5, 0, 0]],
            "attrs": {"mxnet_version": ["int", _MXNET_VERSION]},
        }
    )


def read_model(file: Path) -> LinearModel:
    """The model in `file`, written here or by AWS's container.

    Raises:
        CodecError: it is no such model; says why.
    """
    content = io.BytesIO(file.read_bytes())
    try:
        with zipfile.ZipFile(content) as archive:
            members = {name: _member(archive, name) for name in archive.namelist()}
    except _DAMAGED as error:
        raise CodecError(f"{file.name} is no ZIP, as LinearLearner's models are: {error}") from None
    missing = [name for name in (_SYMBOL, _PARAMS) if name not in members]
    if missing:
        raise CodecError(f"{file.name} is no model of LinearLearner: it lacks {', '.join(missing)}")
    weights, bias = _arrays(members[_PARAMS])
    additional = _object(members.get(_ADDITIONAL, b"{}"), _ADDITIONAL)
    task, loss = _task(additional, _object(members[_SYMBOL], _SYMBOL))
    if task != "multiclass_classifier" and len(weights) != 1:
        raise CodecError(f"{_PARAMS} has weights of {len(weights)} outputs; a {task} has one")
    default = 0.0 if loss == "hinge_loss" else 0.5
    return LinearModel(
        task=task,
        loss=loss,
        weights=weights,
        bias=bias,
        threshold=next(_thresholds(additional), default),
    )


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as member:
        content = member.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise CodecError(f"{name} in the model is larger than {_LARGEST} bytes")
    return content


def _arrays(content: bytes) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    arrays = read_ndarrays(content)
    if not isinstance(arrays, dict):
        raise CodecError(f"{_PARAMS} has arrays without names")
    found = {name.partition(":")[2] or name: array for name, array in arrays.items()}
    weights = found.get("fc0_weight")
    if weights is None or weights.ndim != 2:
        raise CodecError(
            f"{_PARAMS} has no matrix fc0_weight; it has {', '.join(found) or 'nothing'}"
        )
    bias = found.get("fc0_bias", np.zeros(len(weights), dtype=np.float32)).reshape(-1)
    if len(bias) != len(weights):
        raise CodecError(f"{_PARAMS} has {len(bias)} biases for {len(weights)} outputs")
    for name, array in (("fc0_weight", weights), ("fc0_bias", bias)):
        if not np.isfinite(array).all():
            raise CodecError(f"{_PARAMS} has numbers in {name} that are NaN or infinite")
    return weights.astype(np.float32), bias.astype(np.float32)


def _object(content: bytes, name: str) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError as error:
        raise CodecError(f"{name} in the model is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise CodecError(f"{name} in the model is no JSON object")
    return found


def _task(additional: Mapping[str, Any], symbol: Mapping[str, Any]) -> tuple[Task, str]:
    """What the model is for: as we write it, or else by the network's output operator."""
    task, loss = additional.get("predictor_type"), additional.get("loss")
    nodes = symbol.get("nodes")
    if not isinstance(nodes, list) or not all(isinstance(node, dict) for node in nodes):
        raise CodecError(f"{_SYMBOL} in the model has no list of nodes")
    operators = [node.get("op") for node in nodes]
    guessed = next((_TASKS[name] for name in operators if name in _TASKS), None)
    by_symbol = guessed or ("regressor", "squared_loss")
    if task not in ("regressor", "binary_classifier", "multiclass_classifier"):
        return by_symbol
    if not isinstance(loss, str) or loss == "auto":
        loss = by_symbol[1] if by_symbol[0] == task else ""
    return cast("Task", task), loss


def _thresholds(additional: Mapping[str, Any]) -> Iterator[float]:
    """Numbers that are called a threshold, under whatever longer name."""
    for name, value in additional.items():
        if "threshold" in name and isinstance(value, (int, float)):
            yield float(value)
