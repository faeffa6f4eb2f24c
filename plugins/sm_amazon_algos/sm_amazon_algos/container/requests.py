"""Bodies of requests as rows of numbers: CSV, JSON, JSON lines, RecordIO-protobuf."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from sm_amazon_algos.codec import CONTENT_TYPE as RECORDS
from sm_amazon_algos.container.csvrows import parse_lines
from sm_amazon_algos.decoding import decode_part
from sm_amazon_algos.matrices import SparseRows
from sm_core.errors import CodecError

__all__ = ["READERS", "read_rows"]

Array = npt.NDArray[Any]
#: Numbers of a dense matrix that one request may stand for, whatever it says of sparse rows.
_MOST = 1 << 28


def read_rows(body: bytes, content_type: str, feature_dim: int) -> npt.NDArray[np.float32]:
    """The rows in a request.

    Args:
        body: of the request.
        content_type: one of `READERS`.
        feature_dim: width that they must have.

    Returns:
        float32, (rows, feature_dim), at least one, finite.

    Raises:
        CodecError: it holds no such rows; says why.
    """
    rows = READERS[content_type](body, feature_dim)
    if rows.ndim != 2 or not len(rows):
        raise CodecError("the request holds no rows")
    _check_width(rows.shape[1], feature_dim)
    with np.errstate(over="ignore"):
        found = np.ascontiguousarray(rows, dtype=np.float32)
    if not np.isfinite(found).all():
        raise CodecError("the request holds numbers that are NaN or infinite")
    return found


def _check_width(width: int, feature_dim: int) -> None:
    if width != feature_dim:
        raise CodecError(
            f"The feature dimension of the input: {width} does not match the feature dimension of "
            f"the model: {feature_dim}. Please fix the input and try again."
        )


def _of_csv(body: bytes, feature_dim: int) -> Array:
    rows = parse_lines(body)
    return np.empty((0, feature_dim)) if rows is None else rows


def _of_json(body: bytes, feature_dim: int) -> Array:
    document = _json(body)
    instances = document.get("instances") if isinstance(document, Mapping) else None
    if not isinstance(instances, list):
        raise CodecError('the body is no JSON object with a list "instances"')
    return _of_instances(instances, feature_dim)


def _of_json_lines(body: bytes, feature_dim: int) -> Array:
    lines = [line for line in body.splitlines() if line.strip()]
    return _of_instances([_json(line) for line in lines], feature_dim)


def _json(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise CodecError(f"the body is not JSON: {error}") from None


def _of_instances(instances: list[Any], feature_dim: int) -> Array:
    """One row for each instance, whichever form each has."""
    if not instances:
        return np.empty((0, feature_dim))
    try:
        return np.array([_row(instance, feature_dim) for instance in instances], dtype=np.float64)
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        raise CodecError(f"an instance is not as it should be: {error!r}") from None


def _row(instance: Any, feature_dim: int) -> Any:
    """The numbers of ``{"features": …}`` or ``{"data": {"features": …}}``, a list or an object."""
    if not isinstance(instance, Mapping):
        raise TypeError("the instance is no object")
    features = instance.get("data", instance)["features"]
    if not isinstance(features, Mapping):
        return _of_width(_numbers(features), feature_dim)
    values, keys = _numbers(features["values"]), features.get("keys")
    if keys is None or (values and not keys):
        return _of_width(values, feature_dim)
    return _scattered(values, keys, features.get("shape"), feature_dim)


def _of_width(values: list[float], feature_dim: int) -> list[float]:
    _check_width(len(values), feature_dim)
    return values


def _numbers(values: Any) -> list[float]:
    if not isinstance(values, list) or any(type(value) not in (int, float) for value in values):
        raise TypeError("the values are no list of numbers")
    return values


def _scattered(values: list[float], keys: Any, shape: Any, feature_dim: int) -> Array:
    """A sparse row as a dense one."""
    if shape is not None and int(np.prod(shape, dtype=np.float64)) != feature_dim:
        raise ValueError(f"the shape is {shape}, the model's rows have {feature_dim} numbers")
    if len(keys) != len(values):
        raise ValueError(f"{len(keys)} keys for {len(values)} values")
    row = np.zeros(feature_dim)
    for key, value in zip(keys, values, strict=True):
        if type(key) is not int or not 0 <= key < feature_dim:
            raise ValueError(f"key {key!r} of a row of {feature_dim} numbers")
        row[key] += value
    return row


def _of_records(body: bytes, feature_dim: int) -> Array:
    data = np.frombuffer(body, dtype=np.uint8)
    arrays = decode_part(data, base=0, first=0, final=True)[0] if len(data) else None
    if arrays is None:
        return np.empty((0, feature_dim))
    values = arrays.features.get("values")
    if values is None:
        raise CodecError("the records have no feature 'values'")
    if not isinstance(values, SparseRows):
        return np.asarray(values)
    _check_width(values.columns, feature_dim)
    if len(values) * values.columns > _MOST:
        raise CodecError("the sparse rows are too many, or too wide")
    dense = np.zeros((len(values), values.columns))
    rows = np.repeat(np.arange(len(values)), np.diff(values.indptr))
    np.add.at(dense, (rows, values.indices), values.data)
    return dense


#: How bodies are read, by content type.
READERS: Mapping[str, Callable[[bytes, int], Array]] = {
    "application/json": _of_json,
    "application/jsonlines": _of_json_lines,
    RECORDS: _of_records,
    "text/csv": _of_csv,
}
