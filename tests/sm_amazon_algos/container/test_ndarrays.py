"""NDArray-list files: every type and shape there and back, older versions, damaged files."""

from __future__ import annotations

import contextlib
import struct
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from sm_amazon_algos.container.ndarrays import read_ndarrays, write_ndarrays
from sm_core.errors import CodecError

TYPES = ("float32", "float64", "float16", "uint8", "int32", "int8", "int64", "bool")
ARRAYS = st.sampled_from(TYPES).flatmap(
    lambda kind: nps.arrays(kind, nps.array_shapes(max_dims=4, max_side=4))
)
#: ``mx.nd.save`` of {"x": [[1, 2], [3, 4]]} in float32, by MXNet 1.9.1.
GOLDEN = bytes.fromhex(
    "1201000000000000 0000000000000000 0100000000000000 c9fa93f9 00000000 02000000"
    "0200000000000000 0200000000000000 01000000 00000000 00000000"
    "0000803f 00000040 00004040 00008040 0100000000000000 0100000000000000 78"
)


def same(found: Any, wanted: Any) -> None:
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)


@given(
    st.dictionaries(st.text(max_size=8).filter(lambda t: "\\ud800" not in t), ARRAYS, max_size=3)
)
def test_named_arrays_come_back(arrays: dict[str, npt.NDArray[Any]]) -> None:
    found = read_ndarrays(write_ndarrays(arrays))
    if not arrays:
        assert found == []
        return
    assert isinstance(found, dict)
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        same(found[name], array)


@given(st.lists(ARRAYS, max_size=3))
def test_lists_come_back(arrays: list[npt.NDArray[Any]]) -> None:
    found = read_ndarrays(write_ndarrays(arrays))
    assert isinstance(found, list)
    for one, other in zip(found, arrays, strict=True):
        same(one, other)


def test_the_bytes_are_mxnet_s() -> None:
    assert write_ndarrays({"x": np.array([[1, 2], [3, 4]], dtype=np.float32)}) == GOLDEN


def test_the_order_of_memory_does_not_matter() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3).T
    (found,) = read_ndarrays(write_ndarrays([array]))
    same(found, array)


def file_of(array: bytes) -> bytes:
    return struct.pack("<QQQ", 0x112, 0, 1) + array + struct.pack("<Q", 0)


VALUES = struct.pack("<2f", 1, 2)


@pytest.mark.parametrize(
    "array",
    [
        struct.pack("<Iiqiii", 0xF993FAC8, 1, 2, 2, 0, 0) + VALUES,
        struct.pack("<IIiii", 1, 2, 1, 0, 0) + VALUES,
        struct.pack("<Iiiqiii", 0xF993FACA, 0, 1, 2, 1, 0, 0) + VALUES,
    ],
    ids=["version 1, of a GPU", "version 0", "version 3"],
)
def test_other_versions_are_read(array: bytes) -> None:
    (found,) = read_ndarrays(file_of(array))
    same(found, np.array([1, 2], dtype=np.float32))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PK\x03\x04" + bytes(60), "does not begin with 0x112"),
        (b"", "is cut off"),
        (GOLDEN[:-1], "is cut off: 1 bytes are wanted at byte 96, 0 are there"),
        (GOLDEN[:70], "is cut off"),
        (file_of(struct.pack("<Iii", 0xF993FAC9, 2, 1)), "sparse"),
        (file_of(struct.pack("<Iii", 0xF993FAC9, 0, 0)), "never given a value"),
        (file_of(struct.pack("<Iiiqiii", 0xF993FAC9, 0, 1, 2, 1, 0, 99)), "unknown type 99"),
        (file_of(struct.pack("<Iiiqiii", 0xF993FAC9, 0, 1, -2, 1, 0, 0)), "impossible shape"),
        (file_of(struct.pack("<Iiiqiii", 0xF993FAC9, 0, 1, 1 << 60, 1, 0, 0)), "is cut off"),
        (file_of(struct.pack("<I", 12345)), "holds no array at byte 24"),
        (GOLDEN[:80] + struct.pack("<Q", 2) + GOLDEN[88:], "2 names for 1 arrays"),
    ],
)
def test_damaged_files_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(CodecError, match=message):
        read_ndarrays(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for whole in (data, GOLDEN[:24] + data):
        with contextlib.suppress(CodecError):
            read_ndarrays(whole)


@pytest.mark.parametrize("array", [np.zeros(()), np.zeros((2, 0)), np.zeros(2, "U3")])
def test_what_mxnet_could_not_read_is_not_written(array: npt.NDArray[Any]) -> None:
    with pytest.raises(CodecError, match="an NDArray cannot have type"):
        write_ndarrays([array])
