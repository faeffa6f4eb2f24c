"""What a model answered: as TensorFlow Serving's message, as JSON, CSV or protobuf."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np

from sm_core.container import payloads
from sm_core.container.errors import BadPayload
from sm_tensorflow import messages
from sm_tensorflow.tensors import make_tensor_proto, typed_values, value_field

__all__ = ["Prediction"]

_WIDE = ("DT_INT64", "DT_UINT64")


@attrs.frozen(kw_only=True)
class Prediction:
    """The outputs of a signature.

    Attributes:
        method: ``predict``, ``classify`` or ``regress``: the form of the answer.
        outputs: arrays by name.
        dtypes: data types by name.
    """

    method: str
    outputs: Mapping[str, Any]
    dtypes: Mapping[str, str]

    def to_json(self) -> bytes:
        """As protobuf would write the message, but with zeros and empty labels written out.

        Numbers are those of float32, widened to double, so that reading them gives the same back.
        """
        if self.method == "classify":
            rows = [{"classes": [_class(*each) for each in row]} for row in self._classes()]
            return payloads.json_of({"result": {"classifications": rows}})
        if self.method == "regress":
            values = [{"value": _number(each)} for each in self._values()]
            return payloads.json_of({"result": {"regressions": values}})
        outputs = {name: self._tensor(name) for name in self.outputs}
        return payloads.json_of({"outputs": outputs})

    def to_csv(self) -> bytes:
        """A line for each example: scores of its classes, its value, or its row of each output."""
        if self.method == "classify":
            classes = self._classes()
            rows: Any = [[s if s is not None else label for label, s in row] for row in classes]
        elif self.method == "regress":
            rows = [[value] for value in self._values()]
        else:
            arrays = [np.atleast_1d(each) for each in self.outputs.values()]
            if len({len(each) for each in arrays}) != 1:
                raise BadPayload("outputs of different lengths have no form in CSV; ask for JSON")
            rows = np.concatenate(
                [each.reshape(len(each), -1).astype(object) for each in arrays], axis=1
            ).tolist()
            rows = [[_text(cell) for cell in row] for row in rows]
        return payloads.csv_of(rows)

    def to_message(self) -> Any:
        """``PredictResponse``, ``ClassificationResponse`` or ``RegressionResponse``."""
        if self.method == "classify":
            classified = messages.ClassificationResponse()
            for row in self._classes():
                one = classified.result.classifications.add()
                for label, score in row:
                    one.classes.add(label=label or "", score=score or 0.0)
            return classified
        if self.method == "regress":
            regressed = messages.RegressionResponse()
            for value in self._values():
                regressed.result.regressions.add(value=value)
            return regressed
        predicted = messages.PredictResponse()
        for name, array in self.outputs.items():
            proto = make_tensor_proto(np.asarray(array), self.dtypes[name], typed=True)
            predicted.outputs[name].CopyFrom(proto)
        return predicted

    def _classes(self) -> list[list[tuple[str | None, float | None]]]:
        """Labels and scores of each example."""
        labels, scores = self.outputs.get("classes"), self.outputs.get("scores")
        given = [np.asarray(each) for each in (labels, scores) if each is not None]
        shape = given[0].shape
        if len(shape) != 2 or any(each.shape != shape for each in given):
            raise ValueError(f"a classifier's outputs have the shape {shape}, not [batch, classes]")
        nothing = [[None] * shape[1]] * shape[0]
        texts = nothing if labels is None else labels.tolist()
        numbers = nothing if scores is None else scores.tolist()
        return [
            [(_text(text), number) for text, number in zip(*row, strict=True)]
            for row in zip(texts, numbers, strict=True)
        ]

    def _values(self) -> list[float]:
        array = np.asarray(self.outputs["outputs"])
        if array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[1] != 1):
            raise ValueError(f"a regressor's output has the shape {array.shape}, not [batch, 1]")
        values: list[float] = array.reshape(-1).tolist()
        return values

    def _tensor(self, name: str) -> dict[str, Any]:
        array, dtype = np.asarray(self.outputs[name]), self.dtypes[name]
        field = value_field(dtype)
        values = typed_values(array, dtype)
        if dtype in _WIDE:
            values = [str(each) for each in values]
        elif dtype == "DT_STRING":
            from base64 import b64encode

            values = [b64encode(each).decode() for each in values]
        elif array.dtype.kind in "fc" and not np.isfinite(array).all():
            values = [_number(each) for each in values]
        return {
            "dtype": dtype,
            "tensorShape": {"dim": [{"size": str(size)} for size in array.shape]},
            _camel(field): values,
        }


def _class(label: str | None, score: float | None) -> dict[str, Any]:
    named = {"label": label, "score": None if score is None else _number(score)}
    return {name: value for name, value in named.items() if value is not None}


def _number(value: Any) -> Any:
    """A number as protobuf's JSON has it: what is none is text."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _text(cell: Any) -> Any:
    return cell.decode("utf-8", "replace") if isinstance(cell, bytes) else cell
