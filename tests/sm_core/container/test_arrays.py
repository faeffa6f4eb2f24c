"""numpy arrays and npy bodies."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from sm_core.container.arrays import array_of, array_of_json, array_of_npy, npy_of
from sm_core.container.errors import BadPayload
from sm_core.container.payloads import value_of_json


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        *(([[1, 2]], np.int64), ([1.5], np.float64), ([True], np.bool_), ([], np.float64)),
        *(([[1, 2], [3.5, True]], np.float64), ([[1], [True]], np.int64), ([[]], np.float64)),
        *(([[True], [1]], np.int64), ([[[1.5], [2]]], np.float64), ([2**63], np.uint64)),
    ],
)
def test_numbers_in_lists_are_an_array(value: Any, dtype: Any) -> None:
    array = array_of(value)
    assert array is not None
    assert (array.tolist(), array.dtype) == (value, dtype)
    assert array.flags.writeable


_NUMBERS = st.booleans() | st.integers(-(2**65), 2**65) | st.floats(allow_nan=False)


@hypothesis.given(st.lists(_NUMBERS) | st.lists(st.lists(_NUMBERS, min_size=1, max_size=3)))
def test_arrays_are_those_that_numpy_makes(value: Any) -> None:
    try:
        expected = np.asarray(value)
    except ValueError:
        expected = np.asarray(None)
    array = array_of(value)
    if array is not None and expected.dtype.kind == "O":
        # numpy keeps whole numbers beyond 64 bits as objects, even beside others.
        expected = np.asarray(value, np.float64)
    if expected.dtype.kind == "O":
        assert array is None
    else:
        assert array is not None
        assert (array.dtype, array.shape) == (expected.dtype, expected.shape)
        assert np.array_equal(array, expected)


@pytest.mark.parametrize(
    "value",
    [[[1], [1, 2]], [1, "a"], [None], {"a": 1}, "12", 5, [[1], 2], [{}], [10**30], [1.5, None]],
)
def test_anything_else_is_not(value: Any) -> None:
    assert array_of(value) is None


def _same(found: Any, expected: Any) -> bool:
    """Equal values of one type; of arrays, also their type, shape and every bit."""
    if not isinstance(expected, np.ndarray):
        return type(found) is type(expected) and bool(found == expected)
    same_kind = (found.dtype, found.shape) == (expected.dtype, expected.shape)
    return same_kind and found.tobytes() == expected.tobytes()


_JSON = st.recursive(
    st.none() | st.text(max_size=3) | _NUMBERS.filter(lambda number: abs(number) < 1e300),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=2), values),
    max_leaves=8,
)


@hypothesis.given(
    _JSON
    | st.lists(_NUMBERS)
    | st.integers(0, 4).flatmap(lambda n: st.lists(st.lists(_NUMBERS, min_size=n, max_size=n)))
)
@hypothesis.example([[1.5, [2.0]], [3.5, [4.0]]])
@hypothesis.example([1.5, [2.0]])
@hypothesis.example([[1.5], 2.0])
@hypothesis.example([[1, 2.5]])
@hypothesis.example([-0.0, 2**63, 2**53 + 1, 5e-324])
@hypothesis.example([2**64 - 1, 1.5])
@hypothesis.example([])
@hypothesis.example([[], []])
def test_json_is_read_as_numbers_in_lists_are(value: Any) -> None:
    text = json.dumps(value)
    try:
        plain = value_of_json(text)
    except BadPayload:  # a number that has no place in 64 bits
        with pytest.raises(BadPayload):
            array_of_json(text)
        return
    array = array_of(plain)
    expected = plain if array is None else array
    for body in (text, text.encode(), f" \n{text}\t"):
        assert _same(array_of_json(body), expected)


@pytest.mark.parametrize(
    "body",
    [b"", b"[1.5", b"[1.5,]", b"[1.5] 2", b"[NaN]", b"[01.5]", b"\xef\xbb\xbf[1.5]", b"[1.5\xff]"],
)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(BadPayload, match="the body is not JSON"):
        array_of_json(body)


def test_arrays_of_json_can_be_written_to_and_stay() -> None:
    first, second = array_of_json("[[1.5, 2]]"), array_of_json("[[3, 4]]")
    first += 1
    assert (first.tolist(), second.tolist()) == ([[2.5, 3.0]], [[3, 4]])


def _resident() -> int:
    """Bytes of memory that this process has."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_nothing_of_a_large_body_stays() -> None:
    body = f"[{','.join('1' * 5_000_000)}]"
    before = _resident()
    assert array_of_json(body).shape == (5_000_000,)
    assert _resident() - before < 3 * len(body)


@pytest.mark.long
def test_a_very_long_row_is_one() -> None:
    count = 2 * (2**24 - 1)
    assert array_of_json(f"[[{','.join('1' * count)}]]").shape == (1, count)


def test_text_takes_no_more_memory_than_it_has() -> None:
    # As an array of texts it would take 4 TB.
    assert array_of(["a" * 1_000_000, *[""] * 1_000_000]) is None
    assert array_of([[1, 2], [3, "a" * 1_000_000], *[[4, 5]] * 1_000_000]) is None


def test_nesting_has_an_end() -> None:
    value: Any = [1]
    for _ in range(1000):
        value = [value]
    assert array_of(value) is None


@pytest.mark.parametrize("value", [np.ones((2, 3), np.float16), [[1, 2]], np.float32(3), 5])
def test_npy_comes_back_and_can_be_written_to(value: Any) -> None:
    array = array_of_npy(npy_of(value))
    assert np.array_equal(array, value)
    assert array.flags.writeable


def test_objects_are_refused_both_ways() -> None:
    with pytest.raises(TypeError, match="holds objects"):
        npy_of([1, {}])
    pickled = io.BytesIO()
    np.save(pickled, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(BadPayload, match="no array in npy format"):
        array_of_npy(pickled.getvalue())


def test_an_array_that_cannot_be_is_refused() -> None:
    whole = npy_of(np.ones(3))
    for body in (
        *(b"", whole[:-1], whole.replace(b"(3,)", b"(%d,)" % 10**18), b"[1, 2]"),
        *(whole.replace(b"(3,)", b"(3, "), whole.replace(b"<f8", b"|S0")),
    ):
        with pytest.raises(BadPayload, match=r"no array in npy format|items have no size"):
            array_of_npy(body)


# A damaged header may name a type that numpy is about to forget.
@pytest.mark.filterwarnings("ignore:Data type alias:DeprecationWarning")
@hypothesis.given(st.binary(), st.integers(0, 200))
def test_damage_is_read_or_refused(noise: bytes, place: int) -> None:
    whole = npy_of(np.ones((2, 3)))
    with contextlib.suppress(BadPayload):
        array_of_npy(whole[:place] + noise + whole[place + len(noise) :])
