"""Pipe mode, for scripts: a channel's data as one stream for each epoch.

::

    from sm_core.container.pipes import open_epoch, read_records

    for epoch in range(3):
        with open_epoch("train", epoch) as stream:
            for record in read_records(stream):
                ...
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from sm_core.container.errors import ContainerError

__all__ = ["open_epoch", "read_records"]

#: Seconds between two looks for a FIFO that is not there yet.
_PAUSE = 0.02
#: RecordIO framing: each record begins with this number and its length, both little-endian, and
#: ends at a multiple of four bytes. The upper three bits of the length say which part of a record
#: that was split this is. Source: dmlc-core, include/dmlc/recordio.h.
_MAGIC = 0xCED7230A
_LENGTH_BITS = 29
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)


def open_epoch(channel: str, epoch: int = 0, *, patience: float = 600.0) -> BinaryIO:
    """The data of one epoch of a channel in Pipe mode, as an open stream.

    All objects of the channel come one after the other. Read to the end, or close early, before
    the next epoch is opened. Blocks until the platform begins to write.

    Args:
        channel: its name.
        epoch: 0 for the first reading of the data, then one more each time.
        patience: seconds for which the FIFO may be missing.

    Raises:
        ContainerError: there is no such FIFO in that time.
    """
    base = Path(os.environ.get("SAGEMAKER_BASE_DIR") or "/opt/ml")
    data = Path(os.environ.get("SM_INPUT_DIR") or base / "input") / "data"
    path = data / f"{channel}_{epoch}"
    deadline = time.monotonic() + patience
    while True:
        try:
            return path.open("rb")
        except FileNotFoundError:
            if (data / channel).is_dir():
                raise ContainerError(
                    f"channel {channel!r} is not in Pipe mode: its files lie in {data / channel}"
                ) from None
            if time.monotonic() > deadline:
                raise ContainerError(
                    f"there is no {path} after {patience:.0f} seconds: is {channel!r} a channel of "
                    "the job, in Pipe mode?"
                ) from None
        time.sleep(_PAUSE)


def read_records(stream: BinaryIO) -> Iterator[bytes]:
    """The records of a stream in RecordIO framing.

    With the record wrapper RecordIO each object of S3 is one record.

    Raises:
        ContainerError: the stream ends within a record, or is not in this framing.
    """
    parts: list[bytes] = []
    while header := _read(stream, 8, at_boundary=not parts):
        if int.from_bytes(header[:4], "little") != _MAGIC:
            raise ContainerError("the stream is not in RecordIO framing, or not from its beginning")
        word = int.from_bytes(header[4:], "little")
        part, length = word >> _LENGTH_BITS, word & ((1 << _LENGTH_BITS) - 1)
        if part > _LAST or bool(parts) != (part in (_MIDDLE, _LAST)):
            raise ContainerError("the parts of a record are not in order")
        parts.append(_read(stream, length))
        _read(stream, -length % 4)
        if part in (_WHOLE, _LAST):
            # A record was split where it held the magic number.
            yield _MAGIC.to_bytes(4, "little").join(parts)
            parts = []


def _read(stream: BinaryIO, size: int, *, at_boundary: bool = False) -> bytes:
    """Exactly `size` bytes; nothing at the stream's end, where that may be here."""
    pieces = []
    left = size
    while left and (piece := stream.read(left)):
        pieces.append(piece)
        left -= len(piece)
    if left and not (at_boundary and left == size):
        raise ContainerError("the stream ends within a record")
    return b"".join(pieces)
