"""Bodies to numpy arrays and back; imports numpy."""

from __future__ import annotations

import io
import warnings
from array import array
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt
import simdjson

from sm_core.container.errors import BadPayload
from sm_core.container.payloads import plain, value_of_json
from sm_core.npy import read_npy

__all__ = ["array_of", "array_of_json", "array_of_npy", "npy_of"]

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
_PARSER = simdjson.Parser()
#: Characters of bodies that `_PARSER` reads. It keeps up to 14 times as many bytes as the longest
#: that it has read had; what reads a longer one goes with it.
_KEPT = 256 * 1024
#: What simdjson raises for JSON that it does not read, and where a list ends early.
_UNREAD = (ValueError, RuntimeError, TypeError, IndexError)


def array_of_json(body: str | bytes) -> Any:
    """The value of a JSON body: numbers in lists of equal lengths as an array, else as it is.

    Raises:
        BadPayload: `body` is not JSON.
    """
    table = _table_of_json(body)
    if table is not None:
        return table
    value = value_of_json(body)
    array = array_of(value)
    return value if array is None else array


def _table_of_json(body: str | bytes) -> npt.NDArray[Any] | None:
    """One list of numbers, or lists of one length, without a Python object for each number."""
    text = body if isinstance(body, str) else body.decode("utf-8", "replace")
    # simdjson skips a byte order mark, which is no JSON.
    if not text.lstrip(" \t\r\n").startswith("["):
        return None
    try:
        document = (_PARSER if len(body) <= _KEPT else simdjson.Parser()).parse(body)
        if not isinstance(document, simdjson.Array):
            return None
        first: Any = document[0]  # typed as if it were always a list
        if not isinstance(first, simdjson.Array):
            return None if _opens_more(text, 1) else _flat(document, type(first))
        width = len(first)
        if any(not isinstance(row, simdjson.Array) or len(row) != width for row in document):
            return None
        # A buffer is flat, however deep the lists in it nest.
        if _opens_more(text, 1 + len(document)):
            return None
        # Lengths stop at 2**24 - 1: with both of them, a longer row is no two rows.
        return _flat(document, type(first[0])).reshape(len(document), width)
    except _UNREAD:
        return None  # orjson reads more, or says what is wrong


def _flat(document: simdjson.Array, kind: type) -> npt.NDArray[Any]:
    """All numbers in `document`, the first of which is a `kind`; TypeError if that has others."""
    if kind is int:
        with suppress(TypeError):
            return np.frombuffer(document.as_buffer(of_type="i"), np.int64)
    elif kind is not float:
        raise TypeError(kind)
    return np.frombuffer(document.as_buffer(of_type="d"), np.float64)


def _opens_more(text: str, lists: int) -> bool:
    """Whether `text` opens more than so many lists, at least."""
    if lists > 2:
        return text.count("[") > lists
    # One row is the most frequent request, and a search takes a twentieth of a count's time.
    return text.find("[", text.find("[") + 1) != (-1 if lists == 1 else text.rfind("["))


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
