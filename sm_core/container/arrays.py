"""Bodies to numpy arrays and back; imports numpy."""

from __future__ import annotations

import io
import warnings
from array import array
from collections.abc import Sequence
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
#: Type of the first number → those that may hold all.
_TYPES: dict[type, Sequence[type[np.generic]]] = {
    int: (np.int64, np.float64),
    float: (np.float64,),
}
#: More than any version of numpy has.
_DIMENSIONS = 65


def array_of(value: Any) -> npt.NDArray[Any] | None:
    """Numbers in lists of equal lengths as an array; None for anything else."""
    if not isinstance(value, list):
        return None
    if (table := _table_of(value)) is not None:
        return table
    if not _holds_numbers(value):
        return None
    try:
        if _MAY_BE_RAGGED:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                found = np.asarray(value)
        else:
            found = np.asarray(value)
    except (ValueError, Warning):
        return None
    return found if found.dtype.kind in "biuf" else None


def _table_of(value: list[Any]) -> npt.NDArray[Any] | None:
    """Whole or other numbers in one list, or in lists of one length, as an array; else None.

    It takes less than half of numpy's time, and stops at the first text.
    """
    is_flat = not (value and type(value[0]) is list)
    rows = [value] if is_flat else value
    width = len(rows[0])
    if width == 0:
        return None
    for dtype in _TYPES.get(type(rows[0][0]), ()):
        buffer = array("q" if dtype is np.int64 else "d")
        try:
            for row in rows:
                buffer.fromlist(row)
                if len(row) != width:
                    return None
        except TypeError:
            continue
        except OverflowError:
            return None
        flat = np.frombuffer(buffer, dtype)
        return flat if is_flat else flat.reshape(len(rows), width)
    return None


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
        found: npt.NDArray[Any] = read_npy(body)
    except ValueError as error:
        raise BadPayload(f"the body cannot be read: {error}") from None
    return found


def npy_of(value: Any) -> bytes:
    """`value` in numpy's own format.

    Raises:
        TypeError: it holds objects, which only a pickle could.
    """
    found = np.asarray(value if isinstance(value, (np.ndarray, list, tuple)) else _converted(value))
    if found.dtype.hasobject:
        raise TypeError("the prediction holds objects, which npy has no form for")
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, found, allow_pickle=False)
    return buffer.getvalue()


def _converted(value: Any) -> Any:
    return value if isinstance(value, (bool, int, float, np.generic)) else plain(value)
