"""Pipe mode from a script's side."""

from __future__ import annotations

import contextlib
import io
import os
import threading
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import pytest

from sm_core.container.errors import ContainerError
from sm_core.container.pipes import open_epoch, read_records

MAGIC = bytes.fromhex("0a23d7ce")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    folder = tmp_path / "input" / "data"
    folder.mkdir(parents=True)
    return folder


def feed(path: Path, content: bytes, *, after: threading.Event | None = None) -> threading.Thread:
    """What the platform does: make the FIFO, write, close."""

    def write() -> None:
        if after is not None:
            after.wait()
        os.mkfifo(path)
        with contextlib.suppress(BrokenPipeError):
            path.write_bytes(content)

    thread = threading.Thread(target=write)
    thread.start()
    return thread


def test_epoch_after_epoch(data: Path) -> None:
    for epoch in range(3):
        content = f"epoch {epoch}\n".encode() * 100_000
        thread = feed(data / f"train_{epoch}", content)
        with open_epoch("train", epoch) as stream:
            assert stream.read() == content
        thread.join()


def test_an_epoch_may_be_left_early(data: Path) -> None:
    thread = feed(data / "train_0", b"x" * 1_000_000)
    with open_epoch("train") as stream:
        assert stream.read(10) == b"x" * 10
    thread.join()


def test_the_fifo_may_come_later(data: Path) -> None:
    begin = threading.Event()
    thread = feed(data / "train_0", b"late", after=begin)
    threading.Timer(0.1, begin.set).start()
    with open_epoch("train") as stream:
        assert stream.read() == b"late"
    thread.join()


def test_a_channel_that_is_not_there(data: Path) -> None:
    with pytest.raises(ContainerError, match=r"no .*trian_0 after 0 seconds: is 'trian' a channel"):
        open_epoch("trian", patience=0.1)


def test_a_channel_in_file_mode(data: Path) -> None:
    (data / "train").mkdir()
    with pytest.raises(ContainerError, match="'train' is not in Pipe mode: its files lie in"):
        open_epoch("train")


def framed(record: bytes, *, part: int = 0) -> bytes:
    head = MAGIC + (part << 29 | len(record)).to_bytes(4, "little")
    return head + record + bytes(-len(record) % 4)


def split(record: bytes) -> bytes:
    """As dmlc-core writes it: split where it holds the magic number at a multiple of four."""
    parts = []
    begin = 0
    for place in range(0, len(record) - 3, 4):
        if record[place : place + 4] == MAGIC:
            parts.append(record[begin:place])
            begin = place + 4
    parts.append(record[begin:])
    if len(parts) == 1:
        return framed(record)
    kinds = [1, *[2] * (len(parts) - 2), 3]
    return b"".join(framed(each, part=kind) for each, kind in zip(parts, kinds, strict=True))


RECORDS = st.lists(st.lists(st.binary(max_size=9) | st.just(MAGIC), max_size=4).map(b"".join))


@hypothesis.given(RECORDS)
def test_records_come_back(records: list[bytes]) -> None:
    stream = io.BytesIO(b"".join(split(record) for record in records))
    assert list(read_records(stream)) == records


@hypothesis.given(st.lists(st.binary(max_size=12), min_size=1), st.data())
def test_damage_is_an_error(records: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(framed(record) for record in records)
    cut = data.draw(st.integers(1, len(whole) - 1))
    found: list[bytes] = []
    with contextlib.suppress(ContainerError):
        found.extend(read_records(io.BytesIO(whole[:cut])))
    assert found == records[: len(found)]
    assert len(found) < len(records)


@hypothesis.given(st.binary(max_size=40))
def test_any_bytes_are_records_or_an_error(content: bytes) -> None:
    with contextlib.suppress(ContainerError):
        list(read_records(io.BytesIO(content)))


@pytest.mark.parametrize(
    "content", [framed(b"x", part=3), framed(b"x", part=1) + framed(b"y"), framed(b"x", part=5)]
)
def test_parts_out_of_order(content: bytes) -> None:
    with pytest.raises(ContainerError, match="not in order"):
        list(read_records(io.BytesIO(content)))


def test_another_format() -> None:
    with pytest.raises(ContainerError, match="not in RecordIO framing"):
        list(read_records(io.BytesIO(b"1,2,3\n4,5,6\n")))
