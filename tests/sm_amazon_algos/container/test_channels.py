"""Channels as batches: every format and type, exact sizes, bounded memory, and what is refused."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from sm_amazon_algos import (
    numpy_to_record_serializer,
    write_numpy_to_dense_tensor,
    write_spmatrix_to_sparse_tensor,
)
from sm_amazon_algos.container.channels import DataChannel
from sm_amazon_algos.container.errors import CustomerError
from sm_core.container.channels import Channel

WriteChannel = Callable[..., Channel]
ROWS = np.arange(12).reshape(4, 3)
LABELS = np.array([1, 0, 2, 5])
CSV = "text/csv"


def read(channel: DataChannel, size: int = 3) -> tuple[Any, Any]:
    """Features, and labels if there are any."""
    batches = list(channel.batches(size))
    assert [len(batch) for batch in batches[:-1]] == [size] * (len(batches) - 1)
    labels = [batch.labels for batch in batches]
    assert all(batch.features.dtype == np.float32 for batch in batches)
    whole = np.concatenate([batch.features for batch in batches])
    return whole, None if labels[0] is None else np.concatenate([np.array(each) for each in labels])


@pytest.mark.parametrize("kind", ["int64", "int32", "float32", "float64"])
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_records_of_every_type(write_channel: WriteChannel, kind: str, sparse: bool) -> None:
    rows: Any = ROWS.astype(kind)
    written = scipy.sparse.csr_matrix(rows) if sparse else rows
    channel = write_channel("train", written, written, labels=LABELS.astype(kind))
    features, labels = read(DataChannel(channel, feature_dim=3, labels=True))
    np.testing.assert_array_equal(features, np.concatenate([ROWS, ROWS]))
    np.testing.assert_array_equal(labels, np.concatenate([LABELS, LABELS]))


def test_files_of_different_types_may_be_mixed(write_channel: WriteChannel) -> None:
    channel = write_channel(
        "train", ROWS, ROWS.astype("float32"), scipy.sparse.csr_matrix(ROWS.astype("float64"))
    )
    features, labels = read(DataChannel(channel))
    np.testing.assert_array_equal(features, np.concatenate([ROWS] * 3))
    assert labels is None


@pytest.mark.parametrize(
    ("content_type", "text", "labels"),
    [
        (f"{CSV};label_size=0", b"0,1,2\n3,4,5\n", None),
        (f"{CSV}; label_size=0", b"0,1,2\n3,4,5\n", None),
        (f'{CSV};charset=utf-8;label_size="0"', b"0,1,2\n3,4,5\n", None),
        (CSV, b"9,0,1,2\n8,3,4,5\n", [9, 8]),
        (f"{CSV};label_size=1", b"9,0,1,2\n8,3,4,5", [9, 8]),
        (f"{CSV};label_size=2", b"9,7,0,1,2\n8,6,3,4,5", [[9, 7], [8, 6]]),
    ],
)
def test_csv(
    write_channel: WriteChannel, content_type: str, text: bytes, labels: list[Any] | None
) -> None:
    channel = write_channel("train", text, content_type=content_type)
    found, given_labels = read(DataChannel(channel, feature_dim=3, labels=labels is not None))
    np.testing.assert_array_equal(found, [[0, 1, 2], [3, 4, 5]])
    if labels is None:
        assert given_labels is None
    else:
        np.testing.assert_array_equal(given_labels, labels)
    np.testing.assert_array_equal(read(DataChannel(channel, feature_dim=3))[0], found)


@given(
    rows=st.integers(0, 40),
    size=st.integers(1, 50),
    cuts=st.lists(st.integers(0, 40), max_size=4),
)
def test_batches_have_the_size_asked_for_whatever_the_files(
    tmp_path_factory: pytest.TempPathFactory, rows: int, size: int, cuts: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("channel")
    whole = np.arange(rows * 2, dtype=np.float32).reshape(rows, 2)
    for number, part in enumerate(np.split(whole, sorted(min(cut, rows) for cut in cuts))):
        with (folder / f"{number}").open("wb") as file:
            write_numpy_to_dense_tensor(file, part)
    batches = list(DataChannel(Channel(name="train", path=folder)).batches(size))
    assert [len(batch) for batch in batches] == [
        min(size, rows - start) for start in range(0, rows, size)
    ]
    if batches:
        np.testing.assert_array_equal(np.concatenate([b.features for b in batches]), whole)


def test_the_width_is_the_first_row_s_where_nothing_else_says(write_channel: WriteChannel) -> None:
    channel = DataChannel(write_channel("train", ROWS))
    assert channel.feature_dim is None
    next(channel.batches(1))
    assert channel.feature_dim == 3


def test_sub_folders_are_read_in_the_order_of_names(tmp_path: Path) -> None:
    for number, name in enumerate(["b/x", "a/y", "c"]):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(numpy_to_record_serializer(np.array([[number]])))
    found, _ = read(DataChannel(Channel(name="train", path=tmp_path)))
    assert found.ravel().tolist() == [1, 0, 2]


@pytest.mark.parametrize("content_type", [None, f"{CSV};label_size=0"])
def test_pipes_are_read_anew_for_each_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content_type: str | None
) -> None:
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    monkeypatch.delenv("SM_INPUT_DIR", raising=False)
    data = tmp_path / "input" / "data"
    data.mkdir(parents=True)
    body = b"0,1,2\n3,4,5" if content_type else numpy_to_record_serializer(ROWS[:2])

    def feed() -> None:
        for epoch in range(2):
            (data / f"train_{epoch}").write_bytes(body)

    for epoch in range(2):
        os.mkfifo(data / f"train_{epoch}")
    feeder = threading.Thread(target=feed)
    feeder.start()
    given = Channel(name="train", path=data / "train", mode="Pipe", content_type=content_type)
    channel = DataChannel(given, feature_dim=3)
    for epoch in range(2):
        (batch,) = channel.batches(10, epoch=epoch)
        np.testing.assert_array_equal(batch.features, ROWS[:2])
    feeder.join()


UNREADABLE = (
    r"Unable to read data channel 'train'\. Requested content-type is '{}'\. "
    r"Please verify the data matches the requested content-type\. \(caused by DataError\)"
)


@pytest.mark.parametrize(
    ("part", "options", "message"),
    [
        (b"hello", {}, UNREADABLE.format("application/x-recordio-protobuf")),
        (numpy_to_record_serializer(ROWS)[:-4], {}, "part-0: recordio: .* is cut off"),
        (b"1,2\n3\n", {"content_type": f"{CSV};label_size=0"}, UNREADABLE.format(CSV)),
        (b"1,2\n3\n", {"content_type": f"{CSV};label_size=0"}, "line 2 has 1 numbers"),
        (b"x,2\n", {"content_type": f"{CSV};label_size=0"}, "line 1 is 'x,2'"),
        (b"1\n2\n", {"content_type": CSV}, "no features are left"),
        (
            np.ones((2, 4)),
            {},
            (
                "The feature dimension of the input: 4 does not match the feature dimension of the "
                "model: 3"
            ),
        ),
        (scipy.sparse.csr_matrix(np.ones((2, 2))), {}, "dimension of the input: 2 does not match"),
        (np.array([[1, np.nan, 2]]), {}, "features that are NaN or infinite"),
        (np.array([[1.0, 2, 3], [1, np.inf, 2]]), {}, "in row 1 of a batch of 2"),
        (np.array([[1, 1e300, 2]]), {}, "features that are NaN or infinite"),
        (b"1,2,nan\n", {"content_type": f"{CSV};label_size=0"}, "features that are NaN"),
        (b"1,2,1e999\n", {"content_type": f"{CSV};label_size=0"}, "features that are NaN"),
    ],
)
def test_bad_data_is_refused_in_the_customer_s_words(
    write_channel: WriteChannel, part: Any, options: dict[str, str], message: str
) -> None:
    channel = write_channel("train", part, **options)
    with pytest.raises(CustomerError, match=message) as caught:
        read(DataChannel(channel, feature_dim=3))
    assert str(caught.value).startswith("ClientError: ")
    assert caught.value.errno == 2


@given(
    kind=st.sampled_from(["float32", "float64", "int32"]),
    sparse=st.booleans(),
    labels=st.booleans(),
    cut=st.integers(1, 300),
)
def test_a_file_that_is_cut_off_is_refused_wherever_that_is(
    tmp_path_factory: pytest.TempPathFactory, kind: str, sparse: bool, labels: bool, cut: int
) -> None:
    folder = tmp_path_factory.mktemp("channel")
    rows: Any = np.arange(1, 28).reshape(9, 3).astype(kind)
    whole = io.BytesIO()
    ends = [0]
    for row in rows:
        given: Any = scipy.sparse.csr_matrix(row[None]) if sparse else row[None]
        write = write_spmatrix_to_sparse_tensor if sparse else write_numpy_to_dense_tensor
        write(whole, given, labels=row[:1] if labels else None)
        ends.append(whole.tell())
    left = whole.getvalue()[: -min(cut, ends[-1])]
    (folder / "part-0").write_bytes(left)
    channel = DataChannel(Channel(name="train", path=folder))
    if len(left) in ends:
        assert sum(map(len, channel.batches(4))) == ends.index(len(left))
        return
    with pytest.raises(CustomerError, match=r"part-0: recordio: the record at byte \d+ is cut off"):
        list(channel.batches(4))


def test_large_numbers_are_not_mistaken_for_infinite_ones(write_channel: WriteChannel) -> None:
    rows = np.full((5, 3), 3e38, dtype=np.float32)
    np.testing.assert_array_equal(read(DataChannel(write_channel("train", rows)))[0], rows)


@pytest.mark.parametrize(
    "options", [{}, {"content_type": f"{CSV};label_size=0"}], ids=["records", "csv"]
)
def test_labels_that_are_missing(write_channel: WriteChannel, options: dict[str, str]) -> None:
    channel = write_channel("train", b"1,2\n" if options else ROWS, **options)
    with pytest.raises(CustomerError, match="Channel 'train' has no labels"):
        read(DataChannel(channel, labels=True))


def test_labels_that_are_not_finite(write_channel: WriteChannel) -> None:
    channel = write_channel("train", ROWS, labels=np.array([0, 1, np.nan, 2]))
    with pytest.raises(CustomerError, match=r"labels that are NaN or infinite.* row 2"):
        read(DataChannel(channel, labels=True), size=4)


def test_other_content_types_are_refused(write_channel: WriteChannel) -> None:
    channel = write_channel("train", b"{}", content_type="application/json")
    with pytest.raises(CustomerError, match="'application/json' of channel 'train'"):
        DataChannel(channel)


@pytest.mark.parametrize("size", ["-1", "x", "", "'0'", "1.0", "9" * 30, "²"])
def test_a_number_of_labels_that_is_none_is_refused(write_channel: WriteChannel, size: str) -> None:
    channel = write_channel("train", b"1,2\n", content_type=f"{CSV};label_size={size}")
    with pytest.raises(CustomerError, match=r"label_size of channel 'train' is .* fix the channel"):
        DataChannel(channel)


MEASURED = """
import re, sys
from pathlib import Path
from sm_amazon_algos.container.channels import DataChannel
from sm_core.container.channels import Channel
channel = DataChannel(Channel(name="train", path=Path(sys.argv[1]), content_type=sys.argv[2]))
rows = 0
for epoch in range(2):
    rows += sum(len(batch) for batch in channel.batches(500, epoch=epoch))
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())
print(rows, int(peak[1]) // 1024)
"""


@pytest.mark.integ
@pytest.mark.parametrize("content_type", ["application/x-recordio-protobuf", f"{CSV};label_size=0"])
def test_memory_does_not_grow_with_the_data(tmp_path: Path, content_type: str) -> None:
    rows = np.random.default_rng(0).random((20_000, 50), dtype=np.float32)
    if content_type.startswith(CSV):
        body = "\n".join(",".join(map(str, row)) for row in rows.tolist()).encode() + b"\n"
    else:
        body = numpy_to_record_serializer(rows)
    found = []
    for times in (2, 12):
        with (tmp_path / "data").open("wb") as file:
            for _ in range(times):
                file.write(body)
        folder = tmp_path / f"channel-{times}"
        folder.mkdir()
        (tmp_path / "data").rename(folder / "data")
        command = [sys.executable, "-c", MEASURED, str(folder), content_type]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
        count, mebibytes = map(int, answer.stdout.split())
        assert count == 2 * times * len(rows)
        found.append(mebibytes)
    assert found[1] < found[0] + 20
    assert found[1] < 150
