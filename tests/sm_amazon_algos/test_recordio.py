"""Records in files and requests: what the public functions take and refuse."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from sm_amazon_algos import (
    Record,
    numpy_to_record_serializer,
    read_records,
    record_deserializer,
    records_to_numpy,
    write_numpy_to_dense_tensor,
    write_spmatrix_to_sparse_tensor,
)
from sm_amazon_algos.codec import RecordSerializer
from sm_core.codecs import codec_for, decode_by_content_type
from sm_core.errors import CodecError
from sm_core.predictor import Predictor
from sm_core.session import Session

TYPE = "application/x-recordio-protobuf"
ARRAY = np.array([[1.5, 2.5], [3.5, 4.5]], dtype=np.float32)


def features(body: Any) -> Any:
    return records_to_numpy(body).features["values"]


def test_a_file_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "rows.pbr"
    with path.open("wb", buffering=0) as file:
        write_numpy_to_dense_tensor(file, ARRAY, [0, 1])
    with path.open("rb") as file:
        (first, second) = read_records(file)
    assert list(first.features["values"].float32_tensor.values) == [1.5, 2.5]
    assert list(second.label["values"].float32_tensor.values) == [1]
    with path.open("rb") as file:
        assert features(file).tolist() == ARRAY.tolist()


class Sluggish(io.RawIOBase):
    """A file that takes a few bytes at a time."""

    def __init__(self) -> None:
        self.held = b""

    def write(self, data: Any, /) -> int:
        """Take seven bytes."""
        self.held += bytes(data[:7])
        return min(7, len(data))


def test_a_file_that_takes_little_at_a_time_gets_all() -> None:
    file, whole = Sluggish(), io.BytesIO()
    write_numpy_to_dense_tensor(file, ARRAY)  # type: ignore[arg-type]  # what is used of a file is there
    write_numpy_to_dense_tensor(whole, ARRAY)
    assert file.held == whole.getvalue()


def test_the_two_writers_do_not_take_each_other_s_matrices() -> None:
    with pytest.raises(CodecError, match="write it with write_spmatrix_to_sparse_tensor"):
        write_numpy_to_dense_tensor(io.BytesIO(), scipy.sparse.csr_matrix(ARRAY))
    with pytest.raises(CodecError, match="a ndarray is not sparse; write it with write_numpy_to"):
        write_spmatrix_to_sparse_tensor(io.BytesIO(), ARRAY)


@pytest.mark.parametrize("form", ["csc", "coo", "lil", "dok", "bsr"])
def test_sparse_matrices_of_every_form(form: str) -> None:
    file = io.BytesIO()
    write_spmatrix_to_sparse_tensor(file, scipy.sparse.csr_matrix(ARRAY).asformat(form))
    assert features(file.getvalue()).toarray().tolist() == ARRAY.tolist()


# Serializer and deserializer


class Frame:
    """What is used of a data frame."""

    def to_numpy(self) -> Any:
        return ARRAY


@pytest.mark.parametrize(
    ("payload", "rows"),
    [
        (ARRAY, ARRAY.tolist()),
        (ARRAY[0], [[1.5, 2.5]]),
        ([1, 2], [[1, 2]]),
        ([[1, 2], (3, 4)], [[1, 2], [3, 4]]),
        (Frame(), ARRAY.tolist()),
        (np.asfortranarray(ARRAY), ARRAY.tolist()),
        (ARRAY[::-1, ::-1], ARRAY[::-1, ::-1].tolist()),
        (ARRAY.astype(">f4"), ARRAY.tolist()),
        (ARRAY.astype(np.float16), ARRAY.tolist()),
    ],
)
def test_payloads_that_become_records(payload: Any, rows: list[list[float]]) -> None:
    body = numpy_to_record_serializer(payload)
    assert features(body).tolist() == rows
    assert features(body).dtype == np.float32


def test_a_sparse_payload_stays_sparse() -> None:
    body = numpy_to_record_serializer(scipy.sparse.csr_matrix(np.eye(3)))
    (first, *_) = read_records(body)
    assert list(first.features["values"].float64_tensor.keys) == [0]
    assert list(first.features["values"].float64_tensor.shape) == [3]


def test_records_bytes_and_files_are_payloads() -> None:
    body = numpy_to_record_serializer(ARRAY)
    records = read_records(body)
    assert numpy_to_record_serializer(records) == body
    assert numpy_to_record_serializer(records[0]) + numpy_to_record_serializer(records[1]) == body
    assert numpy_to_record_serializer(body) == body
    assert numpy_to_record_serializer(bytearray(body)) == body
    file = io.BytesIO(body)
    assert numpy_to_record_serializer(file) is file


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ("1,2", "a str is no matrix"),
        ({"a": 1}, "a dict is no matrix"),
        (np.zeros((2, 2, 2)), "the data has 3 dimensions"),
        (np.array(3.0), "the data has 0 dimensions"),
        ([[1, 2], [3]], "the rows differ in length"),
        (np.array(["a"]), "data of type <U1 cannot be written"),
        (np.array([1j]), "data of type complex128 cannot be written"),
        (np.array([object()]), "data of type object cannot be written"),
        ([["a"]], "data of type <U1 cannot be written"),
        (np.array([2**31]), "integers from 2147483648 to 2147483648 do not fit the 32 bits"),
        (np.array([-(2**40), 5]), "integers from -1099511627776 to 5 do not fit"),
        (np.ma.masked_array([1.0], [True]), "a record has no masked values"),
    ],
)
def test_payloads_that_cannot_be_records_say_why(payload: Any, message: str) -> None:
    with pytest.raises(CodecError) as caught:
        numpy_to_record_serializer(payload)
    assert message in str(caught.value)


def test_a_serializer_may_choose_the_type() -> None:
    for payload in (np.arange(4), np.ones(4), scipy.sparse.csr_matrix([[1, 2]])):
        assert features(RecordSerializer(kind="float32")(payload)).dtype == np.float32
    with pytest.raises(CodecError, match="numbers beyond"):
        RecordSerializer(kind="float32")([1e300])
    with pytest.raises(CodecError, match="numbers beyond"):
        RecordSerializer(kind="float32")(np.array([-1e300]))
    # Infinity is none that was made.
    assert features(RecordSerializer(kind="float32")([np.inf]))[0, 0] == np.inf


def test_they_are_made_with_or_without_parentheses() -> None:
    """AWS's SDK has classes of these names, of which instances are made."""
    assert numpy_to_record_serializer() is numpy_to_record_serializer
    assert numpy_to_record_serializer(content_type="a/b").content_type == "a/b"
    assert numpy_to_record_serializer.content_type == TYPE
    assert record_deserializer() is record_deserializer
    assert record_deserializer(accept="a/b").accept == "a/b"
    assert record_deserializer.accept == TYPE


def test_a_response_becomes_records() -> None:
    body = io.BytesIO(numpy_to_record_serializer(ARRAY))
    records = record_deserializer(body, TYPE)
    assert all(isinstance(record, Record) for record in records)
    assert len(records) == 2
    with pytest.raises(CodecError, match="recordio: a record should begin at byte 0 with"):
        record_deserializer(io.BytesIO(b"{}{}"), TYPE)


def test_hook_sm_codecs_brings_the_content_type() -> None:
    codec = codec_for(TYPE)
    body = codec.serializer(ARRAY)
    assert body == numpy_to_record_serializer(ARRAY)
    assert isinstance(body, bytes)
    records = decode_by_content_type(io.BytesIO(body), f"{TYPE}; charset=utf-8")
    assert records == read_records(body)


def test_a_generic_predictor_takes_them(session: Session) -> None:
    predictor = Predictor(
        "e", session, serializer=numpy_to_record_serializer, deserializer=record_deserializer()
    )
    assert (predictor.content_type, predictor.accept) == (TYPE, TYPE)


# Labels


@pytest.mark.parametrize("labels", [[0, 1], (0, 1), np.array([[0], [1]])])
def test_one_label_a_row(labels: Any) -> None:
    file = io.BytesIO()
    write_numpy_to_dense_tensor(file, ARRAY, labels)
    assert records_to_numpy(file.getvalue()).label["values"].tolist() == [0, 1]


def test_several_labels_a_row() -> None:
    file = io.BytesIO()
    write_numpy_to_dense_tensor(file, ARRAY, [[0, 1, 2], [3, 4, 5]])
    assert records_to_numpy(file.getvalue()).label["values"].tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("labels", [[0], [0, 1, 2], 5, np.zeros((2, 2, 2)), np.zeros((3, 2))])
def test_labels_that_do_not_fit_are_refused(labels: Any) -> None:
    with pytest.raises(CodecError, match=r"labels of shape .* do not fit 2 rows|a int is no"):
        write_numpy_to_dense_tensor(io.BytesIO(), ARRAY, labels)


def test_a_column_outside_of_the_matrix_is_refused() -> None:
    matrix = scipy.sparse.csr_matrix(np.eye(3))
    matrix.indices[1] = 3
    with pytest.raises(CodecError, match="column indices from 0 to 3, but 3 columns"):
        write_spmatrix_to_sparse_tensor(io.BytesIO(), matrix)


def test_a_row_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sm_amazon_algos.encoding.MAX_PAYLOAD", 20_000)
    with pytest.raises(CodecError, match="a row takes 40024 bytes as a record, which may have 2"):
        write_numpy_to_dense_tensor(io.BytesIO(), np.zeros((1, 10_000), np.float32))


def test_an_array_on_disk_is_written_block_by_block(tmp_path: Path) -> None:
    array = np.memmap(tmp_path / "rows", dtype=np.float64, mode="w+", shape=(5000, 40))
    array[:] = np.arange(200_000).reshape(5000, 40)
    file = io.BytesIO()
    write_numpy_to_dense_tensor(file, array, np.arange(5000))
    found = records_to_numpy(file.getvalue())
    np.testing.assert_array_equal(found.features["values"], array)
    np.testing.assert_array_equal(found.label["values"], np.arange(5000))
