"""The same bytes as AWS's own SDK 2 writes: checked-in samples, and the SDK itself."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from sm_amazon_algos import (
    records_to_numpy,
    write_numpy_to_dense_tensor,
    write_spmatrix_to_sparse_tensor,
)

Case = dict[str, Any]
HERE = Path(__file__).parent
#: Data, and the bytes that sagemaker 2.257.7 makes of it; `test_the_samples_are_the_sdk_s` checks.
GOLDEN: list[Case] = json.loads((HERE / "golden.json").read_text(encoding="utf-8"))
KINDS = ("float32", "float64", "int64")


def matrix_of(case: Case) -> Any:
    kind = np.dtype(case["kind"])
    if "indptr" not in case:
        return np.array(case["rows"], dtype=kind).reshape(len(case["rows"]), -1)
    parts = (
        np.array(case["data"], dtype=kind),
        np.array(case["indices"], dtype=np.int32),
        np.array(case["indptr"], dtype=np.int32),
    )
    return scipy.sparse.csr_matrix(parts, shape=(len(case["indptr"]) - 1, case["columns"]))


def labels_of(case: Case) -> Any:
    return None if case["labels"] is None else np.array(case["labels"], dtype=case["label_kind"])


def written(case: Case) -> bytes:
    file = io.BytesIO()
    write = write_spmatrix_to_sparse_tensor if "indptr" in case else write_numpy_to_dense_tensor
    write(file, matrix_of(case), labels_of(case))
    return file.getvalue()


def name_of(case: Case) -> str:
    if "indptr" in case:
        what = f"sparse {len(case['indptr']) - 1}x{case['columns']}"
    else:
        what = f"dense {len(case['rows'])}x{len(case['rows'][0])}"
    return f"{what} {case['kind']}, labels {case['label_kind']}"


@pytest.mark.parametrize("case", GOLDEN, ids=name_of)
def test_samples_are_written_byte_for_byte(case: Case) -> None:
    assert written(case).hex() == case["hex"]


@pytest.mark.parametrize("case", GOLDEN, ids=name_of)
def test_samples_are_read(case: Case) -> None:
    found = records_to_numpy(bytes.fromhex(case["hex"]))
    given, values = matrix_of(case), found.features["values"]
    assert values.shape == given.shape
    if "indptr" in case:
        assert (values.indptr == given.indptr).all()
        assert (values.indices == given.indices).all()
        values, given = values.data, given.data
    np.testing.assert_array_equal(values, given)
    if case["labels"] is None:
        assert not found.label
    else:
        np.testing.assert_array_equal(found.label["values"], labels_of(case))


def many_cases() -> Iterator[Case]:
    """Rows and columns at which lengths begin to take a byte more, and beyond."""
    rng = np.random.default_rng(1)
    for count, kind, label_kind in itertools.product((1, 50), KINDS, (None, *KINDS)):
        labels = {
            "labels": None if label_kind is None else numbers(rng, count, label_kind),
            "label_kind": label_kind,
        }
        for width in (0, 1, 31, 32, 100, 4100):
            values = numbers(rng, count * width, kind)
            rows = [values[row * width : (row + 1) * width] for row in range(count)]
            yield {"kind": kind, "rows": rows, **labels}
        for columns in (1, 127, 128, 129, 16_384, 2_097_153, 5_000_000_000):
            yield {"kind": kind, **sparse(rng, count, columns, kind), **labels}


def numbers(rng: np.random.Generator, count: int, kind: str) -> list[Any]:
    found = (rng.normal(size=count) * 10.0 ** rng.integers(-3, 7, count)).astype(kind)
    if count > 3:
        whole = (2**31 - 1, -(2**31), 0, 128)
        found[:4] = whole if kind == "int64" else (np.nan, np.inf, -0.0, 0.0)
    as_list: list[Any] = found.tolist()
    return as_list


def sparse(rng: np.random.Generator, count: int, columns: int, kind: str) -> Case:
    """Rows of different lengths, an empty one among them."""
    lengths = rng.integers(0, min(columns, 200) + 1, count)
    lengths[1:2] = 0
    # The indices have 32 bits.
    limit = min(columns, 2**31 - 1)
    chosen = [np.sort(rng.choice(limit, n, replace=n > limit // 2)) for n in lengths]
    return {
        "columns": columns,
        "data": numbers(rng, int(lengths.sum()), kind),
        "indices": [int(index) for row in chosen for index in row],
        "indptr": [0, *np.cumsum(lengths).tolist()],
    }


Run = Callable[..., str]


def by_the_sdk(reference: Run, cases: list[Case]) -> list[str]:
    answer = reference(HERE / "reference_writer.py", given=json.dumps(cases))
    found: list[str] = json.loads(answer[answer.index('["') :])
    return found


@pytest.mark.long
def test_the_samples_are_the_sdk_s(reference: Run) -> None:
    assert by_the_sdk(reference, GOLDEN) == [case["hex"] for case in GOLDEN]


@pytest.mark.long
def test_the_sdk_itself_writes_the_same_bytes(reference: Run) -> None:
    cases = list(many_cases())
    theirs = by_the_sdk(reference, cases)
    different = [
        name_of(case)
        for case, data in zip(cases, theirs, strict=True)
        if written(case).hex() != data
    ]
    assert len(cases) > 300
    assert not different


BESIDE = """
import importlib, io, sys
for name in sys.argv[1:]:
    importlib.import_module(name)

import numpy as np
import sm_amazon_algos as ours
from sagemaker.amazon import common as theirs, record_pb2

array = np.arange(6, dtype=np.float32).reshape(2, 3)
mine, other = io.BytesIO(), io.BytesIO()
ours.write_numpy_to_dense_tensor(mine, array, array[:, 0])
theirs.write_numpy_to_dense_tensor(other, array, array[:, 0])
assert mine.getvalue() == other.getvalue()
mine.seek(0)
for records in (ours.read_records(other.getvalue()), theirs.read_records(mine)):
    rows = [list(record.features["values"].float32_tensor.values) for record in records]
    assert rows == array.tolist(), rows
assert ours.Record is not record_pb2.Record
print("fine")
"""


@pytest.mark.long
@pytest.mark.parametrize("version", [None, "4.21.0", "4.25.9", "5.29.6", "6.33.6"])
@pytest.mark.parametrize("first", ["sagemaker.amazon.common", "sm_amazon_algos.records"])
def test_beside_the_sdk_in_either_order(
    reference: Run, protobuf: Callable[[str], Path], version: str | None, first: str
) -> None:
    names = {"sagemaker.amazon.common", "sm_amazon_algos.records"}
    path = {} if version is None else {"PYTHONPATH": str(protobuf(version))}
    assert "fine" in reference(BESIDE, first, *(names - {first}), **path)
