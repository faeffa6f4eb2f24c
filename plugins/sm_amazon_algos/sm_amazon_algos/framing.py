"""RecordIO: where the records of a stream begin and end.

A record, or a part of one, is a magic number, a word that holds 29 bits of length under 3 bits that
say which part it is, the payload, and zeros up to a multiple of four; numbers are little-endian. A
writer may cut a record at every aligned magic number in its payload, which it then leaves out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

import attrs
import numpy as np

from sm_amazon_algos.encoding import MAGIC, MAX_PAYLOAD
from sm_amazon_algos.matrices import Array
from sm_core.errors import CodecError

__all__ = ["Frames", "read_frames", "split", "split_part"]

_MAGIC = np.uint32(int.from_bytes(MAGIC, "little"))
#: Which part of a record a frame holds.
WHOLE, FIRST, MIDDLE, LAST = range(4)
#: Bytes that are asked of a file at once. What a record declares is never allocated before it came.
CHUNK = 4 << 20


@attrs.frozen(eq=False)
class Frames:
    """The payloads of some records, which lie in one array.

    Attributes:
        data: bytes.
        starts: where each payload begins in `data`.
        sizes: bytes of each.
        origins: where each record begins in its stream, for messages.
        first: number of the first one in its stream, for messages.
    """

    data: Array
    starts: Array
    sizes: Array
    origins: Array
    first: int = 0

    def __len__(self) -> int:
        return len(self.starts)

    def payloads(self) -> Iterator[memoryview]:
        """Each record's payload."""
        view = self.data.data
        ends = (self.starts + self.sizes).tolist()
        for start, end in zip(self.starts.tolist(), ends, strict=True):
            yield view[start:end]


def split(data: Array, base: int = 0) -> Frames:
    """The records in `data`, all of a stream or what follows its first `base` bytes.

    Raises:
        CodecError: it is no RecordIO, or cut off; says at which byte.
    """
    return split_part(data, base, final=True)[0]


def read_frames(file: IO[bytes]) -> Iterator[Frames]:
    """The records of a file or stream, some mebibytes at a time.

    Raises:
        CodecError: it is no RecordIO, or cut off; says at which byte.
    """
    base, data = 0, b""
    while True:
        # At least as much as is there already, so that a long record is not looked at too often.
        wanted = max(CHUNK, len(data))
        more = []
        while wanted > 0 and (chunk := file.read(min(CHUNK, wanted))):
            more.append(chunk)
            wanted -= len(chunk)
        final = wanted > 0
        data = b"".join([data, *more])
        frames, used = split_part(np.frombuffer(data, dtype=np.uint8), base, final=final)
        if len(frames):
            yield frames
        if final:
            return
        base, data = base + used, data[used:]


def split_part(data: Array, base: int, *, final: bool) -> tuple[Frames, int]:
    """The records in a part of a stream, and how many bytes they take.

    Args:
        data: the part; it begins with a record.
        base: bytes of the stream before it.
        final: whether the stream ends with it. If it does not, what is incomplete waits.

    Raises:
        CodecError: it is no RecordIO, or cut off; says at which byte.
    """
    words = data[: len(data) // 4 * 4].view("<u4")
    found = np.flatnonzero(words == _MAGIC)
    # A magic number in the last word has no length behind it.
    headers = found[found + 1 < len(words)]
    marks = words[headers + 1]
    lengths = (marks & np.uint32(MAX_PAYLOAD)).astype(np.int64)
    after = headers + 2 + (lengths + 3 >> 2)
    kept, stop = _chain(headers, after, len(words))
    if final and stop * 4 != len(data):
        raise _incomplete(data, stop, base)
    if not final:
        _check_rest(words, stop, base)
    headers, lengths, parts = headers[kept], lengths[kept], (marks >> np.uint32(29))[kept]
    starts = headers * 4 + 8
    frames = Frames(data, starts, lengths, starts - 8 + base)
    if parts.any():
        frames, complete = _joined(frames, parts, final=final)
        if complete < len(headers):
            stop = int(headers[complete])
    return frames, stop * 4


def _chain(headers: Array, after: Array, total: int) -> tuple[Array, int]:
    """Which magic numbers begin a frame, each where the one before ends; and where that ends.

    Args:
        headers: places of the magic numbers, in words.
        after: where each would end if it began a frame.
        total: words that are there.

    Returns:
        a mask over `headers`, and the place behind the last complete frame.
    """
    kept = np.zeros(len(headers), dtype=np.bool_)
    # Nearly always each is followed by the next one; the others are numbers that look like magic.
    breaks = np.flatnonzero(after[:-1] != headers[1:])
    breaks = np.append(breaks, len(headers) - 1)
    index, stop = 0, 0
    while index < len(headers) and int(headers[index]) == stop:
        last = int(breaks[np.searchsorted(breaks, index)])
        if int(after[last]) > total:
            kept[index:last] = True
            stop = int(headers[last])
            break
        kept[index : last + 1] = True
        stop = int(after[last])
        index = int(np.searchsorted(headers, stop))
    return kept, stop


def _incomplete(data: Array, stop: int, base: int) -> CodecError:
    """What is wrong behind the last complete frame."""
    offset, rest = base + stop * 4, data[stop * 4 :]
    head = rest[:4].tobytes()
    if head != MAGIC[: len(head)]:
        return _no_magic(head, offset)
    if len(rest) < 8:
        return CodecError(
            f"recordio: the record at byte {offset} is cut off: {len(rest)} of the 8 bytes of its "
            "header are there"
        )
    length = int.from_bytes(rest[4:8].tobytes(), "little") & MAX_PAYLOAD
    return CodecError(
        f"recordio: the record at byte {offset} is cut off: it declares {length} bytes and "
        f"{-length % 4} of padding, {len(rest) - 8} are there"
    )


def _check_rest(words: Array, stop: int, base: int) -> None:
    """Refuse at once what cannot become a record, however much follows."""
    if stop < len(words) and words[stop] != _MAGIC:
        raise _no_magic(words[stop].tobytes(), base + stop * 4)


def _no_magic(head: bytes, offset: int) -> CodecError:
    return CodecError(
        f"recordio: a record should begin at byte {offset} with {MAGIC.hex(' ')}, but there is "
        f"{head.hex(' ')}"
    )


def _joined(frames: Frames, parts: Array, *, final: bool) -> tuple[Frames, int]:
    """The records of frames of which some are parts; and how many frames make complete records."""
    inside = (parts == MIDDLE) | (parts == LAST)
    open_before = np.zeros(len(parts), dtype=np.bool_)
    open_before[1:] = (parts[:-1] == FIRST) | (parts[:-1] == MIDDLE)
    wrong = np.flatnonzero((parts > LAST) | (inside != open_before))
    if len(wrong):
        raise _out_of_order(frames, parts, int(wrong[0]))
    complete = len(parts)
    if parts[-1] in (FIRST, MIDDLE):
        complete = int(np.flatnonzero(~inside)[-1])
        if final:
            raise CodecError(
                f"recordio: the record at byte {frames.origins[complete]} is cut off: its last "
                "part is missing"
            )
    pieces: list[bytes | memoryview] = []
    for part, payload in zip(parts[:complete].tolist(), frames.payloads(), strict=False):
        pieces.append(payload)
        if part in (FIRST, MIDDLE):
            pieces.append(MAGIC)
    begins = np.flatnonzero(~inside[:complete])
    held = frames.sizes[:complete] + 4 * np.isin(parts[:complete], (FIRST, MIDDLE))
    sizes = np.add.reduceat(held, begins) if len(begins) else held[:0]
    joined = np.frombuffer(b"".join(pieces), dtype=np.uint8)
    return Frames(joined, np.cumsum(sizes) - sizes, sizes, frames.origins[begins]), complete


def _out_of_order(frames: Frames, parts: Array, index: int) -> CodecError:
    names = {WHOLE: "a whole record", FIRST: "a first part", MIDDLE: "a middle part"}
    names[LAST] = "a last part"
    part = int(parts[index])
    what = names.get(part, f"a part of the unknown kind {part}")
    before = f"follows {names[int(parts[index - 1])]}" if index else "begins the data"
    return CodecError(f"recordio: at byte {frames.origins[index]} {what} {before}")
