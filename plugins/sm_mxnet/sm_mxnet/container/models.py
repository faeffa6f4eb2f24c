"""Models and their inputs, in terms of MXNet; imports it."""

from __future__ import annotations

import json
import logging
import re
import traceback
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np
import numpy.typing as npt

from sm_core.container.errors import BadPayload, ContainerError, RequestRefused

__all__ = ["batches", "input_shape", "is_supported", "lacking", "load_module", "predict"]

logger = logging.getLogger(__name__)

_SYMBOL = "model-symbol.json"
_SHAPES = "model-shapes.json"
_SHAPES_FORM = (
    f"{_SHAPES} must be a JSON list of objects with name and shape, a list of whole numbers above 0"
)
#: MXNet's own name for the parameters, and the specification's.
_PARAMETERS = ("model-0000.params", "model.params")
#: How the names of the modules with MXNet's layers begin.
_GLUON = "mxnet.gluon."
#: Modules whose batches are forwarded here, without an iterator of MXNet.
_MODULES = (mx.mod.Module, mx.mod.BucketingModule)


def is_supported(model: Any) -> bool:
    """Whether the default predict_fn can call `model`."""
    return isinstance(model, (mx.mod.BaseModule, mx.gluon.Block))


def lacking(model: Any) -> str | None:
    """What a Module lacks to predict, and what gives it that; None for any other model."""
    if not _is_bound(model):
        return "is not bound: call bind(data_shapes=..., for_training=False) and set_params"
    if not getattr(model, "params_initialized", True):
        return "has no parameters: call set_params(arguments, states)"
    return None


def _is_bound(model: Any) -> bool:
    """Whether `model` knows the shapes of its input, as far as it has any."""
    return bool(getattr(model, "binded", True))


def load_module(model_dir: str, *, first_dimension: int) -> Any:
    """The Module that the default ``save`` wrote, on the CPU, bound for prediction.

    Args:
        model_dir: folder with the three files, or with one folder that has them.
        first_dimension: rows of a batch; 0 keeps the number that the model was trained with.

    Raises:
        ContainerError: a file is missing or cannot be read; names it.
    """
    folder = _folder(Path(model_dir))
    shapes = [
        (entry["name"], _resized(entry, first_dimension))
        for entry in _read_shapes(folder / _SHAPES)
    ]
    parameters = next(path for name in _PARAMETERS if (path := folder / name).is_file())
    try:
        symbol = mx.sym.load(str(folder / _SYMBOL))
        values = mx.nd.load(str(parameters))
        module = mx.mod.Module(
            symbol, data_names=[name for name, _ in shapes], label_names=None, context=mx.cpu()
        )
        module.bind(data_shapes=shapes, for_training=False)
        arguments, states = _arguments_and_states(values)
        module.set_params(arguments, states, allow_missing=True)
    except (mx.base.MXNetError, RuntimeError, ValueError) as error:
        raise ContainerError(f"MXNet cannot load the model in {folder}: {error}") from error
    _warn_of_missing(module, symbol, {*arguments, *states})
    return module


def _warn_of_missing(module: Any, symbol: Any, given: set[str]) -> None:
    """Tell which parameters stay zero: the states with which an RNN begins may, weights may not."""
    wanted = [*symbol.list_arguments(), *symbol.list_auxiliary_states()]
    labels = {name for name in wanted if name.endswith("label")}
    missing = [name for name in wanted if name not in {*given, *module.data_names, *labels}]
    if missing:
        logger.warning("the model's parameters lack %s: zero is taken", ", ".join(missing))


def _folder(model_dir: Path) -> Path:
    """Where the files lie: an archive may have put them into one folder of its own."""
    folder = model_dir
    for folder in (model_dir, *_only_folder(model_dir)):
        parameters = any((folder / name).is_file() for name in _PARAMETERS)
        if parameters and (folder / _SYMBOL).is_file() and (folder / _SHAPES).is_file():
            return folder
    wanted = [_SYMBOL, " or ".join(_PARAMETERS), _SHAPES]
    present = {entry.name for entry in folder.glob("*")}
    missing = [name for name in wanted if not present & set(name.split(" or "))]
    raise ContainerError(
        f"the model lacks {', '.join(missing)}; it has: {', '.join(sorted(present)) or 'nothing'}. "
        "A model that another function saved needs model_fn(model_dir) in the script"
    )


def _only_folder(model_dir: Path) -> list[Path]:
    # What a Mac or an editor puts beside it is no part of the model.
    entries = [
        entry
        for entry in model_dir.iterdir()
        if entry.name not in ("code", "__MACOSX") and not entry.name.startswith(".")
    ]
    return entries if len(entries) == 1 and entries[0].is_dir() else []


def _read_shapes(path: Path) -> list[dict[str, Any]]:
    try:
        entries: list[dict[str, Any]] = json.loads(path.read_bytes())
        shapes = [{"name": entry["name"], "shape": list(entry["shape"])} for entry in entries]
    except (ValueError, TypeError, KeyError) as error:
        raise ContainerError(f"{_SHAPES_FORM}: {error!r}") from error
    if not shapes:
        raise ContainerError(f"{_SHAPES_FORM}; it is empty")
    return shapes


def _resized(entry: dict[str, Any], first_dimension: int) -> tuple[int, ...]:
    """The shape of one input of `first_dimension` rows, or of its own number of them."""
    shape = (first_dimension or entry["shape"][0], *entry["shape"][1:]) if entry["shape"] else ()
    if not shape or not all(type(size) is int and size > 0 for size in shape):
        raise ContainerError(f"{_SHAPES_FORM}; {entry['name']!r} has the shape {entry['shape']}")
    return shape


def _arguments_and_states(values: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parameters as a Module saves them, ``arg:…`` and ``aux:…``, in two."""
    parts: dict[str, dict[str, Any]] = {"arg": {}, "aux": {}}
    for key in values:
        kind, _, name = str(key).partition(":")
        if kind not in parts:
            raise ValueError(
                "the parameters are not those of a Module, which begin with arg: or aux:; define "
                "model_fn in the script"
            )
        parts[kind][name] = values[key]
    return parts["arg"], parts["aux"]


def input_shape(model: Any) -> tuple[int, ...] | None:
    """Shape of one row of the model's input; None if the model does not say.

    Raises:
        RequestRefused: the model has several inputs, which one list cannot feed.
    """
    shapes = getattr(model, "data_shapes", None) if _is_bound(model) else None
    if not shapes:
        return None
    if len(shapes) > 1:
        raise RequestRefused(
            f"the model has {len(shapes)} inputs and one list feeds one only: define input_fn in "
            "the script",
            status=412,
        )
    return tuple(shapes[0].shape[1:])


class _Rows(mx.io.NDArrayIter):  # type: ignore[misc]  # MXNet has no types
    """The rows of a request as batches, the last one filled up with zeros.

    An iterator of MXNet costs more than a small network's whole answer, so it becomes one when
    somebody asks it for anything; the default prediction needs the rows alone.
    """

    def __init__(self, rows: npt.NDArray[np.float32], size: int) -> None:
        """
        Args:
            rows: at least one.
            size: of a batch.
        """
        self.rows = rows
        self.size = size

    def __getattr__(self, name: str) -> Any:
        if "cursor" in self.__dict__ or "rows" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        added = -len(self.rows) % self.size
        filled = np.concatenate([self.rows, self._zeros(added)]) if added else self.rows
        super().__init__(filled, batch_size=self.size, last_batch_handle="pad")
        return getattr(self, name)

    def getpad(self) -> int:
        """How many rows of the current batch were added, and are no part of the result."""
        pad: int = max(0, self.cursor + self.size - len(self.rows))
        return pad

    def arrays(self) -> Iterator[tuple[Any, int]]:
        """Each batch as an NDArray, with the number of its rows that were added."""
        for start in range(0, len(self.rows), self.size):
            piece = self.rows[start : start + self.size]
            added = self.size - len(piece)
            if added:
                piece = np.concatenate([piece, self._zeros(added)])
            array = mx.nd.empty(piece.shape)
            array._sync_copyfrom(piece)  # what mx.nd.array does in the end, at a fifth of the time
            yield array, added

    def _zeros(self, count: int) -> npt.NDArray[np.float32]:
        return np.zeros((count, *self.rows.shape[1:]), dtype=self.rows.dtype)


def batches(rows: npt.NDArray[np.float32], model: Any) -> Any:
    """`rows` as an NDArrayIter of the model's batches, the last one filled up.

    A model without shapes of its own gets all rows as one batch.
    """
    shapes = getattr(model, "data_shapes", None)
    return _Rows(rows, shapes[0].shape[0] if shapes else len(rows))


def predict(data: Any, model: Any) -> Any:
    """What `model` answers to `data`: an NDArray, or a list of them for several outputs."""
    if isinstance(data, _Rows) and isinstance(model, (*_MODULES, mx.gluon.Block)):
        call = partial(_forward if isinstance(model, _MODULES) else _called, model)
        return _joined(
            [_without_padding(call(array), array, added) for array, added in data.arrays()]
        )
    if isinstance(model, mx.mod.BaseModule):
        return model.predict(data)
    if not isinstance(data, mx.io.DataIter):
        # What a Module takes, a network does too.
        return model(mx.nd.array(data) if isinstance(data, np.ndarray) else data)
    # A network takes arrays, not iterators.
    answers = ((batch.data[0], batch.pad or 0) for batch in data)
    return _joined([_without_padding(model(array), array, added) for array, added in answers])


def _forward(module: Any, array: Any) -> Any:
    """What ``module.predict`` does for one batch; the outputs are the module's, and copied."""
    batch = mx.io.DataBatch([array])
    if isinstance(module, mx.mod.BucketingModule):
        # It serves the bucket that it is bound to, whose shapes the rows have.
        batch.bucket_key = module._curr_bucket_key
        batch.provide_data, batch.provide_label = module.data_shapes, module.label_shapes
    module.forward(batch, is_train=False)
    outputs = [output.copy() for output in module.get_outputs()]
    return outputs if len(outputs) > 1 else outputs[0]


def _called(net: Any, array: Any) -> Any:
    """The network's answer; it alone knows what it takes, and says so in MXNet's words.

    Raises:
        BadPayload: `array` has a shape that one of MXNet's layers in it does not take.
    """
    try:
        return net(array)
    except (mx.base.MXNetError, ValueError) as error:
        *_, reason = str(error).partition("MXNetError: ")
        if re.search("shape|ndim", reason, re.IGNORECASE) is None or not _is_a_layer_s(error):
            raise
        raise BadPayload(
            f"the network does not take an array of the shape {array.shape}: "
            f"{reason.strip().splitlines()[0]}"
        ) from error


def _is_a_layer_s(error: Exception) -> bool:
    """Whether a layer of MXNet's raised `error`; not an operation that the script itself calls."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    modules = [str(frame.f_globals.get("__name__")) for frame in frames]
    # All else in MXNet are operations, which fail alike whoever calls them.
    callers = [name for name in modules if not name.startswith("mxnet.") or name.startswith(_GLUON)]
    return callers[-1].startswith(_GLUON)


def _without_padding(output: Any, batch: Any, added: int) -> Any:
    """What `output` has for the rows of `batch` without the last ones, which were added.

    Raises:
        ContainerError: it does not have one row for each of the batch.
    """
    if isinstance(output, (list, tuple)):
        return [_without_padding(part, batch, added) for part in output]
    if not added:
        return output
    if len(output) != len(batch):
        raise ContainerError(
            f"the model answers a batch of {len(batch)} rows with the shape {output.shape}: which "
            f"part is that of the {added} rows that filled the batch up cannot be told. Bind it to "
            "batches of one row, or define predict_fn in the script"
        )
    return output[: len(output) - added]


def _joined(outputs: list[Any]) -> Any:
    if not outputs:
        raise ContainerError("the iterator that input_fn made has no batch")
    if len(outputs) == 1:
        return outputs[0]
    if isinstance(outputs[0], list):
        return [mx.nd.concat(*parts, dim=0) for parts in zip(*outputs, strict=True)]
    return mx.nd.concat(*outputs, dim=0)
