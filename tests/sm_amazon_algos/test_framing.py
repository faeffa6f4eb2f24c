"""RecordIO: where records begin and end, parts of them, and data that is damaged."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sm_amazon_algos import framing
from sm_amazon_algos.framing import Frames, read_frames, split
from sm_core.errors import CodecError

MAGIC = bytes.fromhex("0a23d7ce")
WHOLE, FIRST, MIDDLE, LAST = range(4)


def frame(payload: bytes, part: int = WHOLE) -> bytes:
    header = MAGIC + struct.pack("<I", len(payload) | part << 29)
    return header + payload + bytes(-len(payload) % 4)


def cut(payload: bytes) -> bytes:
    """A record as the writers of MXNet cut it: at each aligned magic number."""
    pieces, start = [], 0
    for at in range(0, len(payload) - 3, 4):
        if payload[at : at + 4] == MAGIC:
            pieces.append(payload[start:at])
            start = at + 4
    pieces.append(payload[start:])
    if len(pieces) == 1:
        return frame(payload)
    parts = [FIRST, *[MIDDLE] * (len(pieces) - 2), LAST]
    return b"".join(frame(piece, part) for piece, part in zip(pieces, parts, strict=True))


def found(frames: Iterable[Frames]) -> list[tuple[int, bytes]]:
    """Where records begin, and what they hold."""
    return [
        (origin, bytes(payload))
        for some in frames
        for origin, payload in zip(some.origins.tolist(), some.payloads(), strict=True)
    ]


def both_ways(data: bytes) -> list[tuple[int, bytes]]:
    """What is read of bytes, which is what is read of a file of them."""
    whole = found([split(np.frombuffer(data, dtype=np.uint8))])
    assert found(read_frames(io.BytesIO(data))) == whole
    return whole


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (b"", "0a23d7ce 00000000"),
        (b"abc", "0a23d7ce 03000000 616263 00"),
        (
            b"AAAA" + MAGIC + b"BBBB",
            "0a23d7ce 04000020 41414141 0a23d7ce 04000060 42424242",
        ),
        (MAGIC, "0a23d7ce 00000020 0a23d7ce 00000060"),
        (
            MAGIC + MAGIC + b"Z",
            "0a23d7ce 00000020 0a23d7ce 00000040 0a23d7ce 01000060 5a000000",
        ),
        (b"AAAA" + MAGIC, "0a23d7ce 04000020 41414141 0a23d7ce 00000060"),
        (b"A" + MAGIC + b"BBB", "0a23d7ce 08000000 410a23d7ce424242"),
    ],
)
def test_what_mxnet_writes_is_read(payload: bytes, text: str) -> None:
    data = bytes.fromhex(text)
    assert cut(payload) == data
    assert both_ways(data + frame(b"next")) == [(0, payload), (len(data), b"next")]


PAYLOADS = st.lists(
    st.lists(st.sampled_from([MAGIC, b"abcd", b"x", b"\0\0\0\0"]) | st.binary(max_size=9)).map(
        b"".join
    ),
    max_size=8,
)


@given(PAYLOADS)
def test_whole_records_are_found_whatever_they_hold(payloads: list[bytes]) -> None:
    data = b"".join(map(frame, payloads))
    starts = np.cumsum([0, *(len(frame(payload)) for payload in payloads)])[:-1].tolist()
    assert both_ways(data) == list(zip(starts, payloads, strict=True))


@given(PAYLOADS)
def test_records_in_parts_are_put_together(payloads: list[bytes]) -> None:
    data = b"".join(map(cut, payloads))
    assert [payload for _, payload in both_ways(data)] == payloads


@given(PAYLOADS, st.integers(min_value=8, max_value=64))
def test_a_file_is_read_in_chunks(payloads: list[bytes], chunk: int) -> None:
    data = b"".join(map(cut, payloads))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(framing, "CHUNK", chunk)
        assert [payload for _, payload in found(read_frames(io.BytesIO(data)))] == payloads


GOOD = frame(b"abcde")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x0a", "the record at byte 0 is cut off: 1 of the 8 bytes of its header are there"),
        (b"\x0b", "a record should begin at byte 0 with 0a 23 d7 ce, but there is 0b"),
        (GOOD[:7], "the record at byte 0 is cut off: 7 of the 8 bytes of its header are there"),
        (
            GOOD[:12],
            "the record at byte 0 is cut off: it declares 5 bytes and 3 of padding, 4 are there",
        ),
        (GOOD[:-1], "it declares 5 bytes and 3 of padding, 7 are there"),
        (GOOD + GOOD[:15], "the record at byte 16 is cut off: it declares 5 bytes and 3"),
        (
            GOOD + b"xyz!",
            "a record should begin at byte 16 with 0a 23 d7 ce, but there is 78 79 7a",
        ),
        (GOOD + b"\0\0", "a record should begin at byte 16 with 0a 23 d7 ce, but there is 00 00"),
        (MAGIC + b"\xff\xff\xff\x1f", "it declares 536870911 bytes and 1 of padding, 0 are there"),
        (frame(b"abcd", LAST), "at byte 0 a last part begins the data"),
        (GOOD + frame(b"", MIDDLE), "at byte 16 a middle part follows a whole record"),
        (frame(b"", FIRST) + GOOD, "at byte 8 a whole record follows a first part"),
        (frame(b"", FIRST) + frame(b"", FIRST), "at byte 8 a first part follows a first part"),
        (GOOD + frame(b"", FIRST), "the record at byte 16 is cut off: its last part is missing"),
        (frame(b"", 5), "at byte 0 a part of the unknown kind 5 begins the data"),
    ],
)
def test_damage_is_named_with_its_place(data: bytes, message: str) -> None:
    with pytest.raises(CodecError) as of_bytes:
        split(np.frombuffer(data, dtype=np.uint8))
    with pytest.raises(CodecError) as of_file:
        list(read_frames(io.BytesIO(data)))
    assert message in str(of_bytes.value)
    assert str(of_file.value) == str(of_bytes.value)


def test_places_count_from_the_beginning_of_a_long_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framing, "CHUNK", 64)
    with pytest.raises(CodecError, match="a record should begin at byte 1600 with"):
        list(read_frames(io.BytesIO(GOOD * 100 + b"damaged!")))


class Endless(io.RawIOBase):
    """A file that declares long records and goes on with zeros."""

    def __init__(self) -> None:
        self.taken = 0
        self.largest = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        """At most a mebibyte of zeros, behind a header."""
        self.largest = max(self.largest, size)
        header = MAGIC + b"\xff\xff\xff\x1f" if self.taken == 0 else b""
        self.taken += 1
        return header + bytes(1000) if self.taken < 5 else b""


def test_no_more_is_asked_for_than_a_chunk_whatever_is_declared() -> None:
    file = Endless()
    with pytest.raises(CodecError, match="it declares 536870911 bytes and 1 of padding, 4000 are"):
        list(read_frames(file))  # type: ignore[arg-type]  # what is used of a file is there
    assert file.largest <= framing.CHUNK


def test_magic_numbers_without_end_are_no_trap() -> None:
    data = frame(MAGIC * 100_000)
    assert both_ways(data) == [(0, MAGIC * 100_000)]
    with pytest.raises(CodecError, match="is cut off"):
        split(np.frombuffer(MAGIC * 100_000, dtype=np.uint8))
