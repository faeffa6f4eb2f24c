"""Rows to be written as records: of arrays, lists, and sparse matrices that stay sparse.

Conversions happen block by block, so that an array on disk (``numpy.memmap``) or one of another
integer width never needs a second copy of itself in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias

import attrs
import numpy as np
import numpy.typing as npt

from sm_core.errors import CodecError

__all__ = [
    "Array",
    "DenseRows",
    "Kind",
    "Rows",
    "SparseRows",
    "as_labels",
    "as_rows",
    "is_sparse",
    "within_range",
]

Array: TypeAlias = npt.NDArray[Any]
#: The tensors that a record may hold; each is the name of its numpy type, too.
Kind = Literal["float32", "float64", "int32"]

_INT32 = np.iinfo(np.int32)


@attrs.frozen(eq=False)
class DenseRows:
    """The rows of a two-dimensional array.

    Attributes:
        array: of any numeric type, a row per record.
        kind: the tensor that holds a row.
    """

    array: Array
    kind: Kind

    def __len__(self) -> int:
        return len(self.array)

    @property
    def columns(self) -> int:
        """Values per row."""
        return int(self.array.shape[1])

    def between(self, start: int, stop: int) -> DenseRows:
        """These rows alone; nothing is copied."""
        return DenseRows(self.array[start:stop], self.kind)

    def values(self) -> Array:
        """The values in the tensor's type, little-endian."""
        return _converted(self.array, self.kind)


@attrs.frozen(eq=False)
class SparseRows:
    """The rows of a compressed sparse row matrix.

    Attributes:
        data: the values that are stored, row after row.
        indices: column of each.
        indptr: where each row begins in both; n + 1 numbers.
        columns: the matrix's width.
        kind: the tensor that holds a row.
    """

    data: Array
    indices: Array
    indptr: Array
    columns: int
    kind: Kind

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def between(self, start: int, stop: int) -> SparseRows:
        """These rows alone; nothing is copied but their pointers."""
        pointers = self.indptr[start : stop + 1]
        first, last = (int(pointers[0]), int(pointers[-1])) if len(pointers) else (0, 0)
        return SparseRows(
            self.data[first:last],
            self.indices[first:last],
            pointers.astype(np.int64) - first,
            self.columns,
            self.kind,
        )

    def values(self) -> Array:
        """The stored values in the tensor's type, little-endian."""
        return _converted(self.data, self.kind)

    def keys(self) -> Array:
        """The columns of the stored values.

        Raises:
            CodecError: one lies outside of the matrix.
        """
        if len(self.indices) and not (
            self.indices.min() >= 0 and self.indices.max() < self.columns
        ):
            raise CodecError(
                f"the sparse matrix has column indices from {self.indices.min()} to "
                f"{self.indices.max()}, but {self.columns} columns"
            )
        return self.indices


Rows: TypeAlias = DenseRows | SparseRows


def is_sparse(data: object) -> bool:
    """Whether `data` is a sparse matrix or array of scipy, known by its method alone."""
    return hasattr(data, "tocsr")


def as_rows(data: Any, *, kind: Kind | None = None, one_row: bool = False) -> Rows:
    """`data` as rows.

    Args:
        data: a two-dimensional array, a list of rows, a sparse matrix of scipy, or a data frame.
            Lists, which have no number type of their own, become 32-bit floating point.
        kind: the tensor to write; None for the one that fits the data's type (integers of every
            width become int32).
        one_row: take one dimension as a single row.

    Raises:
        CodecError: it has another number of dimensions, or no numbers.
    """
    if is_sparse(data):
        matrix = data.tocsr()
        if len(matrix.shape) != 2:
            raise CodecError(f"a sparse array of shape {matrix.shape} has no rows and columns")
        found = kind or _kind(matrix.data, "matrix")
        return SparseRows(matrix.data, matrix.indices, matrix.indptr, int(matrix.shape[1]), found)
    array = _as_array(data, "data")
    if array.ndim == 1 and one_row:
        array = array[np.newaxis]
    if array.ndim != 2:
        raise CodecError(
            f"rows and columns are needed, the data has {array.ndim} "
            f"dimension{'' if array.ndim == 1 else 's'}; reshape it, for example with "
            "reshape(-1, 1) for one column or reshape(1, -1) for one row"
        )
    return DenseRows(array, kind or _kind(array, "data"))


def as_labels(labels: Any, rows: int, *, kind: Kind | None = None) -> DenseRows:
    """`labels`, one or several for each of `rows` rows.

    Raises:
        CodecError: there are more or fewer, or they are no numbers.
    """
    array = _as_array(labels, "labels")
    if array.ndim == 1:
        array = array[:, np.newaxis]
    if array.ndim != 2 or len(array) != rows:
        raise CodecError(
            f"labels of shape {np.shape(labels)} do not fit {rows} rows; one label a row is needed"
        )
    return DenseRows(array, kind or _kind(array, "labels"))


@contextmanager
def within_range() -> Iterator[None]:
    """Refuse numbers that a narrower type cannot hold; numpy would write infinity for them.

    Raises:
        CodecError: a number is beyond the range.
    """
    try:
        with np.errstate(over="raise"):
            yield
    except FloatingPointError as error:
        raise CodecError(
            f"the data has numbers beyond {np.finfo(np.float32).max:.1e}, the range of 32-bit "
            "floating point; scale or clip them"
        ) from error


def _as_array(data: Any, name: str) -> Array:
    if isinstance(data, np.ma.MaskedArray):
        raise CodecError(f"{name}: a record has no masked values; fill them first (.filled(…))")
    if isinstance(data, np.ndarray):
        return np.asarray(data)
    convert = getattr(data, "to_numpy", None)
    if convert is not None:
        return np.asarray(convert())
    if hasattr(data, "__array__"):
        return np.asarray(data)
    if not isinstance(data, (list, tuple)):
        raise CodecError(
            f"{name}: a {type(data).__name__} is no matrix; give a numpy array, a list of rows or "
            "a sparse matrix of scipy"
        )
    try:
        # numpy scalars and arrays inside keep their type, bare Python numbers have none.
        array = np.asarray(data)
    except ValueError as error:
        raise CodecError(f"{name}: the rows differ in length ({error})") from error
    with within_range():
        return array.astype(np.float32) if array.dtype.kind in "biuf" else array


def _kind(array: Array, name: str) -> Kind:
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind in "biu":
        return "int32"
    if kind == "f" and size <= 4:
        return "float32"
    if kind == "f" and size == 8:
        return "float64"
    raise CodecError(
        f"{name} of type {array.dtype} cannot be written; convert it, for example with "
        ".astype('float32')"
    )


def _converted(array: Array, kind: Kind) -> Array:
    if kind == "int32" and array.dtype.kind in "iu" and array.dtype.itemsize >= 4 and array.size:
        smallest, largest = int(array.min()), int(array.max())
        if smallest < _INT32.min or largest > _INT32.max:
            raise CodecError(
                f"integers from {smallest} to {largest} do not fit the 32 bits of a record; "
                "convert them, for example with .astype('float64')"
            )
    return array.astype(np.dtype(kind).newbyteorder("<"), copy=False)
