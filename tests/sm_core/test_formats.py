"""The built-in formats: round trips, real values of every kind, and nothing ever unpickled."""

from __future__ import annotations

import contextlib
import io
import pickle
import subprocess
import sys
from collections import deque
from datetime import date, datetime, time, timezone
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np

from sm_core import formats
from sm_core.codecs import Deserializer, Serializer, codec_for
from sm_core.errors import CodecError
from sm_core.formats import (
    bytes_deserializer,
    csv_deserializer,
    csv_serializer,
    json_deserializer,
    json_serializer,
    jsonlines_deserializer,
    jsonlines_serializer,
    npy_deserializer,
    npy_serializer,
    stream_deserializer,
    stream_serializer,
    string_deserializer,
    string_serializer,
)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=10,
)
ARRAYS = st_np.arrays(
    dtype=st_np.boolean_dtypes()
    | st_np.integer_dtypes()
    | st_np.floating_dtypes()
    | st_np.unicode_string_dtypes(),
    shape=st_np.array_shapes(min_dims=0, min_side=0),
)


class Frame:
    """What matters of a pandas frame, of a scipy matrix and of an mxnet array."""

    def __init__(self, method: str, values: Any) -> None:
        setattr(self, method, lambda: values)


class Array(list[Any]):
    """What matters of a numpy array."""

    def tolist(self) -> list[Any]:
        return list(self)


def stream(body: Any) -> io.BytesIO:
    return io.BytesIO(body.encode() if isinstance(body, str) else body)


# JSON


@given(JSON)
def test_json_round_trip(value: Any) -> None:
    assert json_deserializer(stream(json_serializer(value)), "application/json") == value


@pytest.mark.parametrize("method", ["toarray", "to_numpy"])
def test_arrays_and_frames_are_known_by_their_methods(method: str) -> None:
    frame = Frame(method, Array([[1, 2], [3, 4]]))
    assert json_serializer(frame) == "[[1, 2], [3, 4]]"
    assert json_serializer({"instances": frame}) == '{"instances": [[1, 2], [3, 4]]}'
    assert csv_serializer(frame) == "1,2\n3,4"


def test_numpy_and_scipy_themselves() -> None:
    assert json_serializer(np.arange(4).reshape(2, 2)) == "[[0, 1], [2, 3]]"
    assert json_serializer([np.float32(1.5), np.bool_(True)]) == "[1.5, true]"
    assert csv_serializer(np.array([1.5, 2])) == "1.5,2.0"
    assert csv_serializer([np.array([1, 2]), np.array([3, 4])]) == "1,2\n3,4"
    assert csv_serializer(np.float64(3)) == "3.0"
    sparse = pytest.importorskip("scipy.sparse")
    matrix = sparse.csr_matrix([[0, 1], [2, 0]])
    assert json_serializer(matrix) == "[[0, 1], [2, 0]]"
    assert csv_serializer(matrix) == "0,1\n2,0"
    assert (npy_deserializer(stream(npy_serializer(matrix)), "") == matrix.toarray()).all()


def test_pandas_itself() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5]})
    assert json_serializer(frame) == "[[1.0, 0.5], [2.0, 1.5]]"
    assert csv_serializer(frame) == "1.0,0.5\n2.0,1.5"
    assert csv_serializer(frame["a"]) == "1,2"


def test_sets_are_lists_in_json() -> None:
    assert json_serializer({1}) == "[1]"


# CSV


# Python 3.10 has no form for a NUL in CSV.
@given(
    st.lists(
        st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8")), min_size=1),
        min_size=1,
    )
)
@example([["carriage\rreturn", "new\nline", 'quote"', "com,ma", ""]])
@example([[""]])
def test_csv_round_trip(rows: list[list[str]]) -> None:
    assert csv_deserializer(stream(csv_serializer(rows)), "text/csv") == rows


@pytest.mark.parametrize(
    ("payload", "body"),
    [
        ([1, 2.5, "x"], "1,2.5,x"),
        ((1, 2), "1,2"),
        ([[1, 2], (3, 4)], "1,2\n3,4"),
        (7, "7"),
        (True, "True"),
        ([], ""),
        ([1, None], "1,"),
        ("already,csv\n", "already,csv\n"),
        (b"already,csv", b"already,csv"),
    ],
)
def test_csv_of_rows_scalars_and_what_is_csv_already(payload: Any, body: Any) -> None:
    assert csv_serializer(payload) == body


@pytest.mark.parametrize(
    ("serializer", "payload", "message"),
    [
        (csv_serializer, {"a": 1}, "a dict cannot be sent as text/csv: it has no rows and columns"),
        (csv_serializer, [[1], 2], "rows and scalars are mixed"),
        (csv_serializer, [[[1]]], "a value of a row is a list"),
        (csv_serializer, [{"a": 1}], "a value of a row is a dict"),
        (csv_serializer, None, "a NoneType cannot be sent as text/csv"),
        (json_serializer, object(), "a object cannot be sent as application/json"),
        (json_serializer, {(1, 2): 3}, "a dict cannot be sent as application/json: keys must be"),
        (npy_serializer, [[1], [1, 2]], "a list cannot be sent as application/x-npy"),
    ],
)
def test_a_payload_without_a_form_is_named(
    serializer: Serializer, payload: Any, message: str
) -> None:
    with pytest.raises(CodecError) as caught:
        serializer(payload)
    assert message in str(caught.value)


# npy


@given(ARRAYS)
def test_npy_round_trip(array: Any) -> None:
    copy = npy_deserializer(stream(npy_serializer(array)), "application/x-npy")
    assert copy.dtype == array.dtype
    assert copy.shape == array.shape
    assert copy.tobytes() == array.tobytes()


class Bomb:
    """Goes off when unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("it was unpickled",))


def test_objects_are_refused_both_ways() -> None:
    with pytest.raises(CodecError, match="dtype is object, which npy could only hold as a pickle"):
        npy_serializer(np.array([Bomb()], dtype=object))
    with pytest.raises(CodecError, match="dtype is object"):
        npy_serializer(np.array([(1, None)], dtype=[("a", int), ("b", object)]))
    pickled = io.BytesIO()
    np.save(pickled, np.array([Bomb()], dtype=object), allow_pickle=True)
    zipped = io.BytesIO()
    np.savez(zipped, a=np.array([1]))
    endless = npy_serializer(np.ones(3))
    assert isinstance(endless, bytes)
    endless = endless.replace(b"<f8", b"|S0").replace(b"(3,)", b"(9,)")
    for body in (pickled.getvalue(), pickle.dumps(Bomb()), zipped.getvalue(), endless):
        with pytest.raises(CodecError, match="cannot be decoded"):
            npy_deserializer(io.BytesIO(body), "application/x-npy")


def test_npy_without_numpy_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(CodecError, match="npy needs numpy: pip install numpy"):
        npy_serializer([1])


@pytest.mark.parametrize(
    "deserializer", [json_deserializer, csv_deserializer, npy_deserializer, string_deserializer]
)
@given(body=st.binary(), content_type=st.sampled_from(["", "text/csv; charset=latin-1"]))
@example(body=b"\x93NUMPY\x01\x00\x10\x00{'descr':'<f8'} \n", content_type="")
@example(body=b"\x93NUMPY\x01\x00\x0b\x00{'shape':(3\n", content_type="")
@example(body=b"[" * 100_000, content_type="")
@example(body=b"a\rb", content_type="text/csv")
def test_any_bytes_are_decoded_or_refused(
    deserializer: Deserializer, body: bytes, content_type: str
) -> None:
    with contextlib.suppress(CodecError):
        deserializer(io.BytesIO(body), content_type)


def test_other_libraries_are_used_without_being_imported() -> None:
    program = """
import io, sys
import sm_core
for serializer in (sm_core.json_serializer, sm_core.csv_serializer, sm_core.jsonlines_serializer):
    serializer([[1, 2.5, "x"]])
sm_core.json_deserializer(io.BytesIO(b"[1]"), "application/json")
assert not {"numpy", "pandas", "scipy", "boto3"} & set(sys.modules), sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", program], check=True)


# Real values


@pytest.mark.parametrize(
    ("value", "json_text", "csv_text"),
    [
        (np.array([2**53 + 1, -(2**63)]), "[9007199254740993, -9223372036854775808]", None),
        (np.array([2**64 - 1], dtype="u8"), "[18446744073709551615]", "18446744073709551615"),
        (np.array([True, False]), "[true, false]", "True,False"),
        (np.array([[1, 2], [3, 4]], dtype=">i2"), "[[1, 2], [3, 4]]", "1,2\n3,4"),
        (
            np.array([0.1, 1e16], dtype="f4"),
            "[0.10000000149011612, 1.0000000272564224e+16]",
            "0.1,1e+16",
        ),
        (np.array([0.1, -0.0]), "[0.1, -0.0]", "0.1,-0.0"),
        (np.array([1.5], dtype="f2"), "[1.5]", "1.5"),
        (np.array([1.5], dtype=np.longdouble), "[1.5]", "1.5"),
        (np.longdouble(1.5), "1.5", "1.5"),
        (np.array(3), "3", "3"),
        (np.array([]), "[]", ""),
        (np.empty((0, 3)), "[]", ""),
        (np.array(["a,b", "ü"]), '["a,b", "\\u00fc"]', '"a,b",ü'),
        (np.array([b"ab"]), '["ab"]', "ab"),
        (np.array([1, "x", None], dtype=object), '[1, "x", null]', "1,x,"),
        (np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]), "[[1, 2.5]]", "1,2.5"),
        (np.array((1, "x"), dtype=[("a", "i4"), ("b", "U1")]), '[1, "x"]', "1,x"),
        (
            np.array(["2024-02-29T12:00:00.123456789", "NaT"], dtype="M8[ns]"),
            '["2024-02-29T12:00:00.123456789", null]',
            "2024-02-29T12:00:00.123456789,",
        ),
        (np.datetime64("2024-02-29"), '"2024-02-29"', "2024-02-29"),
        (np.datetime64("NaT", "s"), "null", '""'),
        (np.ma.array([1, 2], mask=[False, True]), "[1, null]", "1,"),
        ([datetime(2024, 2, 29, 12, tzinfo=timezone.utc)], '["2024-02-29T12:00:00+00:00"]', None),
        ([date(2024, 2, 29), time(12, 30)], '["2024-02-29", "12:30:00"]', "2024-02-29,12:30:00"),
        ([Decimal("0.1"), Decimal("1E+3"), Decimal("2.50")], "[0.1, 1000, 2.5]", "0.1,1000,2.5"),
        (range(3), "[0, 1, 2]", "0,1,2"),
        ({"a": deque([1])}["a"], "[1]", "1"),
        ([np.int64(1), np.float32(0.5), np.str_("s"), None], '[1, 0.5, "s", null]', "1,0.5,s,"),
        ({"b": MappingProxyType({"a": np.arange(2)})}, '{"b": {"a": [0, 1]}}', "refused"),
        (2**70, str(2**70), str(2**70)),
        ("text", '"text"', "text"),
        (None, "null", "refused"),
    ],
    ids=repr,
)
def test_what_values_are_sent_as(value: Any, json_text: str, csv_text: str | None) -> None:
    assert json_serializer(value) == json_text
    if csv_text == "refused":
        with pytest.raises(CodecError):
            csv_serializer(value)
    elif csv_text is not None:
        assert csv_serializer(value) == csv_text


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (np.array([1, 2], dtype="m8[s]"), "durations carry no unit there"),
        (np.array([1j]), "complex numbers have no form there"),
        (np.array([b"\xff"]), "codec can't decode"),
        (np.zeros((2, 2), dtype=[("a", "i4")]), "a structured array of 2 dimensions"),
        ([Decimal("0.12345678901234567890123")], "more digits than a float; send it as text"),
        ([b"bytes"], "a bytes is neither a list nor a number"),
        ([1j], "a complex is neither a list"),
        (["\ud800"], None),
    ],
    ids=repr,
)
def test_what_would_lose_something_is_refused(value: Any, reason: str | None) -> None:
    if reason is None:
        # JSON escapes it, CSV is text, which has no form in bytes.
        assert json_serializer(value) == '["\\ud800"]'
        return
    for serializer in (json_serializer, csv_serializer):
        with pytest.raises(CodecError, match=reason):
            serializer(value)


def test_numbers_that_json_cannot_say_are_fine_in_csv_and_npy() -> None:
    array = np.array([np.nan, np.inf, -np.inf])
    assert csv_serializer(array) == csv_serializer(array.tolist()) == "nan,inf,-inf"
    assert np.isnan(npy_deserializer(stream(npy_serializer(array)), "")[0])
    assert json_deserializer(stream("[NaN, -Infinity]"), "")[1] == -np.inf


def test_a_list_that_holds_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for value in (endless, deep):
        with pytest.raises(CodecError, match="a list cannot be sent as application/json"):
            json_serializer(value)


def test_a_matrix_that_is_too_large_when_dense_is_refused() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    matrix = sparse.csr_matrix((1000, 2**50))
    for serializer in (json_serializer, csv_serializer, npy_serializer):
        with pytest.raises(CodecError, match="a csr_matrix cannot be sent as"):
            serializer(matrix)


def test_three_dimensions_are_no_csv() -> None:
    with pytest.raises(CodecError, match="it has 3 dimensions, and CSV has two"):
        csv_serializer(np.zeros((2, 2, 2)))


@given(ARRAYS.filter(lambda array: array.dtype.kind in "biuf" and array.ndim <= 2 and array.size))
def test_csv_gives_numbers_back_in_their_own_dtype(array: Any) -> None:
    rows = csv_deserializer(stream(csv_serializer(array)))
    words = [[word == "True" for word in row] for row in rows] if array.dtype.kind == "b" else rows
    back = np.array(words).astype(array.dtype)
    assert np.array_equal(back.reshape(array.shape), array, equal_nan=array.dtype.kind == "f")


@given(
    st_np.arrays(
        dtype=st_np.integer_dtypes() | st_np.floating_dtypes(sizes=(16, 32, 64)),
        shape=st_np.array_shapes(min_dims=0, min_side=0),
    ).filter(lambda array: np.isfinite(array).all())
)
def test_json_gives_numbers_back_exactly(array: Any) -> None:
    back = np.array(json_deserializer(stream(json_serializer(array))), dtype=array.dtype)
    assert back.tobytes() == array.reshape(back.shape).astype(array.dtype).tobytes()


def test_pandas_values_of_every_kind() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(
        {
            "when": pd.to_datetime(["2024-02-29T12:00:00.000000001", None]),
            "whole": pd.array([1, None], dtype="Int64"),
            "words": pd.Categorical(["a,b", "c"]),
        }
    )
    rows = '["2024-02-29T12:00:00.000000001", 1, "a,b"]', '[null, null, "c"]'
    assert json_serializer(frame) == f"[{', '.join(rows)}]"
    assert jsonlines_serializer(frame) == "\n".join(rows)
    assert csv_serializer(frame) == '2024-02-29T12:00:00.000000001,1,"a,b"\n,,c'
    zoned = pd.Timestamp("2024-02-29 12:00", tz="Europe/Berlin")
    assert json_serializer([zoned, pd.NaT, pd.NA]) == '["2024-02-29T12:00:00+01:00", null, null]'
    assert json_serializer(pd.Series([1.5])) == json_serializer(pd.Index([1.5])) == "[1.5]"
    assert npy_deserializer(stream(npy_serializer(frame[["whole"]].astype(float)))).shape == (2, 1)
    with pytest.raises(CodecError, match="dtype is object"):
        npy_serializer(frame)


def test_npy_holds_what_numpy_holds() -> None:
    for array in (
        np.array(3, dtype=">f4"),
        np.empty((0, 3)),
        np.array([(1, b"x")], dtype=[("a", ">i2"), ("b", "S1")]),
        np.array(["2024"], dtype="M8[Y]"),
        np.asfortranarray(np.arange(6).reshape(2, 3)),
    ):
        back = npy_deserializer(stream(npy_serializer(array)))
        assert back.dtype == array.dtype
        assert np.array_equal(back, array)
    with pytest.raises(CodecError, match="which values are masked; fill them first"):
        npy_serializer(np.ma.array([1, 2], mask=[False, True]))


# JSON lines


@given(st.lists(JSON))
@example(["\u2028", "\r", {"a": "\n"}])
def test_json_lines_round_trip(values: list[Any]) -> None:
    assert jsonlines_deserializer(stream(jsonlines_serializer(values))) == values


@pytest.mark.parametrize(
    ("payload", "body"),
    [
        ({"a": 1}, '{"a": 1}'),
        (np.array([[1, 2], [3, 4]]), "[1, 2]\n[3, 4]"),
        (7, "7"),
        (None, "null"),
        ('{"a": 1}\n', '{"a": 1}\n'),
    ],
)
def test_json_lines_of_rows_values_and_what_is_lines_already(payload: Any, body: str) -> None:
    assert jsonlines_serializer(payload) == body


# Text, bytes, streams


@pytest.mark.parametrize(
    "serializer",
    [csv_serializer, json_serializer, jsonlines_serializer, npy_serializer, string_serializer],
)
def test_bytes_and_files_are_encoded_already(serializer: Serializer) -> None:
    for payload in (b"{}", bytearray(b"{}"), memoryview(b"{}")):
        assert serializer(payload) == b"{}"
    file = io.BytesIO(b"{}")
    assert serializer(file) is file


def test_streams_are_files_or_pieces() -> None:
    assert stream_serializer(iter([b"a", b"b"])) == b"ab"
    for payload in ("text", {"a": 1}, 7, ["text"]):
        with pytest.raises(CodecError, match="cannot be sent as application/octet-stream"):
            stream_serializer(payload)


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    marked = b"\xef\xbb\xbf1,2"
    assert csv_deserializer(io.BytesIO(marked), "text/csv") == [["1", "2"]]
    assert json_deserializer(io.BytesIO(b"\xef\xbb\xbf[1]"), "application/json") == [1]


def test_text_is_decoded_by_its_charset() -> None:
    text = "Grüße"
    for content_type in ("text/plain; charset=utf-16", 'text/plain;a=b; Charset="utf-16"'):
        assert string_deserializer(io.BytesIO(text.encode("utf-16")), content_type) == text
    assert string_deserializer(io.BytesIO(text.encode()), "text/plain") == text


@pytest.mark.parametrize("charset", ["no-such", "hex", "ascii"])
def test_a_charset_that_does_not_fit_is_an_error(charset: str) -> None:
    with pytest.raises(CodecError, match=rf"of content type 'text/plain; charset={charset}'"):
        string_deserializer(io.BytesIO(b"\xff"), f"text/plain; charset={charset}")


def test_bytes_and_streams_are_left_alone() -> None:
    body = io.BytesIO(b"\x00\xff")
    assert stream_deserializer(body, "any/thing") is body
    assert bytes_deserializer(body, "any/thing") == b"\x00\xff"


@pytest.mark.parametrize(
    ("content_type", "payload", "body"),
    [
        ("application/octet-stream", bytearray(b"\x00"), b"\x00"),
        ("text/plain", "text", "text"),
    ],
)
def test_plain_codecs_send_what_they_are_given(content_type: str, payload: Any, body: Any) -> None:
    assert codec_for(content_type).serializer(payload) == body
    with pytest.raises(CodecError, match=r"are sent as|is sent as"):
        codec_for(content_type).serializer(3)


def test_files_are_sent_as_they_are() -> None:
    file = io.BytesIO(b"x")
    assert codec_for("application/octet-stream").serializer(file) is file


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_json_refuses_what_it_cannot_say(number: float) -> None:
    with pytest.raises(CodecError, match="JSON has no NaN and no infinity; replace them"):
        json_serializer([[1.0, number]])


def test_every_serializer_and_deserializer_has_a_public_name() -> None:
    kinds = (Serializer, Deserializer)
    made = {name for name, value in vars(formats).items() if isinstance(value, kinds)}
    assert made <= set(formats.__all__)
