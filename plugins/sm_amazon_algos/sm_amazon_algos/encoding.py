"""Rows to RecordIO-protobuf, whole blocks of rows at a time.

The bytes are those that protobuf's own serialisation of one ``Record`` per row gives, framed by
RecordIO: magic, length, payload, zeros up to a multiple of four. Where all rows take the same bytes
but for their numbers, a block that holds everything else is filled in again and again; otherwise
sizes are computed for all rows at once, and the parts of all rows are put in place together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import attrs
import numpy as np

from sm_amazon_algos import keys, ragged, varints
from sm_amazon_algos.matrices import Array, DenseRows, Kind, Rows, SparseRows
from sm_amazon_algos.ragged import Runs
from sm_core.errors import CodecError

__all__ = ["MAGIC", "MAX_PAYLOAD", "TENSOR_TAGS", "encode_blocks"]

MAGIC = bytes.fromhex("0a23d7ce")
#: The frame's length has 29 bits; the other three say whether it is a part of a record.
MAX_PAYLOAD = (1 << 29) - 1
#: Bytes that a block aims at: large enough to hide numpy's cost per call, small enough for a cache.
BLOCK = 1 << 20
#: The same for rows of different sizes, which take more calls a block.
RAGGED_BLOCK = 1 << 21
_USUAL = 10_000
#: More than the bytes that any length in a record takes.
_LENGTH_BYTES = 6

#: Field numbers and wire types as they stand in the bytes; see `sm_amazon_algos.records`.
TENSOR_TAGS: dict[Kind, int] = {"float32": 0x12, "float64": 0x1A, "int32": 0x3A}
FEATURES, LABEL = 0x0A, 0x12
#: The entry's key: field 1, six bytes, the one name that the algorithms know.
_NAME = b"\x0a\x06values"
_VALUES, _KEYS, _SHAPE = 0x0A, 0x12, 0x1A
_ENTRY_VALUE = 0x12


def encode_blocks(rows: Rows, labels: DenseRows | None = None) -> Iterator[Array]:
    """The records of `rows` as blocks of bytes.

    Args:
        rows: one record each.
        labels: as many.

    Yields:
        arrays of uint8, whole records each, that are valid until the next one is asked for.

    Raises:
        CodecError: a number does not fit its tensor, or a row the format.
    """
    fixed = isinstance(rows, DenseRows) and rows.kind != "int32"
    if fixed and (labels is None or labels.kind != "int32"):
        assert isinstance(rows, DenseRows)
        yield from _fixed(rows, labels)
    else:
        yield from _ragged(rows, labels)


def _fixed(rows: DenseRows, labels: DenseRows | None) -> Iterator[Array]:
    """Rows that differ in nothing but their numbers."""
    # The few of usual width are kept, for requests of a single row.
    make = _template if rows.columns > _USUAL else _kept_template
    template, places = make(
        rows.columns, rows.kind, *(() if labels is None else (labels.columns, labels.kind))
    )
    count = max(1, min(len(rows), BLOCK // len(template)))
    block = np.empty((count, len(template)), dtype=np.uint8)
    block[:] = template
    for start in range(0, len(rows), count):
        part = block[: min(count, len(rows) - start)]
        for source, place in zip((rows, labels), places, strict=False):
            if source is not None:
                _fill(part[:, place], source.array[start : start + len(part)], source.kind)
        yield part.reshape(-1)


def _template(
    columns: int, kind: Kind, label_columns: int | None = None, label_kind: Kind = "float32"
) -> tuple[Array, list[slice]]:
    """A record of zeros, and where in it features and labels stand."""
    row = DenseRows(np.zeros((1, columns), np.dtype(kind)), kind)
    if label_columns is None:
        return _assemble(row, None)
    return _assemble(row, DenseRows(np.zeros((1, label_columns), np.dtype(label_kind)), label_kind))


_kept_template = lru_cache(maxsize=16)(_template)


def _fill(target: Array, source: Array, kind: Kind) -> None:
    """Put `source`'s numbers into the bytes `target`, row by row."""
    wanted = np.dtype(kind).newbyteorder("<")
    if source.dtype == wanted and (source.strides[1] == wanted.itemsize or source.shape[1] == 1):
        target[:] = (
            np.ascontiguousarray(source).view(np.uint8)
            if source.shape[1] == 1
            else (source.view(np.uint8))
        )
    elif target.shape[1]:
        target.view(wanted)[:] = source


def _ragged(rows: Rows, labels: DenseRows | None) -> Iterator[Array]:
    """Rows of different sizes: sparse ones, and integers."""
    start = 0
    while start < len(rows):
        stop = start + _rows_for_a_block(rows, start)
        label = None if labels is None else labels.between(start, stop)
        yield _assemble(rows.between(start, stop), label)[0]
        start = stop


def _rows_for_a_block(rows: Rows, start: int) -> int:
    if isinstance(rows, DenseRows):
        return max(1, RAGGED_BLOCK // (rows.columns * 4 + 64))
    # As many as hold, with some 8 bytes a value, at most a block; at least one.
    budget = RAGGED_BLOCK // 8
    upper = min(len(rows), start + RAGGED_BLOCK // 64)
    pointers = rows.indptr[start : upper + 1]
    return max(1, int(np.searchsorted(pointers, int(pointers[0]) + budget, side="right")) - 1)


@attrs.frozen(eq=False)
class _Tensor:
    """The tensors of a block of rows, one per row, and the sizes of all that encloses them.

    Attributes:
        field: tag of the record's field.
        tag: tag of the tensor in its Value.
        values: bytes of each row's values.
        keys: bytes of each row's keys, in parts that follow one another; none for dense tensors.
        key_sizes: bytes of all parts of a row.
        shape: the shape's field, the same for all rows.
        tensor_sizes: of the tensor messages.
        inner_sizes: of the Value messages.
        entry_sizes: of the map's entries.
    """

    field: int
    tag: int
    values: Runs
    keys: Sequence[Runs]
    key_sizes: Array
    shape: bytes
    tensor_sizes: Array
    inner_sizes: Array
    entry_sizes: Array

    @classmethod
    def of(cls, field: int, rows: Rows) -> _Tensor:
        """The tensors for `rows`."""
        values, shape = _values(rows), b""
        parts: Sequence[Runs] = ()
        key_sizes = np.zeros(len(rows), np.int64)
        if isinstance(rows, SparseRows):
            parts = keys.pack(rows.keys(), rows.indptr)
            key_sizes = sum((part.sizes for part in parts), start=key_sizes)
            width = varints.packed(rows.columns)
            shape = bytes([_SHAPE, len(width)]) + width
        tensor = _field_sizes(values.sizes) + _field_sizes(key_sizes) + len(shape)
        inner = 1 + varints.sizes(tensor) + tensor
        entry = len(_NAME) + 1 + varints.sizes(inner) + inner
        tag = TENSOR_TAGS[rows.kind]
        return cls(field, tag, values, parts, key_sizes, shape, tensor, inner, entry)

    def sizes(self) -> Array:
        """Bytes of the record's field."""
        return 1 + varints.sizes(self.entry_sizes) + self.entry_sizes

    def lengths(self) -> tuple[Array, ...]:
        """The lengths that stand in the bytes: before the values, and before the keys."""
        outer = (self.entry_sizes, self.inner_sizes, self.tensor_sizes)
        return (*outer, self.values.sizes, self.key_sizes)


def _values(rows: Rows) -> Runs:
    numbers = rows.values()
    pointers: Array = (
        rows.indptr
        if isinstance(rows, SparseRows)
        else np.arange(0, numbers.size + 1, rows.columns)
        if rows.columns
        else np.zeros(len(rows) + 1, np.int64)
    )
    flat = np.ascontiguousarray(numbers).reshape(-1)
    if rows.kind != "int32":
        places = pointers * flat.itemsize
        return Runs(flat.view(np.uint8), places[:-1], np.diff(places))
    # A negative number is sent as 64 bits, ten bytes of seven.
    encoded, taken = varints.encode(flat.astype(np.int64).view(np.uint64))
    return Runs.joined(encoded, varints.per_row(taken, pointers))


def _field_sizes(lengths: Array) -> Array:
    """Bytes of a packed field with contents of `lengths`: nothing at all for an empty one."""
    found: Array = np.where(lengths == 0, 0, 1 + varints.sizes(lengths) + lengths)
    return found


def _assemble(rows: Rows, labels: DenseRows | None) -> tuple[Array, list[slice]]:
    """The records of one block, and where in the first one the numbers stand."""
    features = _Tensor.of(FEATURES, rows)
    more = None if labels is None or labels.kind != "int32" else _Tensor.of(LABEL, labels)
    tail = _tail(features.shape, None if more else labels, len(rows))
    payloads = features.sizes() - len(features.shape) + tail.shape[1]
    if more is not None:
        payloads += more.sizes()
    if len(payloads) and int(payloads.max()) > MAX_PAYLOAD:
        raise CodecError(
            f"a row takes {int(payloads.max())} bytes as a record, which may have {MAX_PAYLOAD}"
        )
    ends = np.cumsum(8 + (payloads + 3 & ~3))
    out = np.zeros(int(ends[-1]) if len(ends) else 0, dtype=np.uint8)
    header = np.empty((len(payloads), 8), dtype=np.uint8)
    header[:, :4] = np.frombuffer(MAGIC, dtype=np.uint8)
    header[:, 4:] = payloads.astype("<u4")[:, np.newaxis].view(np.uint8)
    position = np.append(0, ends[:-1]) if len(ends) else ends
    starts = _put_tensor(out, position, features, header)
    _put_fixed(out, position, tail)
    position += tail.shape[1]
    places = []
    if len(starts):
        places.append(slice(int(starts[0]), int(starts[0] + features.values.sizes[0])))
    if more is not None:
        _put_tensor(out, position, more, header[:, :0])
    elif labels is not None and len(starts):
        stop = int(position[0])
        places.append(slice(stop - labels.columns * np.dtype(labels.kind).itemsize, stop))
    return out, places


def _tail(shape: bytes, labels: DenseRows | None, rows: int) -> Array:
    """What follows the keys and is as long in all rows: the shape, and labels of a fixed size."""
    head, numbers = shape, np.zeros((rows, 0), dtype=np.uint8)
    if labels is not None:
        values = np.ascontiguousarray(labels.values())
        size = values.shape[1] * values.itemsize
        numbers = values.view(np.uint8) if size else numbers
        lead = bytes([_VALUES]) + varints.packed(size) if size else b""
        tensor = len(lead) + size
        value = bytes([TENSOR_TAGS[labels.kind]]) + varints.packed(tensor) + lead
        entry = _NAME + bytes([_ENTRY_VALUE]) + varints.packed(len(value) + size) + value
        head += bytes([LABEL]) + varints.packed(len(entry) + size) + entry
    table = np.empty((rows, len(head) + numbers.shape[1]), dtype=np.uint8)
    table[:, : len(head)] = np.frombuffer(head, dtype=np.uint8)
    table[:, len(head) :] = numbers
    return table


def _put_tensor(out: Array, position: Array, tensor: _Tensor, before: Array) -> Array:
    """Put the tensors at `position`, which moves behind their keys.

    Args:
        out: where to.
        position: of each.
        tensor: the tensors.
        before: bytes to put before each.

    Returns:
        where their values begin.
    """
    lengths = tensor.lengths()
    widths = np.zeros(len(position), dtype=np.int64)
    for length in lengths:
        widths = widths * _LENGTH_BYTES + np.where(length == 0, 0, varints.sizes(length))
    # Rows whose lengths take the same number of bytes get their heads together.
    starts = np.empty_like(position)
    key_starts = np.empty_like(position)
    for pattern in np.flatnonzero(np.bincount(widths)):
        chosen = np.flatnonzero(widths == pattern)
        entry, inner, content, value, key = (length[chosen] for length in lengths)
        at = position[chosen]
        head = [
            *(before[chosen], tensor.field, entry, _NAME, _ENTRY_VALUE, inner, tensor.tag, content),
            *((_VALUES, value) if value[0] else ()),
        ]
        at = _put_row(out, at, head)
        starts[chosen] = at
        at = at + value
        if key[0]:
            at = _put_row(out, at, [_KEYS, key])
        key_starts[chosen] = at
        position[chosen] = at + key
    ragged.copy(tensor.values, out, starts)
    for part in tensor.keys:
        ragged.copy(part, out, key_starts)
        key_starts = key_starts + part.sizes
    return starts


def _put_row(out: Array, position: Array, pieces: list[int | bytes | Array]) -> Array:
    """Put pieces for each row at its position: bytes, tables of them, and numbers as varints.

    Numbers differ in their values, not in how many bytes they take.
    """
    same = bytearray()
    columns = []
    for piece in pieces:
        if isinstance(piece, np.ndarray):
            width = piece.shape[1] if piece.ndim == 2 else varints.size(int(piece[0]))
            columns.append((slice(len(same), len(same) + width), piece))
            same += bytes(width)
        else:
            same += bytes([piece]) if isinstance(piece, int) else piece
    table = np.empty((len(position), len(same)), dtype=np.uint8)
    table[:] = np.frombuffer(same, dtype=np.uint8)
    for place, numbers in columns:
        if numbers.ndim == 2:
            table[:, place] = numbers
        else:
            varints.fill(table[:, place], numbers)
    _put_fixed(out, position, table)
    moved: Array = position + table.shape[1]
    return moved


def _put_fixed(out: Array, position: Array, table: Array) -> None:
    """Write each row of `table` at its position."""
    width = table.shape[1]
    if len(position) and width:
        windows = ragged.windows(out, width)
        windows[position] = table.view(windows.dtype)[:, 0]
