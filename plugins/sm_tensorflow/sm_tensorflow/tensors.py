"""``TensorProto`` to numpy arrays and back, by TensorFlow's own rules, without TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from sm_tensorflow.messages import TensorProto
from sm_tensorflow.schema import DATA_TYPES

__all__ = [
    "array_of_tensor",
    "data_type_of",
    "is_tensor",
    "make_tensor_proto",
    "numpy_type_of",
    "shape_of",
    "typed_values",
    "value_field",
]

#: Number of a data type → its name.
NAMES: Mapping[int, str] = {number: name for name, number in DATA_TYPES.items()}


@attrs.frozen
class _Kind:
    """How tensors of a data type are held.

    Attributes:
        dtype: of the array.
        field: the typed list of values.
        stored: what the numbers in that list are, where it is not the dtype itself: bit patterns.
    """

    dtype: np.dtype[Any]
    field: str
    stored: np.dtype[Any] | None = None


def _kind(dtype: Any, field: str, stored: Any = None) -> _Kind:
    return _Kind(np.dtype(dtype), field, None if stored is None else np.dtype(stored))


# Quantized types are told apart by their number; in numpy they are what they are made of.
_KINDS: Mapping[str, _Kind] = {
    "DT_FLOAT": _kind("<f4", "float_val"),
    "DT_DOUBLE": _kind("<f8", "double_val"),
    "DT_INT32": _kind("<i4", "int_val"),
    "DT_UINT8": _kind("u1", "int_val"),
    "DT_INT16": _kind("<i2", "int_val"),
    "DT_INT8": _kind("i1", "int_val"),
    "DT_STRING": _kind(object, "string_val"),
    "DT_COMPLEX64": _kind("<c8", "scomplex_val", "<f4"),
    "DT_INT64": _kind("<i8", "int64_val"),
    "DT_BOOL": _kind("?", "bool_val"),
    "DT_QINT8": _kind("i1", "int_val"),
    "DT_QUINT8": _kind("u1", "int_val"),
    "DT_QINT32": _kind("<i4", "int_val"),
    "DT_BFLOAT16": _kind("<f4", "half_val", "<u2"),
    "DT_QINT16": _kind("<i2", "int_val"),
    "DT_QUINT16": _kind("<u2", "int_val"),
    "DT_UINT16": _kind("<u2", "int_val"),
    "DT_COMPLEX128": _kind("<c16", "dcomplex_val", "<f8"),
    "DT_HALF": _kind("<f2", "half_val", "<u2"),
    "DT_UINT32": _kind("<u4", "uint32_val"),
    "DT_UINT64": _kind("<u8", "uint64_val"),
}
#: numpy's types → data types; the first of several with the same array.
_OF_NUMPY: dict[np.dtype[Any], str] = {}
for _name, _each in _KINDS.items():
    _OF_NUMPY.setdefault(_each.dtype.newbyteorder("="), _name)
_BYTES = np.dtype(object)
#: More elements than any message has room for.
_MOST = 1 << 31


def is_tensor(value: Any) -> bool:
    """Whether `value` is a TensorProto, of this package's class or of TensorFlow's own."""
    return type(value).__name__ == "TensorProto" and hasattr(value, "tensor_shape")


def data_type_of(dtype: npt.DTypeLike) -> str:
    """The name of TensorFlow's data type for numpy's `dtype`: ``DT_FLOAT`` for float32.

    Raises:
        TypeError: there is none.
    """
    found = np.dtype(dtype)
    if found.kind in "OSU":
        return "DT_STRING"
    name = _OF_NUMPY.get(found.newbyteorder("="))
    if name is None:
        # bfloat16 of ml_dtypes, which TensorFlow brings.
        name = "DT_BFLOAT16" if found.name == "bfloat16" else None
    if name is None:
        raise TypeError(f"TensorFlow has no data type for numpy's {found}")
    return name


def numpy_type_of(name: str) -> np.dtype[Any]:
    """numpy's type for a data type: float32 for ``DT_FLOAT``; objects for ``DT_STRING``.

    Raises:
        TypeError: numpy has none.
    """
    if name not in _KINDS:
        raise TypeError(f"numpy has no type for {name}")
    found: np.dtype[Any] = _KINDS[name].dtype.newbyteorder("=")
    return found


def value_field(name: str) -> str:
    """The typed list of values that a tensor of the data type `name` has: ``float_val``."""
    return _KINDS[name].field


def make_tensor_proto(
    values: Any,
    dtype: str | int | npt.DTypeLike | None = None,
    shape: Sequence[int] | None = None,
    *,
    typed: bool = False,
) -> TensorProto:
    """A TensorProto of `values`.

    Args:
        values: a scalar, lists of them, or what numpy makes an array of; text becomes UTF-8. A
            TensorProto is returned as one of this package's.
        dtype: numpy's type, or TensorFlow's by name or number (``"DT_FLOAT"``, 1); None for
            float32 of Python's floats, int32 or int64 of its ints, and else the array's own.
        shape: of the result; None for that of `values`.
        typed: write the typed list (``float_val``), not ``tensor_content``.

    Raises:
        TypeError: there is no data type for the values, or they are no array.
        ValueError: they do not fit `dtype` or `shape`.
    """
    if is_tensor(values):
        return TensorProto.FromString(values.SerializeToString())
    name = _named(dtype)
    array = _array_of(values, name)
    name = name or data_type_of(array.dtype)
    if shape is not None:
        array = array.reshape(tuple(shape))
    proto = TensorProto(dtype=DATA_TYPES[name])
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    if typed or name == "DT_STRING" or array.ndim == 0:
        getattr(proto, value_field(name)).extend(typed_values(array, name))
    else:
        proto.tensor_content = _bits_of(array, name).tobytes()
    return proto


def typed_values(array: npt.NDArray[Any], name: str) -> list[Any]:
    """What the typed list of a tensor of the data type `name` holds for `array`, in its order."""
    if name == "DT_STRING":
        return [_encoded(each) for each in array.reshape(-1).tolist()]
    kind = _KINDS[name]
    bits = _bits_of(array, name)
    values: list[Any] = bits.view(kind.stored or kind.dtype).reshape(-1).tolist()
    return values


def shape_of(proto: TensorProto) -> tuple[int, ...]:
    """The shape that `proto` names.

    Raises:
        ValueError: it has none that is fully known.
    """
    shape = tuple(each.size for each in proto.tensor_shape.dim)
    if proto.tensor_shape.unknown_rank or any(size < 0 for size in shape):
        raise ValueError("the tensor's shape is not fully known")
    return shape


def array_of_tensor(proto: TensorProto) -> npt.NDArray[Any]:
    """The array in `proto`; of ``DT_STRING`` one of bytes, of ``DT_BFLOAT16`` float32.

    A typed list that is shorter than the shape is filled up with its last value, an empty one with
    zeros, as TensorFlow does.

    Raises:
        ValueError: it is damaged: values and shape, or values and data type, do not fit.
    """
    name = NAMES.get(proto.dtype, str(proto.dtype))
    if name not in _KINDS:
        raise ValueError(f"the tensor's data type is {name}")
    kind, shape = _KINDS[name], shape_of(proto)
    count = 1
    for size in shape:
        count *= size
    if count > _MOST:
        raise ValueError(f"the tensor's shape has {count} elements")
    if proto.tensor_content and name != "DT_STRING":
        return _of_content(proto.tensor_content, name, shape)
    values = list(getattr(proto, kind.field))
    if name == "DT_STRING":
        array: npt.NDArray[Any] = np.empty(count, object)
        array[:] = _filled(values, count, b"")
        return array.reshape(shape)
    per_element = 2 if kind.dtype.kind == "c" else 1
    flat = np.array(values, kind.stored or kind.dtype)
    if len(flat) % per_element:
        raise ValueError("the tensor has half of a complex number")
    flat = _of_bits(flat, name)
    if len(flat) > count:
        raise ValueError(f"the tensor has {len(flat)} values, its shape {count} elements")
    whole = np.zeros(count, flat.dtype)
    whole[: len(flat)] = flat
    if len(flat):
        whole[len(flat) :] = flat[-1]
    return whole.reshape(shape)


def _of_content(content: bytes, name: str, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    kind = _KINDS[name]
    stored = kind.stored if name == "DT_BFLOAT16" and kind.stored is not None else kind.dtype
    count = 1
    for size in shape:
        count *= size
    if len(content) != count * stored.itemsize:
        raise ValueError(
            f"the tensor's content has {len(content)} bytes, its shape and data type need "
            f"{count * stored.itemsize}"
        )
    flat = np.frombuffer(content, stored)
    array = _of_bits(flat, name) if name == "DT_BFLOAT16" else flat
    return array.astype(kind.dtype.newbyteorder("=")).reshape(shape)


def _filled(values: list[Any], count: int, zero: Any) -> list[Any]:
    if len(values) > count:
        raise ValueError(f"the tensor has {len(values)} values, its shape {count} elements")
    last = values[-1] if values else zero
    return [*values, *([last] * (count - len(values)))]


def _bits_of(array: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    """`array` as its bytes travel; bfloat16 is the upper half of a float32, rounded to even."""
    if name != "DT_BFLOAT16":
        return np.ascontiguousarray(array, _KINDS[name].dtype)
    if array.dtype.name == "bfloat16":
        return np.ascontiguousarray(array).view("<u2")
    bits = np.ascontiguousarray(array, "<f4").view("<u4")
    rounded = ((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16).astype("<u2")
    found: npt.NDArray[Any] = np.where(np.isnan(array), np.uint16(0x7FC0), rounded)
    return found.astype("<u2")


def _of_bits(flat: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    kind = _KINDS[name]
    if name == "DT_BFLOAT16":
        return (flat.astype("<u4") << 16).view("<f4").astype(np.float32)
    if kind.stored is None:
        return flat.astype(kind.dtype.newbyteorder("="))
    return flat.view(kind.dtype).astype(kind.dtype.newbyteorder("="))


def _named(dtype: Any) -> str | None:
    """TensorFlow's name of a data type that a caller gave in any form."""
    if dtype is None:
        return None
    if isinstance(dtype, str) and dtype.startswith("DT_"):
        name = dtype
    elif isinstance(dtype, int) and not isinstance(dtype, bool):
        name = NAMES.get(dtype, str(dtype))
    else:
        # TensorFlow's own dtypes know numpy's.
        name = data_type_of(getattr(dtype, "as_numpy_dtype", dtype))
    if name not in _KINDS:
        raise TypeError(f"{dtype!r} is no data type that values can have")
    return name


def _array_of(values: Any, name: str | None) -> npt.NDArray[Any]:
    array = values if isinstance(values, np.ndarray) else _asarray(values)
    if name is None:
        if not hasattr(values, "dtype"):
            array = _as_tensorflow_would(array)
        return array
    if name == "DT_STRING":
        return array if array.dtype.kind in "OSU" else array.astype(str)
    wanted = numpy_type_of(name)
    if array.dtype.kind in "OSU":
        raise TypeError(f"the values are text, which {name} cannot hold")
    if wanted.kind in "iu" and array.dtype.kind == "f":
        whole = np.asarray(array, np.float64)
        if not (np.isfinite(whole).all() and (whole == np.trunc(whole)).all()):
            raise ValueError(f"the values are no whole numbers, which {name} needs")
    if wanted.kind in "iu" and array.dtype.kind in "iuf" and array.size:
        limits = np.iinfo(wanted)
        if array.min() < limits.min or array.max() > limits.max:
            raise ValueError(f"a value is out of the range of {name}")
    return array.astype(wanted) if array.dtype.name != "bfloat16" else array.astype(np.float32)


def _asarray(values: Any) -> npt.NDArray[Any]:
    convert = getattr(values, "numpy", None)
    array = np.asarray(values if convert is None else convert())
    if array.dtype == _BYTES:
        flat = array.reshape(-1).tolist()
        if not all(isinstance(each, (str, bytes)) for each in flat):
            kinds = ", ".join(sorted({type(each).__name__ for each in flat}))
            raise TypeError(f"a tensor cannot be made of {kinds}; it needs rows of one length")
    return array


def _as_tensorflow_would(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Python's floats as float32; its whole numbers as int32, where they fit."""
    if array.dtype == np.float64:
        return array.astype(np.float32)
    if array.dtype == np.int64:
        small = not array.size or (array.min() >= -(2**31) and array.max() < 2**31)
        return array.astype(np.int32) if small else array
    return array


def _encoded(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
