"""Request and response bodies: JSON and CSV to arrays of rows, predictions to JSON and CSV."""

from __future__ import annotations

import csv
import io
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from sm_core.container import payloads
from sm_core.container.arrays import array_of
from sm_core.container.errors import BadPayload

__all__ = ["csv_of", "json_of", "rows_of_csv", "rows_of_json"]

_Rows = npt.NDArray[np.float32]


def rows_of_json(body: str | bytes, shape: tuple[int, ...] | None) -> _Rows:
    """The rows of a JSON list.

    Args:
        body: one JSON list.
        shape: the model's input without its first dimension; None if the model does not say.

    Raises:
        BadPayload: `body` is no such list, or its rows have another shape.
    """
    values = payloads.value_of_json(body)
    if not isinstance(values, list):
        raise BadPayload(f"the body must be one JSON list of rows, not {_kind(values)}")
    if not values:
        raise BadPayload("the body is an empty list; it must have at least one row")
    array = array_of(values)
    if array is None:
        raise BadPayload(
            "the body must be a list of rows of equal length, with numbers only: no text, null "
            "or objects"
        )
    rows = _finite(array)
    return rows if shape is None else _fitted(rows, shape)


def _finite(array: npt.NDArray[Any]) -> _Rows:
    with np.errstate(over="ignore"):
        rows = array.astype(np.float32)
    if not np.isfinite(rows).all():
        raise BadPayload("every number must be finite, and within the range of float32")
    return rows


def _fitted(rows: _Rows, shape: tuple[int, ...]) -> _Rows:
    """Rows of the model's own shape as they are, flat rows of as many numbers reshaped."""
    if rows.shape[1:] == shape:
        return rows
    if rows.ndim == 2 and rows.shape[1] == prod(shape):
        return rows.reshape(-1, *shape)
    hint = "; one row must be a list in a list" if rows.shape == shape else ""
    raise BadPayload(
        f"the list has the shape {_written(rows.shape)}, the model takes "
        f"{_written(('rows', *shape))}{hint}"
    )


def rows_of_csv(body: str, shape: tuple[int, ...] | None) -> _Rows:
    """The rows of lines of numbers; blank lines are skipped.

    Args:
        body: the lines.
        shape: the model's input without its first dimension, to which each line is reshaped; None
            leaves the lines as they are.

    Raises:
        BadPayload: a line holds something else, or too many or too few numbers; names the line.
    """
    rows = payloads.rows_of_csv(body, width=None if shape is None else prod(shape))
    array = _finite(np.asarray(rows))
    return array if shape is None else array.reshape(-1, *shape)


def json_of(prediction: Any) -> bytes:
    """A list of rows; for several outputs, a list of such lists.

    Raises:
        TypeError: the script's own predict_fn made something that has no form in JSON.
    """
    if isinstance(prediction, (list, tuple)):
        values = [_values(output).tolist() for output in prediction]
    else:
        values = _values(prediction).tolist()
    return orjson.dumps(values, default=payloads.plain)


def csv_of(prediction: Any) -> bytes:
    """One line for each row; for several outputs, one line for each output.

    Raises:
        TypeError: the script's own predict_fn made something that has no form in CSV.
    """
    lines = prediction if isinstance(prediction, (list, tuple)) else _values(prediction)
    if isinstance(lines, np.ndarray) and lines.ndim == 0:
        if lines.dtype.hasobject:
            raise TypeError(
                f"a {type(prediction).__name__} has no form in CSV; define output_fn in the script"
            )
        lines = [lines]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    for line in lines:
        writer.writerow(_values(line).reshape(-1))
    return text.getvalue().encode()


def _values(output: Any) -> npt.NDArray[Any]:
    """An NDArray, or whatever the script's own predict_fn made of one, as a numpy array."""
    convert = getattr(output, "asnumpy", None)
    return np.asarray(output if convert is None else convert())


def _kind(value: Any) -> str:
    names = {dict: "an object", str: "text", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _written(shape: tuple[Any, ...]) -> str:
    return "(" + ", ".join(map(str, shape)) + ")"
