"""Values of numpy, scipy, pandas and others as plain Python, known by their methods alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

__all__ = ["array_of", "is_numeric", "plain"]

#: Methods that give the array of a scipy matrix, of a frame or series of pandas and its kin, of an
#: mxnet array; a tensor of TensorFlow has the last one.
_GIVE_ARRAY = ("toarray", "to_numpy", "asnumpy")
#: Names of pandas' types of missing values, which equal nothing, not even themselves.
_MISSING = frozenset({"NAType", "NaTType"})


def array_of(value: Any) -> Any:
    """The array that `value` makes, or `value` itself where it makes none."""
    if isinstance(value, (type, datetime)):
        return value
    methods = _GIVE_ARRAY if hasattr(value, "tolist") else (*_GIVE_ARRAY, "numpy")
    for method in methods:
        convert = getattr(value, method, None)
        if callable(convert):
            return convert()
    return value


def is_numeric(array: Any) -> bool:
    """Whether `array` is one of numpy's, or a scalar, of booleans, integers or real numbers."""
    return _kind(array) in tuple("biuf") and not hasattr(array, "mask")


def plain(value: Any) -> Any:
    """Lists, dicts and scalars for what is none of them itself.

    Dates and times become text in ISO 8601's form, arrays nested lists, structured arrays rows,
    what is missing None.

    Raises:
        TypeError: there is no such form, or it would lose something.
    """
    if type(value).__name__ in _MISSING:
        return None
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return _number(value)
    array = array_of(value)
    if hasattr(array, "tolist") and not isinstance(array, memoryview):
        return _listed(array)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Collection) and not isinstance(value, (str, bytes, bytearray, memoryview)):
        return list(value)
    raise TypeError(f"a {type(value).__name__} is neither a list nor a number, nor makes one")


def _kind(array: Any) -> str:
    return str(getattr(getattr(array, "dtype", None), "kind", ""))


def _number(value: Decimal) -> int | float:
    """The number that is written as `value` is."""
    if value.is_finite() and value == value.to_integral_value():
        return int(value)
    # A float's shortest form, not its exact value, is what counts.
    if value.is_finite() and Decimal(repr(float(value))) != value:
        raise TypeError(f"the decimal {value} has more digits than a float; send it as text")
    return float(value)


def _listed(array: Any) -> Any:
    kind = _kind(array)
    if kind == "V" and array.dtype.names:
        return _rows_of_fields(array)
    if kind == "M":
        return _dates(array)
    if kind == "m":
        raise TypeError(
            "durations carry no unit there; divide them by one: array / np.timedelta64(1, 's')"
        )
    if kind == "c":
        raise TypeError("complex numbers have no form there; send real and imaginary parts")
    if kind == "S":
        return array.astype(str).tolist()
    if kind == "f" and array.dtype.itemsize > 8:
        return array.astype("f8").tolist()
    return array.tolist()


def _rows_of_fields(array: Any) -> list[Any]:
    columns = [_listed(array[name]) for name in array.dtype.names]
    if array.ndim > 1:
        raise TypeError(f"a structured array of {array.ndim} dimensions; one is what it may have")
    return [list(row) for row in zip(*columns, strict=True)] if array.ndim else columns


def _dates(array: Any) -> Any:
    """ISO 8601 texts of datetime64, to the array's own precision; None where there is no time."""
    texts, missing = array.astype(str), array != array
    if not missing.any():
        return texts.tolist()
    if not array.ndim:
        return None
    texts = texts.astype(object)
    texts[missing] = None
    return texts.tolist()
