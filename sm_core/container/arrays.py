"""Bodies to numpy arrays and back; imports numpy."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from sm_core.container.errors import BadPayload
from sm_core.container.payloads import plain
from sm_core.npy import read_npy

__all__ = ["array_of", "array_of_npy", "npy_of"]

#: numpy below 1.24 only warns about rows of unequal lengths, later versions refuse them.
_MAY_BE_RAGGED = tuple(int(part) for part in np.__version__.split(".")[:2]) < (1, 24)
_NUMBERS = frozenset({int, float, bool})
#: More than any version of numpy has.
_DIMENSIONS = 65


def array_of(value: Any) -> npt.NDArray[Any] | None:
    """Numbers in lists of equal lengths as an array; None for anything else."""
    if not isinstance(value, list) or not _holds_numbers(value):
        return None
    try:
        if _MAY_BE_RAGGED:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                array = np.asarray(value)
        else:
            array = np.asarray(value)
    except (ValueError, Warning):
        return None
    return array if array.dtype.kind in "biuf" else None


def _holds_numbers(value: list[Any], depth: int = 1) -> bool:
    # numpy would make text of everything beside a text, each as wide as the longest: terabytes.
    if value and type(value[0]) is list:
        return depth < _DIMENSIONS and all(
            type(row) is list and _holds_numbers(row, depth + 1) for row in value
        )
    return _NUMBERS.issuperset(map(type, value))


def array_of_npy(body: bytes) -> npt.NDArray[Any]:
    """The array in numpy's own format; a pickled one is refused.

    Raises:
        BadPayload: `body` is no such array.
    """
    try:
        array: npt.NDArray[Any] = read_npy(body)
    except ValueError as error:
        raise BadPayload(f"the body cannot be read: {error}") from None
    return array


def npy_of(value: Any) -> bytes:
    """`value` in numpy's own format.

    Raises:
        TypeError: it holds objects, which only a pickle could.
    """
    array = np.asarray(value if isinstance(value, (np.ndarray, list, tuple)) else _converted(value))
    if array.dtype.hasobject:
        raise TypeError("the prediction holds objects, which npy has no form for")
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _converted(value: Any) -> Any:
    return value if isinstance(value, (bool, int, float, np.generic)) else plain(value)
