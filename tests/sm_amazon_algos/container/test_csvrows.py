"""Lines of numbers: what is read, in any way of writing, and what is wrong with what is not."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sm_amazon_algos.container import streams
from sm_amazon_algos.container.csvrows import parse_lines, take_lines
from sm_amazon_algos.container.streams import pieces
from sm_core.errors import CodecError

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(
    st.integers(1, 5).flatmap(
        lambda n: st.lists(st.lists(FINITE, min_size=n, max_size=n), min_size=1)
    )
)
def test_numbers_come_back_as_python_reads_them(rows: list[list[float]]) -> None:
    text = "\n".join(",".join(map(repr, row)) for row in rows).encode()
    np.testing.assert_array_equal(parse_lines(text), np.array(rows))


@pytest.mark.parametrize(
    "text",
    [
        b"1,2\n3,4\n",
        b"1,2\n3,4",
        b"1,2\r\n3,4\r\n",
        b" 1 ,\t2\n3,4 \n",
        b'"1","2"\n"3","4"\n',
        b"1,2\n\n3,4\n\n",
        b"1.,2.0\n+3,04\n",
        b"1e0,.2e1\n3,4\n",
        b"1,2\r3,4\r",
        b"1,2\r\n\r\n3,4",
        b"\xef\xbb\xbf1,2\n3,4\n",
        b'\xef\xbb\xbf"1", "2" \r\n\t"3","4"\r\n',
        b'"1.",2\n3," 4 "\n',
    ],
)
def test_ways_of_writing(text: bytes) -> None:
    np.testing.assert_array_equal(parse_lines(text), [[1, 2], [3, 4]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"1,2\n3\n", "line 2 has 1 numbers, the first has 2"),
        (b"1\n2,3\n", "line 2 has 2 numbers, the first has 1"),
        (b"1,2\n3,x\n", "line 2 is '3,x', which is not numbers"),
        (b"a,b\n1,2\n", "line 1 is 'a,b', which is not numbers"),
        (b"1,2\n3,\n", "line 2 is '3,', which is not numbers"),
        (b"1,true\n", "line 1 is '1,true', which is not numbers"),
        (b"1,[2]\n", "which is not numbers"),
        (b"1,2 3\n", "line 1 is '1,2 3', which is not numbers"),
        (b"1,2\t3\n4,5\n", "line 1 is '1,2\\t3', which is not numbers"),
        (b"1,2_3\n", "line 1 is '1,2_3', which is not numbers"),
        (b'1,"2,3"\n', "line 1 is '1,\"2,3\"', which is not numbers"),
        (b'1,2"3\n', "which is not numbers"),
        (b'1,""\n', "which is not numbers"),
        (b"1,2\n\xef\xbb\xbf3,4\n", "which is not numbers"),
        (b"1;2\n", "which is not numbers"),
        ("1,\uff12\n".encode(), "which is not numbers"),
        (b"\xff\xfe\n", "which is not numbers"),
    ],
)
def test_what_is_wrong(text: bytes, message: str) -> None:
    with pytest.raises(CodecError) as caught:
        parse_lines(text)
    assert message in str(caught.value)


def test_blank_lines_hold_no_rows() -> None:
    assert parse_lines(b"") is None
    assert parse_lines(b"\n \r\n") is None


def test_a_stream_is_read_in_pieces_of_whole_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "CHUNK", 64)
    rows = np.arange(300).reshape(100, 3) / 7
    text = "\n".join(",".join(map(repr, row)) for row in rows.tolist()).encode()
    found = [np.array(piece) for piece in pieces(io.BytesIO(text), take_lines)]
    assert len(found) > 10
    np.testing.assert_array_equal(np.concatenate(found), rows)


def test_the_line_that_is_wrong_is_counted_from_the_stream_s_beginning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "CHUNK", 16)
    with pytest.raises(CodecError, match="line 31 is 'x', which is not numbers"):
        list(pieces(io.BytesIO(b"1\n" * 30 + b"x\n"), take_lines))
