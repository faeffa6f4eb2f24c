"""Tensors to arrays and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sm_tensorflow import TensorProto, array_of_tensor, make_tensor_proto
from sm_tensorflow.schema import DATA_TYPES

DTYPES = st.sampled_from(
    [
        "f2",
        "f4",
        "f8",
        "i1",
        "i2",
        "i4",
        "i8",
        "u1",
        "u2",
        "u4",
        "u8",
        "?",
        "c8",
        "c16",
        ">f4",
        ">i8",
    ]
)


@given(
    array=DTYPES.flatmap(
        lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=0, max_dims=3, min_side=0))
    ),
    typed=st.booleans(),
)
def test_an_array_comes_back(array: Any, typed: bool) -> None:
    proto = make_tensor_proto(array, typed=typed)
    back = array_of_tensor(TensorProto.FromString(proto.SerializeToString()))
    assert back.dtype == array.dtype.newbyteorder("=")
    assert back.shape == array.shape
    np.testing.assert_array_equal(back, array)


@given(st.lists(st.text() | st.binary(), max_size=5))
def test_texts_come_back_as_bytes(values: list[Any]) -> None:
    array = np.empty(len(values), object)
    array[:] = values
    back = array_of_tensor(make_tensor_proto(array))
    assert back.tolist() == [x if isinstance(x, bytes) else x.encode() for x in values]


@pytest.mark.parametrize(
    ("values", "dtype", "name"),
    [
        ([1.5, 2], None, "DT_FLOAT"),
        ([1, 2], None, "DT_INT32"),
        ([2**40], None, "DT_INT64"),
        (True, None, "DT_BOOL"),
        ("text", None, "DT_STRING"),
        ([1, 2], "DT_INT64", "DT_INT64"),
        ([1, 2], np.float64, "DT_DOUBLE"),
        ([1.0], 3, "DT_INT32"),
        ([1.0, 2.0], "DT_BFLOAT16", "DT_BFLOAT16"),
    ],
)
def test_the_data_type(values: Any, dtype: Any, name: str) -> None:
    assert make_tensor_proto(values, dtype).dtype == DATA_TYPES[name]


@pytest.mark.parametrize(
    ("proto", "expected"),
    [
        ({"float_val": [7.0]}, [[7, 7], [7, 7]]),
        ({"float_val": [1.0, 2.0]}, [[1, 2], [2, 2]]),
        ({}, [[0, 0], [0, 0]]),
    ],
)
def test_a_short_list_is_filled_up(proto: dict[str, Any], expected: Any) -> None:
    made = TensorProto(dtype=1, **proto)
    for size in (2, 2):
        made.tensor_shape.dim.add(size=size)
    assert array_of_tensor(made).tolist() == expected


def test_a_halved_float_is_rounded_to_even() -> None:
    proto = make_tensor_proto([1.0, 1.00390625, 3.3e38, float("nan")], "DT_BFLOAT16", typed=True)
    assert list(proto.half_val[:3]) == [0x3F80, 0x3F80, 0x7F78]
    back = array_of_tensor(proto)
    assert back[:2].tolist() == [1, 1]
    assert np.isnan(back[3])


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: make_tensor_proto([1.5], "DT_INT32"), "no whole numbers"),
        (lambda: make_tensor_proto([300], "DT_UINT8"), "out of the range"),
        (lambda: make_tensor_proto(["a"], "DT_FLOAT"), "the values are text"),
        (lambda: make_tensor_proto([object()]), "cannot be made of object"),
        (lambda: make_tensor_proto([1], "DT_WHAT"), "no data type"),
        (lambda: make_tensor_proto([1, 2, 3], shape=(2, 2)), "reshape"),
        (lambda: array_of_tensor(TensorProto(float_val=[1.0])), "DT_INVALID"),
        (lambda: array_of_tensor(TensorProto(dtype=1, float_val=[1, 2])), "2 values, its shape 1"),
        (lambda: array_of_tensor(TensorProto(dtype=1, tensor_content=b"x")), "1 bytes"),
    ],
)
def test_what_does_not_fit_is_told(make: Any, reason: str) -> None:
    with pytest.raises((TypeError, ValueError), match=reason):
        make()


def test_a_shape_that_no_memory_has_is_refused() -> None:
    made = TensorProto(dtype=1)
    for _ in range(3):
        made.tensor_shape.dim.add(size=1 << 20)
    with pytest.raises(ValueError, match="elements"):
        array_of_tensor(made)
