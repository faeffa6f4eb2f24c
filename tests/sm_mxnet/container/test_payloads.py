"""Bodies to rows and predictions to bodies; needs no MXNet."""

from __future__ import annotations

import json

import hypothesis
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import numpy.typing as npt
import pytest

from sm_core.container.errors import BadPayload
from sm_mxnet.container.payloads import csv_of, json_of, rows_of_csv, rows_of_json

ROW = (2, 3)


@pytest.mark.parametrize(
    ("body", "shape", "rows"),
    [
        ("[[1, 2], [3, 4]]", (2,), [[1, 2], [3, 4]]),
        ("[[1.5, true]]", (2,), [[1.5, 1]]),
        ("[[[1,2,3],[4,5,6]]]", ROW, [[[1, 2, 3], [4, 5, 6]]]),
        ("[[1,2,3,4,5,6]]", ROW, [[[1, 2, 3], [4, 5, 6]]]),
        ("[7, 8]", (), [7, 8]),
        ("[[1, 2], [3, 4]]", None, [[1, 2], [3, 4]]),
    ],
)
def test_json(body: str, shape: tuple[int, ...] | None, rows: object) -> None:
    array = rows_of_json(body, shape)
    assert array.dtype == np.float32
    assert array.tolist() == rows


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "is not JSON: "),
        ("[[1, 2", "is not JSON: "),
        ("[[NaN, 1]]", "is not JSON: "),
        ("{}", "one JSON list of rows, not an object"),
        ("null", "not null"),
        ("3", "not a number"),
        ('"[1]"', "not text"),
        ("[]", "an empty list"),
        ("[[1, 2], [3]]", "rows of equal length"),
        ("[[1, null]]", "numbers only"),
        ('[["1", "2"]]', "numbers only"),
        ("[[1, {}]]", "numbers only"),
        ("[[1, 1e300]]", "every number must be finite"),
        ("[[1, 2, 3]]", r"the list has the shape \(1, 3\), the model takes \(rows, 2\)"),
        ("[1, 2]", r"the shape \(2\), .*; one row must be a list in a list"),
    ],
)
def test_json_that_is_no_list_of_such_rows(body: str, reason: str) -> None:
    with pytest.raises(BadPayload, match=reason):
        rows_of_json(body, (2,))


def test_a_transposed_image_is_not_reshaped_silently() -> None:
    with pytest.raises(BadPayload, match=r"\(1, 3, 2\), the model takes \(rows, 2, 3\)"):
        rows_of_json("[[[1,2],[3,4],[5,6]]]", ROW)


@pytest.mark.parametrize(
    ("body", "shape", "rows"),
    [
        ("1,2\n3,4\n", (2,), [[1, 2], [3, 4]]),
        ("1, 2 \r\n\r\n\n 3,4", (2,), [[1, 2], [3, 4]]),
        ('"1","2"', (2,), [[1, 2]]),
        ("1,2,3,4,5,6", ROW, [[[1, 2, 3], [4, 5, 6]]]),
        ("1,2\n3,4", None, [[1, 2], [3, 4]]),
        ("7\n8", (1,), [[7], [8]]),
    ],
)
def test_csv(body: str, shape: tuple[int, ...] | None, rows: object) -> None:
    assert rows_of_csv(body, shape).tolist() == rows


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "no line of numbers"),
        ("\n \n", "no line of numbers"),
        ("a,b\n1,2", "line 1 holds something that is no number: .*'a'"),
        ("1,2\n3,\n", "line 2 holds something that is no number"),
        ("1,2\n\n3", "line 3 has 1 numbers instead of 2"),
        ('1,"2', "line 1 is not CSV: "),
        ("1,nan", "every number must be finite"),
    ],
)
def test_csv_that_holds_something_else(body: str, reason: str) -> None:
    with pytest.raises(BadPayload, match=reason):
        rows_of_csv(body, (2,))


def test_csv_without_a_shape_must_be_rectangular() -> None:
    with pytest.raises(BadPayload, match="line 2 has 1 numbers instead of 2"):
        rows_of_csv("1,2\n3", None)


ARRAYS = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=3, max_side=4),
    elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
)


@hypothesis.given(ARRAYS)
def test_arrays_survive_both_ways(array: npt.NDArray[np.float32]) -> None:
    assert np.array_equal(rows_of_json(json_of(array), array.shape[1:]), array)
    assert np.array_equal(rows_of_csv(csv_of(array).decode(), array.shape[1:]), array)


@hypothesis.given(st.text())
def test_any_text_is_rows_or_refused(body: str) -> None:
    for read in (rows_of_json, rows_of_csv):
        try:
            assert read(body, (2,)).shape[1:] == (2,)
        except BadPayload as error:
            assert str(error)  # noqa: PT017 - both ends are right


class FakeNDArray:
    """What MXNet returns, as far as encoding needs it."""

    def __init__(self, values: list[list[float]]) -> None:
        self.values = values

    def asnumpy(self) -> npt.NDArray[np.float32]:
        return np.asarray(self.values, dtype=np.float32)


def test_one_output_and_several() -> None:
    one, two = FakeNDArray([[1.5, 2], [3, 4]]), FakeNDArray([[5], [6]])
    assert json.loads(json_of(one)) == [[1.5, 2], [3, 4]]
    assert json.loads(json_of([one, two])) == [[[1.5, 2], [3, 4]], [[5], [6]]]
    assert csv_of(one) == b"1.5,2.0\r\n3.0,4.0\r\n"
    assert csv_of([one, two]) == b"1.5,2.0,3.0,4.0\r\n5.0,6.0\r\n"


def test_json_widens_to_double_and_csv_does_not() -> None:
    value = FakeNDArray([[4.999992]])
    assert json_of(value) == b"[[4.9999918937683105]]"
    assert csv_of(value) == b"4.999992\r\n"


def test_what_a_predict_fn_of_ones_own_makes() -> None:
    array = FakeNDArray([[1, 2]])
    assert json.loads(json_of({"scores": array, "count": 1})) == {"scores": [[1, 2]], "count": 1}
    assert json.loads(json_of(3.5)) == 3.5
    assert csv_of(3.5) == b"3.5\r\n"
    assert csv_of(["cat", "dog"]) == b"cat\r\ndog\r\n"
    for value in ({"scores": array}, None):
        with pytest.raises(TypeError, match="has no form in CSV; define output_fn in the script"):
            csv_of(value)
