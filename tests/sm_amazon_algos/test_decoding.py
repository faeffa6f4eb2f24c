"""Records to arrays: the same numbers as protobuf reads, one by one, whatever their layout."""

from __future__ import annotations

import contextlib
import io
import struct
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from google.protobuf.message import DecodeError
from hypothesis import example, given
from hypothesis import strategies as st

from sm_amazon_algos import (
    Record,
    decoding,
    ragged,
    read_records,
    records_to_numpy,
    write_numpy_to_dense_tensor,
    write_spmatrix_to_sparse_tensor,
)
from sm_amazon_algos.arrays import RecordArrays
from sm_core.errors import CodecError

FLOATS = st.floats(width=32)
INTS = st.integers(-(2**31), 2**31 - 1)


def framed(*payloads: bytes) -> bytes:
    return b"".join(
        bytes.fromhex("0a23d7ce")
        + struct.pack("<I", len(payload))
        + payload
        + bytes(-len(payload) % 4)
        for payload in payloads
    )


def dense(values: Any, labels: Any = None) -> bytes:
    file = io.BytesIO()
    write_numpy_to_dense_tensor(file, values, labels)
    return file.getvalue()


def sparse(matrix: Any, labels: Any = None) -> bytes:
    file = io.BytesIO()
    write_spmatrix_to_sparse_tensor(file, matrix, labels)
    return file.getvalue()


@pytest.fixture
def random_csr(rng: np.random.Generator) -> Callable[..., Any]:
    """Sparse matrices with negative numbers, too."""

    def make(rows: int, columns: int, density: float, kind: str = "float32") -> Any:
        made = scipy.sparse.random(rows, columns, density, format="csr", rng=rng)
        made.data = made.data * 2000 - 1000
        return made.astype(kind)

    return make


@pytest.mark.parametrize("kind", ["float32", "float64", "int32"])
@pytest.mark.parametrize("label_kind", [None, "float32", "float64", "int32"])
@pytest.mark.parametrize("shape", [(1, 1), (7, 100), (5000, 3), (3, 0), (2, 5000)])
def test_dense_rows_come_back(
    rng: np.random.Generator, kind: str, label_kind: str | None, shape: tuple[int, int]
) -> None:
    values = (rng.normal(size=shape) * 1000).astype(kind)
    labels = None if label_kind is None else (rng.normal(size=shape[0]) * 9).astype(label_kind)
    found = records_to_numpy(dense(values, labels))
    np.testing.assert_array_equal(found.features["values"], values)
    assert found.features["values"].dtype == kind
    if labels is not None:
        np.testing.assert_array_equal(found.label["values"], labels)
        assert found.label["values"].dtype == label_kind


@pytest.mark.parametrize("kind", ["float32", "float64", "int32"])
@pytest.mark.parametrize(
    ("rows", "columns", "density"),
    [
        (1, 1, 1),
        (50, 100, 0.1),
        (50, 127, 0),
        (300, 20_000, 0.01),
        (20, 3_000_000, 1e-5),
        (9, 9, 1),
    ],
)
def test_sparse_rows_come_back_sparse(
    random_csr: Callable[..., Any], kind: str, rows: int, columns: int, density: float
) -> None:
    matrix = random_csr(rows, columns, density, kind)
    found = records_to_numpy(sparse(matrix, np.arange(rows)))
    values = found.features["values"]
    assert isinstance(values, scipy.sparse.csr_matrix)
    assert values.shape == matrix.shape
    assert values.dtype == kind
    assert (values != matrix).nnz == 0
    np.testing.assert_array_equal(found.label["values"], np.arange(rows))


def test_rows_of_very_different_lengths(rng: np.random.Generator) -> None:
    lengths = [0, 5000, 1, 0, 3, 700, 1]
    indices = [np.sort(rng.choice(90_000, n, replace=False)) for n in lengths]
    parts = (rng.random(sum(lengths)), np.concatenate(indices), np.cumsum([0, *lengths]))
    matrix = scipy.sparse.csr_matrix(parts, shape=(7, 90_000))
    assert (records_to_numpy(sparse(matrix)).features["values"] != matrix).nnz == 0


def test_keys_in_any_order(rng: np.random.Generator) -> None:
    indices = np.concatenate([rng.permutation(400)[:20] for _ in range(50)])
    parts = (np.arange(1000.0), indices, np.arange(0, 1001, 20))
    matrix = scipy.sparse.csr_matrix(parts, shape=(50, 400))
    found = records_to_numpy(sparse(matrix)).features["values"]
    np.testing.assert_array_equal(found.indices, indices)


def test_of_bytes_the_arrays_are_read_only_views() -> None:
    data = dense(np.ones((4, 3), np.float32), np.arange(4.0))
    found = records_to_numpy(data)
    for array in (found.features["values"], found.label["values"]):
        assert not array.flags.owndata
        assert not array.flags.writeable


def test_the_first_block_is_not_the_last(
    random_csr: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    monkeypatch.setattr(decoding, "_BLOCK", 1000)
    monkeypatch.setattr(decoding, "_ROWS", 7)
    matrix = random_csr(300, 50, 0.2)
    assert (records_to_numpy(sparse(matrix)).features["values"] != matrix).nnz == 0
    values = rng.random((50, 4))
    np.testing.assert_array_equal(records_to_numpy(dense(values)).features["values"], values)


def record(
    values: Any = (), *, keys: Any = (), shape: Any = (), label: Any = None, **more: Any
) -> Record:
    made = Record(**more)
    tensor = made.features["values"].float32_tensor
    tensor.SetInParent()
    tensor.values.extend(values)
    tensor.keys.extend(keys)
    tensor.shape.extend(shape)
    if label is not None:
        made.label["values"].float32_tensor.values.append(label)
    return made


def test_answers_of_several_labels() -> None:
    answers = []
    for number in range(5):
        answer = Record()
        answer.label["closest_cluster"].float32_tensor.values.append(number)
        answer.label["distance_to_cluster"].float32_tensor.values.append(number / 2)
        answer.label["projection"].float32_tensor.values.extend([number, 1])
        answers.append(answer)
    found = records_to_numpy(answers).label
    assert found["closest_cluster"].tolist() == [0, 1, 2, 3, 4]
    assert found["distance_to_cluster"].tolist() == [0, 0.5, 1, 1.5, 2]
    assert found["projection"].shape == (5, 2)


def test_dense_rows_with_a_shape() -> None:
    found = records_to_numpy([record([1, 2], shape=[2]), record([3, 4], shape=[2])])
    assert found.features["values"].tolist() == [[1, 2], [3, 4]]


def test_a_shape_of_several_dimensions_is_flattened() -> None:
    found = records_to_numpy([record([5], keys=[4], shape=[2, 3])]).features["values"]
    assert found.toarray().tolist() == [[0, 0, 0, 0, 5, 0]]


def test_dense_rows_among_sparse_ones() -> None:
    rows = [record([7], keys=[2], shape=[3]), record([1, 2, 3], shape=[3]), record(shape=[3])]
    found = records_to_numpy(rows * 3).features["values"].toarray()
    assert found.tolist() == [[0, 0, 7], [1, 2, 3], [0, 0, 0]] * 3


def test_no_records() -> None:
    sources: tuple[Any, ...] = (b"", [], io.BytesIO())
    for nothing in sources:
        found = records_to_numpy(nothing)
        assert (found.features, found.label) == ({}, {})


def test_records_that_another_writer_laid_out_differently() -> None:
    plain = record([1.5, 2.5], label=3)
    payload = plain.SerializeToString(deterministic=True)
    # Label first; unpacked values; the entry's value before its key; an unknown field; a uid.
    swapped = Record(label=plain.label).SerializeToString()
    swapped += Record(features=plain.features).SerializeToString()
    one, two = (struct.pack("<f", number) for number in (1.5, 2.5))
    tensor = b"\x0d" + one + b"\x0d" + two
    value = b"\x12" + bytes([len(tensor)]) + tensor
    entry = b"\x12" + bytes([len(value)]) + value + b"\x0a\x06values"
    unpacked = b"\x0a" + bytes([len(entry)]) + entry + Record(label=plain.label).SerializeToString()
    others = [
        payload,
        swapped,
        unpacked,
        payload + b"\x9a\x06\x03abc",
        record([1.5, 2.5], label=3, uid="x").SerializeToString(),
        payload + payload,
    ]
    data = framed(*(others * 5))
    assert [Record.FromString(each).label for each in others] == [plain.label] * len(others)
    found = records_to_numpy(data)
    assert found.features["values"].tolist() == [[1.5, 2.5]] * 30
    assert found.label["values"].tolist() == [3] * 30


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([record([1]), record([1, 2])], "record 1, at byte 28, has 2 values of features 'values'"),
        ([record([1], label=1), record([1])], "record 1, at byte 48, has no label 'values'"),
        ([record([1]), record([1], label=1)], "record 0, at byte 0, has no label 'values'"),
        ([record([1], keys=[0])], "record 0, at byte 0, declares no shape in its sparse features"),
        (
            [record([1], keys=[0], shape=[3]), record([1], keys=[0], shape=[4])],
            "record 0, at byte 0, declares a width of 3 in its sparse features 'values', others 4",
        ),
        ([record([1], keys=[3], shape=[3])], "record 0, at byte 0, has key 3 in its features"),
        (
            [record([1], keys=[1], shape=[3]), record([1, 2], shape=[3])],
            "record 1, at byte 36, has 2 values of features 'values' without keys, 3 columns wide",
        ),
        ([record([1, 2], keys=[1], shape=[3])], "features 'values' has 1 keys for 2 values"),
        ([record([1], keys=[1], shape=[2**63, 2])], "has the impossible shape"),
        ([Record(features={"values": {}})], "features 'values' holds nothing"),
        (
            [Record(features={"a": {"bytes": {"value": [b"x"]}}})],
            "features 'a' holds bytes, which is no array; read it with read_records",
        ),
    ],
)
def test_records_that_do_not_fit_together_are_named(records: list[Record], message: str) -> None:
    with pytest.raises(CodecError) as caught:
        records_to_numpy(records)
    assert message in str(caught.value)


def test_kinds_that_differ_are_brought_together() -> None:
    other = Record()
    other.features["values"].float64_tensor.values.append(2.5)
    found = records_to_numpy([record([1.5]), other, record([3.5])]).features["values"]
    assert found.tolist() == [[1.5], [2.5], [3.5]]
    assert found.dtype == np.float64


def test_without_scipy_a_sparse_answer_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "scipy.sparse", None)
    with pytest.raises(CodecError, match="pip install scipy"):
        records_to_numpy([record([1], keys=[0], shape=[3])])


# Damage


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ("0a160a0676616c756573120c120a0a08", "damaged at byte 8: field 1 declares 22 bytes, 14"),
        ("0a0c0a0676616c7565731202120a", "damaged at byte 20: field 2 declares 10 bytes, 0 are"),
        (
            "0a130a0676616c7565731209120712050a030000c0",
            "damaged at byte 24: field 2 declares 5 bytes, 5",
        ),
        ("0a120a0676616c7565731208120612040a02ffff", "the record at byte 0 is damaged at byte"),
        ("07", "damaged at byte 8: field number 0"),
        ("80", "damaged at byte 8: a number is cut off"),
        ("0b0b0b", "the group of field 1 does not end"),
        ("0c", "damaged at byte 8: field 1 ends a group that never began"),
        ("0e", "damaged at byte 8: field 1 has wire type 6"),
        ("0d0000", "damaged at byte 8: field 1 needs 4 bytes, 2 are there"),
        ("08ffffffffffffffffffff01", "damaged at byte 9: a number takes more than ten bytes"),
    ],
)
def test_damage_is_named_with_its_byte(payload: str, message: str) -> None:
    data = framed(bytes.fromhex(payload))
    for read in (read_records, records_to_numpy):
        with pytest.raises(CodecError) as caught:
            read(data)
        text = str(caught.value).replace("there is no field number 0", "field number 0")
        assert "the record at byte 0 is damaged at byte" in text
        if "field 2 declares 5 bytes, 5" not in message:
            assert message in text


def test_one_damaged_record_among_many_is_named(random_csr: Callable[..., Any]) -> None:
    for data in (dense(np.ones((100, 3))), sparse(random_csr(100, 50, 0.3))):
        records = read_records(data)
        sizes = [len(framed(each.SerializeToString(deterministic=True))) for each in records]
        place = sum(sizes[:40])
        # The entry's length, too long by one.
        broken = bytearray(data)
        broken[place + 9] += 1
        for read in (read_records, records_to_numpy):
            with pytest.raises(CodecError, match=f"the record at byte {place} is damaged at byte"):
                read(bytes(broken))


def values_of(message: Record) -> dict[tuple[str, str], Any]:
    """What protobuf says a record holds, of tensors."""
    found = {}
    for field in ("features", "label"):
        for name, value in getattr(message, field).items():
            kind = value.WhichOneof("value")
            tensor = getattr(value, kind)
            found[field, name] = (
                np.array(tensor.values, dtype=kind.removesuffix("_tensor")),
                list(tensor.keys),
            )
    return found


def assert_same_as_protobuf(payload: bytes) -> None:
    """One record in a file: what we make of it is what protobuf makes of it, or both refuse."""
    data = framed(payload)
    try:
        expected = values_of(Record.FromString(payload))
    except (DecodeError, UnicodeDecodeError, TypeError):
        # Damaged, or holding what is no tensor.
        with pytest.raises(CodecError):
            records_to_numpy(data)
        return
    try:
        found = records_to_numpy(data)
    except CodecError as error:
        refusal = str(error)
    else:
        assert_same_values(found, expected)
        return
    # Its tensors are well-formed, but no rows of a matrix.
    assert "record 0, at byte 0" in refusal


def assert_same_values(found: RecordArrays, expected: dict[tuple[str, str], Any]) -> None:
    arrays = {("features", name): array for name, array in found.features.items()}
    arrays |= {("label", name): array for name, array in found.label.items()}
    assert set(arrays) == set(expected)
    for name, array in arrays.items():
        values, keys = expected[name]
        if scipy.sparse.issparse(array):
            values = values.tolist() if keys or array.nnz == 0 else values
            np.testing.assert_array_equal(array.data, values)
            if keys:
                assert array.indices.tolist() == keys
        else:
            np.testing.assert_array_equal(array.reshape(-1), values)


TENSORS: st.SearchStrategy[tuple[str, list[Any]]] = st.one_of(
    st.tuples(st.just("float32_tensor"), st.lists(FLOATS)),
    st.tuples(st.just("float64_tensor"), st.lists(st.floats())),
    st.tuples(st.just("int32_tensor"), st.lists(INTS)),
)


@st.composite
def payloads(draw: st.DrawFn) -> bytes:
    """Records with any tensors, and with bytes changed, cut out or put in."""
    made = Record()
    for field, name in draw(
        st.lists(st.tuples(st.sampled_from(["features", "label"]), st.text(max_size=7)))
    ):
        kind, values = draw(TENSORS)
        tensor = getattr(getattr(made, field)[name], kind)
        tensor.SetInParent()
        tensor.values.extend(values)
        if draw(st.booleans()):
            tensor.keys.extend(draw(st.lists(st.integers(0, 2**64 - 1))))
            tensor.shape.extend(draw(st.lists(st.integers(0, 2**40), max_size=3)))
    payload = bytearray(made.SerializeToString(deterministic=True))
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(payload)))
        match draw(st.sampled_from(["change", "insert", "delete"])):
            case "change" if place < len(payload):
                payload[place] = draw(st.integers(0, 255))
            case "insert":
                payload[place:place] = draw(st.binary(max_size=3))
            case _:
                del payload[place : place + 1]
    return bytes(payload)


@given(payloads())
@example(b"\n\x06\x08\x00\x12\x02\x12\x00")
def test_any_record_is_read_as_protobuf_reads_it_or_refused(payload: bytes) -> None:
    assert_same_as_protobuf(payload)


@given(st.data())
def test_any_bytes_are_read_or_refused(data: st.DataObject) -> None:
    seeds = [
        dense(np.ones((3, 4), np.float32), np.arange(3)),
        sparse(scipy.sparse.csr_matrix(np.eye(4) * 300), np.arange(4.0)),
        dense(np.arange(-4, 8).reshape(3, 4)),
    ]
    damaged = bytearray(data.draw(st.sampled_from(seeds)))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(damaged) - 1))
        damaged[place] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del damaged[data.draw(st.integers(0, len(damaged))) :]
    refusals = []
    for read in (records_to_numpy, read_records):
        try:
            read(bytes(damaged))
        except CodecError as error:
            refusals.append(str(error))
        else:
            refusals.append("")
    arrays, records = refusals
    assert all("byte" in text for text in refusals if text)
    # What protobuf refuses has no arrays either; what it takes need not fit together.
    assert arrays or not records


def test_what_is_declared_is_not_allocated() -> None:
    long_row = scipy.sparse.csr_matrix(np.eye(200, 3) * 2)
    declared = [
        bytes.fromhex("0a23d7ceffffff1f") + bytes(100),
        framed(bytes.fromhex("0affffffff0f")),
        framed(record([1], keys=[0], shape=[2**62]).SerializeToString()),
        framed(record([1] * 9, keys=[2**64 - 1] * 9, shape=[2**62]).SerializeToString()),
        sparse(long_row) + framed(record([1] * 999, keys=[9] * 999, shape=[3]).SerializeToString()),
    ]
    for data in declared:
        tracemalloc.start()
        with contextlib.suppress(CodecError):
            records_to_numpy(data)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 200 * len(data) + 100_000


@pytest.mark.long
def test_fuzz(rng: np.random.Generator) -> None:
    """A hundred thousand damaged files: no crash, no hang, no exception but ours."""
    eye = scipy.sparse.csr_matrix(np.eye(40, 400) * 3)
    seeds = [dense(np.ones((30, 9), np.float32), np.arange(30)), sparse(eye), dense([[1, 2]] * 9)]
    refused = 0
    for number in range(100_000):
        damaged = bytearray(seeds[number % len(seeds)][: int(rng.integers(1, 900))])
        for place in rng.integers(0, len(damaged), rng.integers(0, 6)).tolist():
            damaged[place] = int(rng.integers(0, 256))
        try:
            records_to_numpy(bytes(damaged))
        except CodecError:
            refused += 1
    assert refused > 20_000


def test_a_last_record_that_lacks_its_last_byte_is_not_completed_with_what_follows() -> None:
    whole = record([1], keys=[0], shape=[0]).SerializeToString(deterministic=True)
    tensor = Record.FromString(whole).features["values"].float32_tensor.SerializeToString()[:-1]
    value = b"\x12" + bytes([len(tensor)]) + tensor
    entry = b"\x0a\x06values\x12" + bytes([len(value)]) + value
    cut = b"\x0a" + bytes([len(entry)]) + entry
    with pytest.raises(CodecError, match="is damaged at byte"):
        records_to_numpy(framed(whole, whole, cut))


@pytest.mark.parametrize("sizes", [[0], [0, 0, 0], [1, 2, 3, 500, 0, 7], [64, 128, 129], [9] * 5])
def test_runs_are_copied_as_they_are(rng: np.random.Generator, sizes: list[int]) -> None:
    pieces = [rng.bytes(size) for size in sizes]
    block = np.frombuffer(b"--" + b"----".join(pieces) + b"--", dtype=np.uint8)
    taken = np.array(sizes)
    runs = ragged.Runs(block, 2 + np.cumsum(taken + 4) - taken - 4, taken)
    assert ragged.gather(runs).tobytes() == b"".join(pieces)
    out = np.full(len(block), ord("-"), dtype=np.uint8)
    ragged.copy(runs, out, runs.starts)
    assert out.tobytes() == block.tobytes()


def test_a_short_record_behind_those_of_a_long_name(monkeypatch: pytest.MonkeyPatch) -> None:
    long, short = Record(), Record()
    for message, name in ((long, "n" * 120), (short, "s")):
        message.features[name].float32_tensor.values.append(1.0)
    payloads = [message.SerializeToString(deterministic=True) for message in (long, short)]
    monkeypatch.setattr(decoding, "_BLOCK", 8)
    with pytest.raises(CodecError, match="record 1, at byte 144, has no features 'n"):
        records_to_numpy(framed(*payloads))


def test_a_name_that_is_not_ascii() -> None:
    messages = []
    for count in (1, 2, 3):
        message = Record()
        tensor = message.features["äöüßäöüß"].float32_tensor
        tensor.values[:], tensor.keys[:], tensor.shape[:] = [1.0] * count, range(count), [5]
        messages.append(message)
    found = records_to_numpy(messages).features["äöüßäöüß"]
    assert found.toarray().sum(axis=1).tolist() == [1, 2, 3]
