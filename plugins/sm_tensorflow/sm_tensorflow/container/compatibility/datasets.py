"""What scripts used of ``tf.contrib`` to read data, and to keep parameters together."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow.compat.v1 as v1

__all__ = [
    "BASE",
    "Dataset",
    "Datasets",
    "HParams",
    "batch_and_drop_remainder",
    "load_csv_with_header",
    "load_csv_without_header",
]

#: What ``tf.contrib.learn.datasets.base`` has.
BASE = ("Dataset", "Datasets", "load_csv_with_header", "load_csv_without_header")


class Dataset(NamedTuple):
    """Rows of features and their targets."""

    data: npt.NDArray[Any]
    target: npt.NDArray[Any]


class Datasets(NamedTuple):
    """Three of them."""

    train: Any
    validation: Any
    test: Any


def load_csv_with_header(
    filename: str, target_dtype: Any, features_dtype: Any, target_column: int = -1
) -> Dataset:
    """Read a CSV file whose first row is: number of rows, number of features, names of classes.

    Args:
        filename: any file that ``tf.gfile`` opens.
        target_dtype: of the targets.
        features_dtype: of the features.
        target_column: the column with the target.

    Raises:
        ValueError: a row has another number of features than the first row says; names it.
    """
    rows = _rows(filename)
    _, header = next(rows, (0, []))
    try:
        width = int(header[1])
    except (IndexError, ValueError):
        raise ValueError(
            f"{filename}: the first row must be: number of rows, number of features, names of "
            f"classes; it is {header}"
        ) from None
    return _dataset(filename, rows, target_dtype, features_dtype, target_column, width=width)


def load_csv_without_header(
    filename: str, target_dtype: Any, features_dtype: Any, target_column: int = -1
) -> Dataset:
    """Read a CSV file of rows only; arguments and errors as for `load_csv_with_header`."""
    rows = _rows(filename)
    return _dataset(filename, rows, target_dtype, features_dtype, target_column, width=None)


def _rows(filename: str) -> Iterator[tuple[int, list[str]]]:
    """Rows with the numbers of their lines; blank ones are skipped."""
    with v1.gfile.Open(filename) as file:
        reader = csv.reader(file)
        for row in reader:
            if row:
                yield reader.line_num, row


def _dataset(
    filename: str,
    rows: Iterator[tuple[int, list[str]]],
    target_dtype: Any,
    features_dtype: Any,
    target_column: int,
    *,
    width: int | None,
) -> Dataset:
    data, target = [], []
    for number, row in rows:
        target.append(row.pop(target_column))
        width = len(row) if width is None else width
        if len(row) != width:
            raise ValueError(f"{filename}, line {number}: {len(row)} features, expected {width}")
        data.append(row)
    try:
        return Dataset(
            np.array(data, dtype=str).astype(features_dtype).reshape(len(data), width or 0),
            np.array(target, dtype=str).astype(target_dtype),
        )
    except ValueError as error:
        raise ValueError(f"{filename}: {error}") from error


def batch_and_drop_remainder(batch_size: int) -> Callable[[Any], Any]:
    """``dataset.apply(…)``: batches of exactly that size."""
    return lambda dataset: dataset.batch(batch_size, drop_remainder=True)


class HParams:
    """Named parameters as attributes; ``values()`` gives them as a dict."""

    def __init__(self, **parameters: Any) -> None:
        vars(self).update(parameters)

    def __contains__(self, name: str) -> bool:
        return name in vars(self)

    def add_hparam(self, name: str, value: Any) -> None:
        """Add a parameter that is not there yet.

        Raises:
            ValueError: it is.
        """
        if name in vars(self):
            raise ValueError(f"there is a parameter {name!r} already")
        setattr(self, name, value)

    def values(self) -> dict[str, Any]:
        """All of them."""
        return dict(vars(self))
