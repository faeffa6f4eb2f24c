"""JSON and CSV bodies, with values of any library."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import orjson
import pytest

from sm_core.container.errors import BadPayload
from sm_core.container.payloads import csv_of, json_of, rows_of_csv, value_of_json


class Tensor:
    """As of a library that is not here."""

    def __init__(self, values: Any) -> None:
        self._values = values

    def tolist(self) -> Any:
        return self._values


class NDArray:
    """As of MXNet."""

    def asnumpy(self) -> Any:
        return np.ones((2, 1), dtype=np.float32)


def test_json_is_read_or_refused() -> None:
    assert value_of_json('{"a": [1, null]}') == {"a": [1, None]}
    for body in (b"", b"[1", b"\xff", b"NaN", b"[" * 5000):
        with pytest.raises(BadPayload, match="the body is not JSON"):
            value_of_json(body)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([[1, 2.5], [True, None]], "[[1,2.5],[true,null]]"),
        (np.array([[1.5, np.nan]], dtype=np.float32), "[[1.5,null]]"),
        (np.arange(4).reshape(2, 2).T, "[[0,2],[1,3]]"),
        (np.float64(2), "2.0"),
        ({"scores": np.array([1]), 5: "five"}, '{"scores":[1],"5":"five"}'),
        (Tensor([[1]]), "[[1]]"),
        ([NDArray(), NDArray()], "[[[1.0],[1.0]],[[1.0],[1.0]]]"),
    ],
)
def test_json_is_written(value: Any, expected: str) -> None:
    assert json_of(value).decode() == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([[1, 2.5], ["a,b", None]], '1,2.5\n"a,b",\n'),
        (np.array([[1.5, 2], [3, 4]], dtype=np.float32), "1.5,2.0\n3.0,4.0\n"),
        (np.array([1, 2]), "1\n2\n"),
        (np.float32(2), "2.0\n"),
        (3, "3\n"),
        (["x", "y"], "x\ny\n"),
        ([np.array([1, 2]), [3]], "1,2\n3\n"),
        (Tensor([[1], [2]]), "1\n2\n"),
        (NDArray(), "1.0\n1.0\n"),
        ("a,b\n", "a,b\n"),
    ],
)
def test_csv_is_written(value: Any, expected: str) -> None:
    assert csv_of(value).decode() == expected


@pytest.mark.parametrize("write", [json_of, csv_of])
def test_what_has_no_form_is_named(write: Any) -> None:
    with pytest.raises(TypeError):
        write(object())


def test_csv_is_read() -> None:
    assert rows_of_csv('1, 2.5\r\n\n"3",-4e2\n \t\n""\n') == [[1, 2.5], [3, -400]]
    assert rows_of_csv("1,2", width=2) == [[1, 2]]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "no line of numbers"),
        ("1,2\n\n3", "line 3 has 1 numbers instead of 2"),
        ("a,b\n1,2", "line 1 holds something that is no number: .* 'a'"),
        ("1,", "line 1 holds something that is no number"),
        ("1,2\n , \n3,4", "line 2 holds something that is no number"),
        ('1,"2', "line 1 is not CSV"),
    ],
)
def test_csv_is_refused_by_line(body: str, reason: str) -> None:
    with pytest.raises(BadPayload, match=reason):
        rows_of_csv(body)


ROWS = st.integers(1, 4).flatmap(
    lambda width: st.lists(
        st.lists(st.floats(allow_nan=False), min_size=width, max_size=width), min_size=1
    )
)


@hypothesis.given(ROWS)
def test_csv_of_numbers_comes_back(rows: list[list[float]]) -> None:
    assert rows_of_csv(csv_of(rows).decode()) == rows


@hypothesis.given(ROWS)
def test_json_of_numbers_comes_back(rows: list[list[float]]) -> None:
    expected = [[x if math.isfinite(x) else None for x in row] for row in rows]
    assert value_of_json(json_of(np.array(rows))) == expected
    assert json_of(rows) == orjson.dumps(rows)


@hypothesis.given(st.text())
def test_any_text_is_read_or_refused(body: str) -> None:
    for read in (rows_of_csv, value_of_json):
        with contextlib.suppress(BadPayload):
            read(body)
