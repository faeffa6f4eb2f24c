"""Records in files and requests: the RecordIO-protobuf format of Amazon's algorithms.

The functions have the names and arguments of AWS's own SDK, and write the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO, Any, cast

import numpy as np
import numpy.typing as npt

from sm_amazon_algos.arrays import RecordArrays
from sm_amazon_algos.decoding import decode, parse_record
from sm_amazon_algos.encoding import MAGIC, MAX_PAYLOAD, encode_blocks
from sm_amazon_algos.framing import Frames, read_frames, split
from sm_amazon_algos.matrices import (
    Kind,
    Rows,
    SparseRows,
    as_labels,
    as_rows,
    is_sparse,
    within_range,
)
from sm_amazon_algos.records import Record
from sm_core.codecs import Body
from sm_core.errors import CodecError

__all__ = [
    "read_records",
    "record_body",
    "records_to_numpy",
    "write_numpy_to_dense_tensor",
    "write_spmatrix_to_sparse_tensor",
]

Buffer = bytes | bytearray | memoryview


def write_numpy_to_dense_tensor(
    file: IO[bytes], array: npt.ArrayLike, labels: npt.ArrayLike | None = None
) -> None:
    """Write the rows of `array` as records.

    Args:
        file: where to, opened for bytes.
        array: two-dimensional. float32 and float64 keep their type; integers of any width become
            int32, float16 becomes float32.
        labels: one number a row, or several.

    Raises:
        CodecError: no records can be made of them.
    """
    if is_sparse(array):
        raise CodecError(
            "a sparse matrix is not made dense; write it with write_spmatrix_to_sparse_tensor"
        )
    _write(file, as_rows(array), labels)


def write_spmatrix_to_sparse_tensor(
    file: IO[bytes], array: Any, labels: npt.ArrayLike | None = None
) -> None:
    """Write the rows of `array`, a sparse matrix of scipy, as records; it is never made dense.

    Args:
        file: where to, opened for bytes.
        array: the matrix; one that is not in rows (CSR) is converted.
        labels: one number a row, or several.

    Raises:
        CodecError: no records can be made of them.
    """
    rows = as_rows(array)
    if not isinstance(rows, SparseRows):
        raise CodecError(
            f"a {type(array).__name__} is not sparse; write it with write_numpy_to_dense_tensor"
        )
    _write(file, rows, labels)


def _write(file: IO[bytes], rows: Rows, labels: npt.ArrayLike | None) -> None:
    given = None if labels is None else as_labels(labels, len(rows))
    for block in encode_blocks(rows, given):
        view = block.data
        # A raw file may take less than it is given.
        while len(view) and (taken := file.write(view)) is not None and taken < len(view):
            view = view[taken:]


def read_records(source: IO[bytes] | Buffer) -> list[Record]:
    """The records in `source`, a file or bytes.

    Raises:
        CodecError: they are damaged or cut off; says at which byte, and how.
    """
    frames: Iterable[Frames]
    if isinstance(source, Buffer):
        frames = [split(np.frombuffer(source, dtype=np.uint8))]
    else:
        frames = read_frames(source)
    return [
        parse_record(payload, origin)
        for some in frames
        for payload, origin in zip(some.payloads(), some.origins.tolist(), strict=True)
    ]


def records_to_numpy(source: IO[bytes] | Buffer | Iterable[Record]) -> RecordArrays:
    """The numbers of many records as arrays, one row per record.

    Args:
        source: a file, bytes, or records.

    Returns:
        features and labels by name. Where `source` is bytes and all records are alike, the arrays
        are read-only views of it.

    Raises:
        CodecError: records are damaged (says at which byte, and how), or are not of one width and
            kind.
    """
    if not isinstance(source, Buffer):
        source = _read(source)
    return decode(np.frombuffer(source, dtype=np.uint8))


def _read(source: IO[bytes] | Iterable[Record]) -> bytes:
    read = getattr(source, "read", None)
    if read is not None:
        data: bytes = read()
        return data
    return _framed(cast("Iterable[Record]", source))


def _framed(records: Iterable[Record]) -> bytes:
    pieces: list[bytes] = []
    for record in records:
        payload = record.SerializeToString(deterministic=True)
        if len(payload) > MAX_PAYLOAD:
            raise CodecError(f"a record of {len(payload)} bytes, which may have {MAX_PAYLOAD}")
        pieces += (MAGIC, len(payload).to_bytes(4, "little"), payload, bytes(-len(payload) % 4))
    return b"".join(pieces)


def record_body(payload: Any, kind: Kind | None = None) -> Body:
    """A request's body.

    Args:
        payload: an array or sparse matrix of one row or many, a list of numbers or of rows, a data
            frame, or records; bytes and files go out as they are.
        kind: type of the numbers to send; None for the array's own.

    Raises:
        CodecError: no records can be made of `payload`.
    """
    if isinstance(payload, Buffer):
        return bytes(payload)
    if hasattr(payload, "read"):
        stream: IO[bytes] = payload
        return stream
    if isinstance(payload, Record):
        return _framed([payload])
    if isinstance(payload, (list, tuple)) and payload and isinstance(payload[0], Record):
        return _framed(payload)
    rows = as_rows(payload, kind=kind, one_row=True)
    with within_range():
        return b"".join(block.tobytes() for block in encode_blocks(rows))
