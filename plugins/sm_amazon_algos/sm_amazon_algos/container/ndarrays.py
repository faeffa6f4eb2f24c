"""MXNet's NDArray-list files, which the models of Amazon's algorithms are kept in.

Source of the format: the files that MXNet 1.9.1 itself writes and reads (``mx.nd.save``,
``mx.nd.load``). Little-endian throughout; dense arrays of its versions 0 to 3 are read, version 2
is written, as MXNet does by default.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sm_core.errors import CodecError

__all__ = ["read_ndarrays", "write_ndarrays"]

Array = npt.NDArray[Any]

_LIST_MAGIC = 0x112
_V1, _V2, _V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
_DENSE = 0
_CPU = 1
#: The type code is the index.
_TYPES = tuple(
    np.dtype(name).newbyteorder("<") for name in ("f4", "f8", "f2", "u1", "i4", "i1", "i8", "?")
)
#: More than any array that MXNet makes has.
_DIMENSIONS = 64


def write_ndarrays(arrays: Sequence[Array] | Mapping[str, Array]) -> bytes:
    """The bytes of a file that holds `arrays`.

    Args:
        arrays: with names, or in order without. Of at least one dimension, and not empty: MXNet
            can read no others.

    Raises:
        CodecError: MXNet has no such type or shape.
    """
    values = list(arrays.values() if isinstance(arrays, Mapping) else arrays)
    names = [name.encode() for name in arrays] if isinstance(arrays, Mapping) else []
    pieces = [struct.pack("<QQQ", _LIST_MAGIC, 0, len(values))]
    for value in values:
        pieces += _packed(value)
    pieces.append(struct.pack("<Q", len(names)))
    for name in names:
        pieces += (struct.pack("<Q", len(name)), name)
    return b"".join(pieces)


def _packed(array: Array) -> list[bytes]:
    kind = array.dtype.newbyteorder("<")
    if kind not in _TYPES or not array.ndim or not array.size:
        raise CodecError(
            f"an NDArray cannot have type {array.dtype} and shape {array.shape}; it needs a number "
            "in each dimension, of float16, float32, float64, int8, int32, int64, uint8 or bool"
        )
    return [
        struct.pack("<Iii", _V2, _DENSE, array.ndim),
        struct.pack(f"<{array.ndim}q", *array.shape),
        struct.pack("<iii", _CPU, 0, _TYPES.index(kind)),
        np.ascontiguousarray(array, dtype=kind).tobytes(),
    ]


def read_ndarrays(data: bytes) -> list[Array] | dict[str, Array]:
    """The arrays in the bytes of a file: by name, or in a list if they have none.

    Raises:
        CodecError: it is no such file, cut off, or holds sparse arrays.
    """
    reader = _Reader(data)
    if reader.numbers("Q") != (_LIST_MAGIC,):
        raise CodecError("this is no NDArray-list file: it does not begin with 0x112")
    _reserved, count = reader.numbers("QQ")
    arrays = []
    for _ in range(count):
        arrays.append(reader.array())
    (named,) = reader.numbers("Q")
    if named == 0:
        return arrays
    if named != count:
        raise CodecError(f"the NDArray-list file has {named} names for {count} arrays")
    names = [reader.name() for _ in range(named)]
    return dict(zip(names, arrays, strict=True))


class _Reader:
    """Takes the file's parts one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def numbers(self, form: str) -> tuple[int, ...]:
        """Integers, by the letters of ``struct``."""
        return struct.unpack(f"<{form}", self._take(struct.calcsize(f"<{form}")))

    def name(self) -> str:
        """A name with its length before it."""
        (length,) = self.numbers("Q")
        try:
            return self._take(length).decode()
        except UnicodeDecodeError as error:
            raise CodecError(f"a name in the NDArray-list file is no UTF-8: {error}") from None

    def array(self) -> Array:
        """One array, of any version."""
        (magic,) = self.numbers("I")
        if magic in (_V2, _V3):
            (storage,) = self.numbers("i")
            if storage != _DENSE:
                raise CodecError(
                    "the NDArray-list file holds a sparse array; only dense ones are read"
                )
        shape = self._shape(magic)
        if magic != _V3 and not shape:
            raise CodecError("the NDArray-list file holds an array that was never given a value")
        _device, _number, code = self.numbers("iii")
        if not 0 <= code < len(_TYPES):
            raise CodecError(f"the NDArray-list file holds an array of the unknown type {code}")
        size = 1
        for length in shape:
            size *= length
        values = np.frombuffer(self._take(size * _TYPES[code].itemsize), dtype=_TYPES[code])
        return values.reshape(shape)

    def _shape(self, magic: int) -> tuple[int, ...]:
        if magic in (_V1, _V2, _V3):
            (dimensions,) = self.numbers("i")
            form = "q"
        else:
            # The first version had no magic number: what stands there is the dimensions' number.
            dimensions, form = magic, "I"
        if not 0 <= dimensions <= _DIMENSIONS:
            raise CodecError(f"the NDArray-list file holds no array at byte {self._at - 4}")
        shape = self.numbers(form * dimensions)
        if any(length < 0 for length in shape):
            raise CodecError(
                f"the NDArray-list file holds an array of the impossible shape {shape}"
            )
        return shape

    def _take(self, size: int) -> bytes:
        piece = self._data[self._at : self._at + size]
        if len(piece) < size:
            raise CodecError(
                f"the NDArray-list file is cut off: {size} bytes are wanted at byte {self._at}, "
                f"{len(piece)} are there"
            )
        self._at += size
        return piece
