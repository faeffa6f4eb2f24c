"""Rows cut into shards, of matrices and of streams."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from sm_amazon_algos.shards import Piece, is_stream, pieces_of_matrix, pieces_of_stream
from sm_core.errors import CodecError, InputError


def sizes(pieces: Iterable[Piece], shards: int) -> list[int]:
    counts = [0] * shards
    for piece in pieces:
        counts[piece.shard] += len(piece.rows)
        assert piece.labels is None or len(piece.labels) == len(piece.rows)
    return counts


@pytest.mark.parametrize(("rows", "shards", "expected"), [(7, 3, [2, 2, 3]), (4, 4, [1] * 4)])
def test_the_last_shard_takes_what_is_left_over(
    rows: int, shards: int, expected: list[int]
) -> None:
    for matrix in (np.zeros((rows, 2)), scipy.sparse.csr_matrix((rows, 2))):
        labels = np.arange(rows)
        pieces = list(pieces_of_matrix(matrix, labels, shards=shards, kind=None))
        assert sizes(pieces, shards) == expected
        kept = [piece.labels.array for piece in pieces if piece.labels is not None]
        assert np.concatenate(kept).ravel().tolist() == labels.tolist()
        assert all(piece.last for piece in pieces)


def test_fewer_rows_than_shards_are_refused() -> None:
    with pytest.raises(InputError, match="2 rows cannot be shared out over 3 instances"):
        list(pieces_of_matrix(np.zeros((2, 2)), None, shards=3, kind=None))


@given(st.lists(st.integers(0, 9)), st.integers(1, 5))
def test_blocks_are_dealt_out_evenly_and_whole(blocks: list[int], shards: int) -> None:
    numbers = iter(range(1000))
    given_ = [np.array([[next(numbers)] for _ in range(n)]).reshape(n, 1) for n in blocks]
    pieces = list(pieces_of_stream(given_, shards=shards, kind="float32"))
    counts = sizes(pieces, shards)
    assert max(counts) - min(counts) <= 1
    kept = [value for piece in pieces for value in piece.rows.values().ravel().tolist()]
    assert sorted(kept) == list(range(sum(blocks)))


def test_a_stream_is_taken_one_block_at_a_time() -> None:
    taken = []

    def blocks() -> Iterator[Any]:
        for number in range(3):
            taken.append(number)
            yield np.ones((2, 2)), np.zeros(2)

    pieces = pieces_of_stream(blocks(), shards=1, kind=None)
    assert taken == []
    next(pieces)
    assert taken == [0]


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (np.ones((2, 3)), "block 1 has 3 columns of float64 without labels, the first had 2"),
        (np.ones((2, 2), np.float32), "block 1 has 2 columns of float32 without labels"),
        (scipy.sparse.csr_matrix((2, 2)), "block 1 has 2 sparse columns of float64 without"),
        ((np.ones((2, 2)), [1, 2]), "block 1 has 2 columns of float64 with 1 label(s) of float32"),
        ((np.ones((2, 2)), [1]), "block 1: labels of shape (1,) do not fit 2 rows"),
        ("text", "block 1: data: a str is no matrix"),
        (np.ones(2), "block 1: rows and columns are needed, the data has 1 dimension;"),
    ],
)
def test_blocks_that_differ_from_the_first_are_refused(block: Any, message: str) -> None:
    with pytest.raises(CodecError) as caught:
        list(pieces_of_stream([np.ones((2, 2)), block], shards=1, kind=None))
    assert message in str(caught.value)


def test_what_is_a_stream() -> None:
    assert is_stream(iter([]))
    assert is_stream(np.ones((1, 1)) for _ in range(1))
    assert is_stream([np.ones((1, 1))])
    for matrix in (
        np.ones((1, 1)),
        [[1]],
        ((1,),),
        scipy.sparse.csr_matrix((1, 1)),
        "ab",
        b"ab",
        3,
    ):
        assert not is_stream(matrix)
