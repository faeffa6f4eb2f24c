"""Codecs: round trips, values known by their methods, and nothing ever unpickled."""

from __future__ import annotations

import contextlib
import io
import pickle
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np

from sm_core import codecs
from sm_core.codecs import (
    Codec,
    Deserializer,
    Serializer,
    bytes_deserializer,
    codec_for,
    csv_deserializer,
    csv_serializer,
    decode_by_content_type,
    json_deserializer,
    json_serializer,
    npy_deserializer,
    npy_serializer,
    stream_deserializer,
    string_deserializer,
)
from sm_core.errors import CodecError

AddPlugin = Callable[..., ModuleType]

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
        (csv_serializer, {"a": 1}, "a dict cannot be sent as text/csv: a dict is neither a list"),
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
    for body in (pickled.getvalue(), pickle.dumps(Bomb()), zipped.getvalue()):
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
@example(body=b"[" * 100_000, content_type="")
@example(body=b"a\rb", content_type="text/csv")
def test_any_bytes_are_decoded_or_refused(
    deserializer: Deserializer, body: bytes, content_type: str
) -> None:
    with contextlib.suppress(CodecError):
        deserializer(io.BytesIO(body), content_type)


# Text, bytes, streams


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


# The registry


def test_a_codec_is_found_by_media_type() -> None:
    assert codec_for("Application/JSON; charset=utf-8").serializer is json_serializer
    assert decode_by_content_type(io.BytesIO(b"a,b"), "text/csv; header=absent") == [["a", "b"]]


def test_an_unknown_content_type_names_those_there_are() -> None:
    with pytest.raises(CodecError) as caught:
        codec_for("image/jpeg")
    text = str(caught.value)
    assert "there is no codec for content type 'image/jpeg'; there are: application/json" in text
    assert "sm_core.bytes_deserializer" in text


def test_hook_sm_codecs_a_plugin_s_codec_wins_over_the_core_s(add_plugin: AddPlugin) -> None:
    own = Codec(
        content_type="application/JSON",
        serializer=Serializer("application/json", lambda payload: "own"),
        deserializer=Deserializer("application/json", lambda body, content_type: "own"),
    )
    new = Codec(content_type="x/y", serializer=own.serializer, deserializer=own.deserializer)
    add_plugin(sm_codecs=lambda: [own, new])
    assert codec_for("application/json") is own
    assert decode_by_content_type(io.BytesIO(b"{}"), "X/Y; a=b") == "own"
    assert codec_for("text/csv").serializer is csv_serializer


def test_every_serializer_and_deserializer_has_a_public_name() -> None:
    kinds = (Serializer, Deserializer)
    made = {name for name, value in vars(codecs).items() if isinstance(value, kinds)}
    assert made <= set(codecs.__all__)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_json_refuses_what_it_cannot_say(number: float) -> None:
    with pytest.raises(CodecError, match="JSON has no NaN and no infinity; replace them"):
        json_serializer([[1.0, number]])
