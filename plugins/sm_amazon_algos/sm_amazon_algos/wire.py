"""Protobuf's wire format, field by field: where a record's tensors lie, or what is wrong with it.

protobuf itself says no more than that a message cannot be parsed. This walks over the bytes of one
record to name the byte and the reason, and to find the places of its numbers.
"""

from __future__ import annotations

import attrs

from sm_amazon_algos.encoding import TENSOR_TAGS
from sm_amazon_algos.matrices import Kind
from sm_core.errors import CodecError

__all__ = ["Tensor", "explain", "tensors"]

_VARINT, _FIXED64, _BYTES, _GROUP, _GROUP_END, _FIXED32 = range(6)
_WIDTHS = {_FIXED64: 8, _FIXED32: 4}
#: Unknown groups may be nested; protobuf's own parsers stop at this depth.
_DEPTH = 100


@attrs.frozen(kw_only=True)
class Tensor:
    """One tensor in a record.

    Attributes:
        field: ``features`` or ``label``.
        name: its name there, as bytes.
        kind: its type.
        values: where its packed values lie in the payload; None if they are not in one place.
        keys: bytes of its packed keys.
        shape: bytes of its packed shape.
    """

    field: str
    name: bytes
    kind: Kind
    values: slice | None
    keys: bytes = b""
    shape: bytes = b""


class _Malformed(Exception):
    """The bytes are no message: at which one, and why."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(reason)
        self.offset = offset


@attrs.frozen
class _Field:
    """One field as it lies in the bytes; for a number of wire type varint, its value in `start`."""

    number: int
    wire: int
    start: int
    stop: int


def explain(payload: bytes | memoryview, origin: int, header: int = 8) -> CodecError:
    """The error for a record that protobuf refused.

    Args:
        payload: the record.
        origin: where its frame begins in the stream.
        header: bytes of the frame before the payload.
    """
    try:
        _record(bytes(payload))
    except _Malformed as error:
        at, reason = origin + header + error.offset, str(error)
    else:
        at, reason = origin + header, "protobuf refuses it"
    return CodecError(f"recordio: the record at byte {origin} is damaged at byte {at}: {reason}")


def tensors(payload: bytes) -> list[Tensor] | None:
    """The tensors of a well-formed record in their order; None if there is anything else in it."""
    try:
        return _record(payload)
    except _Malformed:
        return None


def _record(data: bytes) -> list[Tensor] | None:
    found: list[Tensor | None] = []
    for field in _fields(data, 0, len(data)):
        kind = {1: "features", 2: "label"}.get(field.number)
        if kind is None or field.wire != _BYTES:
            continue
        found.append(_entry(data, field, kind))
    tensors = [tensor for tensor in found if tensor is not None]
    names = {(tensor.field, tensor.name) for tensor in tensors}
    return tensors if len(names) == len(found) else None


def _entry(data: bytes, entry: _Field, kind: str) -> Tensor | None:
    name, values = b"", []
    for field in _fields(data, entry.start, entry.stop):
        if field.number == 1 and field.wire == _BYTES:
            name = data[field.start : field.stop]
        elif field.number == 2 and field.wire == _BYTES:
            values.append(field)
        else:
            # What protobuf makes of an entry with more in it depends on its implementation.
            return None
    found = [tensor for value in values for tensor in _value(data, value, kind, name)]
    return found[0] if len(values) == len(found) == 1 else None


def _value(data: bytes, value: _Field, kind: str, name: bytes) -> list[Tensor | None]:
    kinds = {tag >> 3: tensor for tensor, tag in TENSOR_TAGS.items()}
    found: list[Tensor | None] = []
    for field in _fields(data, value.start, value.stop):
        if field.wire == _BYTES and field.number in kinds:
            found.append(_tensor(data, field, kinds[field.number], kind, name))
        elif field.wire == _BYTES and field.number == 9:
            list(_fields(data, field.start, field.stop))
            found.append(None)
    return found


def _tensor(data: bytes, tensor: _Field, kind: Kind, field: str, name: bytes) -> Tensor | None:
    packed: dict[int, list[_Field]] = {1: [], 2: [], 3: []}
    plain = True
    for part in _fields(data, tensor.start, tensor.stop):
        if part.number not in packed:
            continue
        if part.wire != _BYTES:
            plain = False
            continue
        packed[part.number].append(part)
        width = {"float32": 4, "float64": 8}.get(kind) if part.number == 1 else None
        _check_packed(data, part, width)
    if not plain or any(len(parts) > 1 for parts in packed.values()):
        return None
    values, keys, shape = (parts[0] if parts else None for parts in packed.values())
    return Tensor(
        field=field,
        name=name,
        kind=kind,
        values=slice(values.start, values.stop) if values else slice(0, 0),
        keys=data[keys.start : keys.stop] if keys else b"",
        shape=data[shape.start : shape.stop] if shape else b"",
    )


def _check_packed(data: bytes, part: _Field, width: int | None) -> None:
    length = part.stop - part.start
    if width is not None:
        if length % width:
            raise _Malformed(part.start, f"{length} bytes of values are no multiple of {width}")
        return
    at = part.start
    while at < part.stop:
        _, at = _varint(data, at, part.stop)


def _fields(data: bytes, start: int, stop: int) -> list[_Field]:
    found = []
    at = start
    while at < stop:
        field, at = _next(data, at, stop, 0)
        found.append(field)
    return found


def _next(data: bytes, at: int, stop: int, depth: int) -> tuple[_Field, int]:
    began = at
    tag, at = _varint(data, at, stop)
    number, wire = tag >> 3, tag & 7
    if number == 0 or number >= 1 << 29:
        raise _Malformed(began, f"there is no field number {number}")
    if wire == _VARINT:
        value, at = _varint(data, at, stop)
        return _Field(number, wire, value, at), at
    if wire == _BYTES:
        length, at = _varint(data, at, stop)
        if length > stop - at:
            raise _Malformed(
                began, f"field {number} declares {length} bytes, {stop - at} are there"
            )
        return _Field(number, wire, at, at + length), at + length
    if wire in _WIDTHS:
        if _WIDTHS[wire] > stop - at:
            raise _Malformed(
                began, f"field {number} needs {_WIDTHS[wire]} bytes, {stop - at} are there"
            )
        return _Field(number, wire, at, at + _WIDTHS[wire]), at + _WIDTHS[wire]
    if wire == _GROUP:
        end = _group(data, at, stop, number, depth + 1)
        return _Field(number, wire, at, end), end
    what = "ends a group that never began" if wire == _GROUP_END else f"has wire type {wire}"
    raise _Malformed(began, f"field {number} {what}")


def _group(data: bytes, at: int, stop: int, number: int, depth: int) -> int:
    """Where the unknown group ends that began before `at`."""
    if depth > _DEPTH:
        raise _Malformed(at, f"groups are nested deeper than {_DEPTH}")
    while at < stop:
        tag, after = _varint(data, at, stop)
        if tag == number << 3 | _GROUP_END:
            return after
        _, at = _next(data, at, stop, depth)
    raise _Malformed(at, f"the group of field {number} does not end")


def _varint(data: bytes, at: int, stop: int) -> tuple[int, int]:
    value = 0
    for place in range(10):
        if at + place >= stop:
            raise _Malformed(at, "a number is cut off")
        byte = data[at + place]
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    raise _Malformed(at, "a number takes more than ten bytes")
