"""What many records hold, as arrays: one row per record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, cast

import attrs
import numpy as np

from sm_amazon_algos.framing import Frames
from sm_amazon_algos.matrices import Array, Kind, SparseRows
from sm_core.errors import CodecError

__all__ = ["Column", "RecordArrays", "as_csr", "assemble"]


@attrs.frozen(eq=False, kw_only=True)
class RecordArrays:
    """The tensors of many records, by name: one row per record.

    A feature is a two-dimensional array, or a ``csr_matrix`` of scipy if it is sparse. A label is
    one-dimensional where every record has a single value of it.

    Attributes:
        features: by name; the usual one is ``values``.
        label: by name; ``values`` in training data, ``closest_cluster`` and the like in answers.
    """

    features: Mapping[str, Any]
    label: Mapping[str, Any]


@attrs.frozen(eq=False, kw_only=True)
class Column:
    """The tensors of one name in a run of records.

    Attributes:
        values: of all, row after row.
        counts: how many each row has.
        keys: positions of the values in sparse rows, row after row; None if no row is sparse.
        sparse: which rows have keys.
        columns: width that each row declares; -1 where it declares none.
    """

    values: Array
    counts: Array
    keys: Array | None = None
    sparse: Array
    columns: Array


def assemble(
    frames: Frames,
    runs: Sequence[tuple[Array, Mapping[tuple[str, str], Column]]],
    *,
    sparse: Callable[[SparseRows], Any],
) -> RecordArrays:
    """One array per name, of the columns of runs of rows.

    Args:
        frames: the records, for messages.
        runs: row numbers, ascending, and their columns; together each row once.
        sparse: makes of sparse rows what is to be returned of them.

    Raises:
        CodecError: the rows do not fit together.
    """
    names = list(dict.fromkeys(name for _, columns in runs for name in columns))
    found: dict[str, dict[str, Any]] = {"features": {}, "label": {}}
    for field, name in names:
        for rows, columns in runs:
            if (field, name) not in columns:
                raise _odd(frames, int(rows[0]), f"has no {field} {name!r}, as others have")
        whole = _merged([(rows, columns[field, name]) for rows, columns in runs], len(frames))
        values = _array(frames, whole, field, name)
        found[field][name] = sparse(values) if isinstance(values, SparseRows) else values
    return RecordArrays(features=found["features"], label=found["label"])


def _merged(parts: Sequence[tuple[Array, Column]], total: int) -> Column:
    """The columns of all runs as one, in the order of the rows."""
    if len(parts) == 1:
        return parts[0][1]
    ordered = all(before[-1] < after[0] for (before, _), (after, _) in pairwise(parts))
    columns = [column for _, column in parts]
    counts, sparse, widths = (
        np.concatenate([getattr(column, name) for column in columns])
        for name in ("counts", "sparse", "columns")
    )
    values = np.concatenate([column.values for column in columns])
    keys = None
    if any(column.keys is not None for column in columns):
        given = [column.keys for column in columns if column.keys is not None]
        kind = np.result_type(*given)
        # Small ones become what a sparse matrix has on the way, instead of later.
        keys = np.concatenate(given, dtype=np.int32 if kind.itemsize <= 2 else kind)
    if not ordered:
        rows = np.concatenate([rows for rows, _ in parts])
        order = np.argsort(rows, kind="stable")
        values = values[_gathered(counts, order)]
        keys = None if keys is None else keys[_gathered(np.where(sparse, counts, 0), order)]
        counts, sparse, widths = counts[order], sparse[order], widths[order]
    assert len(counts) == total
    return Column(values=values, counts=counts, keys=keys, sparse=sparse, columns=widths)


def _gathered(counts: Array, order: Array) -> Array:
    """Where the values of each row of `order` stand, row after row."""
    starts = np.cumsum(counts) - counts
    wanted = counts[order]
    ends = np.cumsum(wanted)
    shift = np.repeat(starts[order] - (ends - wanted), wanted)
    places: Array = shift + np.arange(int(ends[-1]) if len(ends) else 0)
    return places


def _array(frames: Frames, column: Column, field: str, name: str) -> Any:
    declared = column.columns[column.columns >= 0]
    if column.keys is not None or (len(declared) and (column.counts != column.columns).any()):
        return _sparse_rows(frames, column, field, name)
    width = int(column.counts[0])
    odd = np.flatnonzero(column.counts != width)
    if len(odd):
        number = int(column.counts[odd[0]])
        raise _odd(
            frames, int(odd[0]), f"has {number} values of {field} {name!r}, the first has {width}"
        )
    if field == "label" and width == 1:
        return column.values
    return column.values.reshape(len(column.counts), width)


def _sparse_rows(frames: Frames, column: Column, field: str, name: str) -> SparseRows:
    what = f"{field} {name!r}"
    width = int(column.columns.max())
    if width < 0:
        raise _odd(frames, 0, f"declares no shape in its sparse {what}")
    odd = np.flatnonzero(column.columns != width)
    if len(odd):
        other = int(column.columns[odd[0]])
        text = f"declares a width of {other}" if other >= 0 else "declares no shape"
        raise _odd(frames, int(odd[0]), f"{text} in its sparse {what}, others {width}")
    dense = np.flatnonzero(~column.sparse & (column.counts != 0))
    keys = np.zeros(0, np.uint64) if column.keys is None else column.keys
    if len(dense):
        keys = _with_dense_rows(frames, column, dense, width, what)
    if len(keys) and int(keys.max()) >= width:
        ends = np.cumsum(column.counts)
        first = int(np.flatnonzero(keys >= width)[0])
        row = int(np.searchsorted(ends, first, side="right"))
        raise _odd(frames, row, f"has key {int(keys[first])} in its {what}, {width} columns wide")
    small = width <= np.iinfo(np.int32).max and len(keys) <= np.iinfo(np.int32).max
    index = np.int32 if small else np.int64
    pointers = np.zeros(len(column.counts) + 1, dtype=index)
    np.cumsum(column.counts, out=pointers[1:])
    indices = keys.astype(index, copy=False)
    kind = cast("Kind", str(column.values.dtype.newbyteorder("=")))
    return SparseRows(column.values, indices, pointers, width, kind)


def as_csr(rows: SparseRows) -> Any:
    """The ``csr_matrix`` of scipy with these rows.

    Raises:
        CodecError: scipy is not installed.
    """
    try:
        from scipy.sparse import csr_matrix
    except ImportError as error:
        raise CodecError(
            "the records are sparse, and a sparse matrix needs scipy: pip install scipy; "
            "or read the records one by one with read_records"
        ) from error
    shape = (len(rows), rows.columns)
    return csr_matrix((rows.data, rows.indices, rows.indptr), shape=shape)


def _with_dense_rows(frames: Frames, column: Column, dense: Array, width: int, what: str) -> Array:
    """The keys of all rows, where those of `dense` rows are all columns."""
    odd = dense[column.counts[dense] != width]
    if len(odd):
        number = int(column.counts[odd[0]])
        text = f"has {number} values of {what} without keys, {width} columns wide"
        raise _odd(frames, int(odd[0]), text)
    keys = np.empty(len(column.values), dtype=np.uint64)
    given = np.repeat(column.sparse, column.counts)
    if column.keys is not None:
        keys[given] = column.keys
    keys[~given] = np.tile(np.arange(width, dtype=np.uint64), len(dense))
    return keys


def _odd(frames: Frames, row: int, text: str) -> CodecError:
    return CodecError(
        f"recordio: record {frames.first + row}, at byte {frames.origins[row]}, {text}"
    )
