"""RecordIO-protobuf to arrays, without a Python object per record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import attrs
import numpy as np
from google.protobuf.message import DecodeError

from sm_amazon_algos import lockstep, wire
from sm_amazon_algos.arrays import Column, RecordArrays, as_csr, assemble
from sm_amazon_algos.encoding import MAGIC, MAX_PAYLOAD
from sm_amazon_algos.framing import Frames, split, split_part
from sm_amazon_algos.matrices import Array, SparseRows
from sm_amazon_algos.records import Record, Value
from sm_amazon_algos.wire import Tensor
from sm_core.errors import CodecError

__all__ = ["decode", "decode_part", "parse_record"]

#: Records that are compared with the first one at a time.
_ROWS = 4096
#: Bytes of records that are parsed at a time.
_BLOCK = 1 << 22
#: Different plans that are tried for the records of a block before the rest is parsed one by one.
_PLANS = 8
_WIDEST = int(np.iinfo(np.int64).max)
#: Row numbers, ascending, and their columns by field and name.
Run: TypeAlias = tuple[Array, dict[tuple[str, str], Column]]
_KINDS = ("float32_tensor", "float64_tensor", "int32_tensor")


def decode(data: Array) -> RecordArrays:
    """The tensors of all records in `data`, the bytes of a whole stream.

    Where all records are alike but for their numbers, the arrays are views of `data`.

    Raises:
        CodecError: the data is damaged (says where and how), or the records do not fit together.
    """
    if not len(data):
        return RecordArrays(features={}, label={})
    alike = _alike(data)
    if alike is not None:
        return alike
    return _decoded(split(data), as_csr)


def decode_part(
    data: Array, *, base: int, first: int, final: bool
) -> tuple[RecordArrays | None, int, int]:
    """The tensors of the complete records in a part of a stream; sparse ones as `SparseRows`.

    Args:
        data: bytes of the part; it begins with a record.
        base: bytes of the stream before it, for messages.
        first: records of the stream before it, for messages.
        final: whether the stream ends with it.

    Returns:
        the tensors, None if no record is complete; how many records, and bytes, they are of. The
        tensors may be views of `data`.

    Raises:
        CodecError: as `decode`.
    """
    framed = _framed_length(data)
    whole = len(data) // framed * framed if framed else 0
    # What a stream ends with has to be a whole record, or to be refused.
    if whole and (whole == len(data) or not final):
        alike = _alike(data[:whole])
        if alike is not None:
            return alike, whole // framed, whole
    frames, used = split_part(data, base, final=final)
    if not len(frames):
        return None, 0, used
    frames = attrs.evolve(frames, first=first)
    return _decoded(frames, lambda rows: rows), len(frames), used


def _decoded(frames: Frames, sparse: Callable[[SparseRows], Any]) -> RecordArrays:
    parser, runs = _Parser(frames), []
    start = 0
    while start < len(frames):
        stop = int(np.searchsorted(frames.starts, int(frames.starts[start]) + _BLOCK))
        stop = min(max(stop, start + 1), len(frames))
        runs += parser.parse(np.arange(start, stop))
        start = stop
    return assemble(frames, runs, sparse=sparse)


def parse_record(payload: bytes | memoryview, origin: int) -> Record:
    """One record as protobuf reads it.

    Raises:
        CodecError: it is damaged; says at which byte, and how.
    """
    try:
        return Record.FromString(bytes(payload))
    except DecodeError as error:
        raise wire.explain(payload, origin) from error


def _alike(data: Array) -> RecordArrays | None:
    """Views of the data, if the records are the first one over again but for their numbers."""
    framed = _framed_length(data)
    if not framed or len(data) % framed:
        return None
    length = int.from_bytes(data[4:8].tobytes(), "little")
    plan = wire.tensors(data[8 : 8 + length].tobytes())
    if plan is None or not all(_is_plain(tensor) for tensor in plan):
        return None
    rows = data.reshape(-1, framed)
    spans = [tensor.values for tensor in plan if tensor.values is not None]
    if not _same(rows, 8 + length, [slice(s.start + 8, s.stop + 8) for s in spans]):
        return None
    found: dict[str, dict[str, Array]] = {"features": {}, "label": {}}
    for tensor, span in zip(plan, spans, strict=True):
        kind = np.dtype(tensor.kind).newbyteorder("<")
        bytes_ = rows[:, span.start + 8 : span.stop + 8]
        values = bytes_.view(kind) if bytes_.shape[1] else np.zeros((len(rows), 0), kind)
        single = tensor.field == "label" and values.shape[1] == 1
        found[tensor.field][tensor.name.decode()] = values[:, 0] if single else values
    return RecordArrays(features=found["features"], label=found["label"])


def _framed_length(data: Array) -> int:
    """Bytes of the first record with its frame; 0 if that is no whole one, or not all there."""
    head = data[:8].tobytes()
    length = int.from_bytes(head[4:], "little")
    if len(head) < 8 or head[:4] != MAGIC or length > MAX_PAYLOAD:
        return 0
    return 8 + length + (-length % 4)


def _is_plain(tensor: Tensor) -> bool:
    """Whether it is dense, and every sequence of bytes of its length is a sequence of numbers."""
    if tensor.kind == "int32" or tensor.values is None or tensor.keys or not _is_text(tensor.name):
        return False
    size = tensor.values.stop - tensor.values.start
    count = size // np.dtype(tensor.kind).itemsize
    return not tensor.shape or lockstep.width_of(tensor.shape) == count


def _is_text(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def _same(rows: Array, stop: int, spans: list[slice]) -> bool:
    """Whether all rows have the first one's bytes up to `stop`, those in `spans` aside."""
    places = []
    at = 0
    for span in [*spans, slice(stop, stop)]:
        while at < span.start:
            width = next(width for width in (8, 4, 2, 1) if width <= span.start - at)
            places.append((at, width))
            at += width
        at = span.stop
    first = rows[0]
    for start in range(0, len(rows), _ROWS):
        part = rows[start : start + _ROWS]
        for at, width in places:
            words = part[:, at : at + width].view(f"u{width}")[:, 0]
            if not (words == first[at : at + width].view(f"u{width}")).all():
                return False
    return True


class _Parser:
    """Parses records block by block; remembers what the last ones looked like."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._plan: list[Tensor] | None = None

    def parse(self, rows: Array) -> list[Run]:
        """The columns of some records, in as few runs as there are kinds of records."""
        runs: list[Run] = []
        if self._plan is not None:
            rows = self._follow(self._plan, rows, runs)
        for _ in range(_PLANS):
            if not len(rows):
                return runs
            first = int(rows[0])
            plan = _plan(self._frames, first)
            if plan is not None:
                rows = self._follow(plan, rows, runs)
            if len(rows) and rows[0] == first:
                runs.append((rows[:1], _one(self._frames, first)))
                rows = rows[1:]
            else:
                self._plan = plan
        runs += [(np.array([row]), _one(self._frames, row)) for row in rows.tolist()]
        return runs

    def _follow(self, plan: list[Tensor], rows: Array, runs: list[Run]) -> Array:
        """Add a run of those rows that follow `plan`; returns the others."""
        followed, columns = lockstep.parse(self._frames, rows, plan)
        if not followed.any():
            return rows
        runs.append((rows[followed], columns))
        return rows[~followed]


def _plan(frames: Frames, row: int) -> list[Tensor] | None:
    start, size = int(frames.starts[row]), int(frames.sizes[row])
    plan = wire.tensors(frames.data[start : start + size].tobytes())
    if plan is None or any(len(t.name) > 127 or not _is_text(t.name) for t in plan):
        return None
    for tensor in plan:
        # A longer shape would not have its length in the one byte that is looked for.
        if len(tensor.shape) > 127 or lockstep.width_of(tensor.shape) > _WIDEST:
            return None
    return plan


def _one(frames: Frames, row: int) -> dict[tuple[str, str], Column]:
    """The columns of a single record, read by protobuf."""
    start, size = int(frames.starts[row]), int(frames.sizes[row])
    origin = int(frames.origins[row])
    record = parse_record(frames.data[start : start + size].tobytes(), origin)
    columns = {}
    for field in ("features", "label"):
        try:
            entries = dict(getattr(record, field))
        except UnicodeDecodeError as error:
            where = f"record {frames.first + row}, at byte {origin}"
            raise CodecError(f"recordio: {where}, has a name that is not UTF-8") from error
        for name, value in entries.items():
            columns[field, name] = _column(
                value, f"record {frames.first + row}, at byte {origin}: {field} {name!r}"
            )
    return columns


def _column(value: Value, where: str) -> Column:
    kind = value.WhichOneof("value")
    if kind not in _KINDS:
        what = "holds nothing" if kind is None else f"holds {kind}"
        raise CodecError(f"recordio: {where} {what}, which is no array; read it with read_records")
    tensor = getattr(value, kind)
    values = np.array(tensor.values, dtype=np.dtype(kind.removesuffix("_tensor")))
    keys = np.array(tensor.keys, dtype=np.uint64)
    if len(keys) not in (0, len(values)):
        raise CodecError(f"recordio: {where} has {len(keys)} keys for {len(values)} values")
    width = 1
    for number in tensor.shape:
        width *= number
    if width > _WIDEST:
        raise CodecError(f"recordio: {where} has the impossible shape {list(tensor.shape)}")
    return Column(
        values=values,
        counts=np.array([len(values)]),
        keys=keys if len(keys) else None,
        sparse=np.array([len(keys) > 0]),
        columns=np.array([width if tensor.shape else -1]),
    )
