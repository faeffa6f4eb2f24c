"""What a model predicts, as bodies of responses, in the style of AWS's own containers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sm_amazon_algos import wire
from sm_amazon_algos.codec import CONTENT_TYPE as RECORDS
from sm_amazon_algos.encoding import MAGIC
from sm_amazon_algos.records import Record

__all__ = ["WRITERS"]

Columns = Mapping[str, npt.NDArray[Any]]


def _rows(columns: Columns) -> list[dict[str, Any]]:
    """One object a row; 32-bit numbers print as the 64-bit ones that equal them."""
    names = list(columns)
    lists = [column.tolist() for column in columns.values()]
    return [dict(zip(names, row, strict=True)) for row in zip(*lists, strict=True)]


def _as_json(columns: Columns, collection: str) -> bytes:
    return json.dumps({collection: _rows(columns)}).encode()


def _as_json_lines(columns: Columns, collection: str) -> bytes:
    return "\n".join(json.dumps(row) for row in _rows(columns)).encode()


def _as_csv(columns: Columns, collection: str) -> bytes:
    table = zip(*(column.tolist() for column in columns.values()), strict=True)
    return "\n".join(",".join(_cells(row)) for row in table).encode()


def _cells(row: tuple[Any, ...]) -> list[str]:
    return [repr(number) for cell in row for number in (cell if isinstance(cell, list) else [cell])]


def _as_records(columns: Columns, collection: str) -> bytes:
    """One record a row: the first one's bytes over again, with other numbers in their places."""
    values = {
        name: np.ascontiguousarray(column.reshape(len(column), -1), dtype="<f4")
        for name, column in columns.items()
    }
    first = Record()
    for name, column in values.items():
        first.label[name].float32_tensor.values.extend(column[0].tolist())
    payload = first.SerializeToString(deterministic=True)
    head = MAGIC + len(payload).to_bytes(4, "little")
    framed = np.frombuffer(head + payload + bytes(-len(payload) % 4), dtype=np.uint8)
    out = np.tile(framed, (len(next(iter(values.values()))), 1))
    for tensor in wire.tensors(payload) or ():
        if tensor.values is not None:
            place = slice(tensor.values.start + len(head), tensor.values.stop + len(head))
            out[:, place] = values[tensor.name.decode()].view(np.uint8)
    return out.tobytes()


#: How answers are written, by content type, the default first.
WRITERS: Mapping[str, Callable[[Columns, str], bytes]] = {
    "application/json": _as_json,
    "application/jsonlines": _as_json_lines,
    RECORDS: _as_records,
    "text/csv": _as_csv,
}
