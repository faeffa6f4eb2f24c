"""Rows cut into shards: where each goes, whether their number is known or not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import attrs

from sm_amazon_algos.matrices import (
    DenseRows,
    Kind,
    Rows,
    SparseRows,
    as_labels,
    as_rows,
    is_sparse,
)
from sm_core.errors import CodecError, InputError

__all__ = ["Piece", "is_stream", "pieces_of_matrix", "pieces_of_stream"]


@attrs.frozen(eq=False, kw_only=True)
class Piece:
    """Rows on their way to a shard.

    Attributes:
        shard: its number.
        rows: the features.
        labels: as many; None if there are none.
        last: whether nothing else will go to that shard.
    """

    shard: int
    rows: Rows
    labels: DenseRows | None
    last: bool = False


def is_stream(data: Any) -> bool:
    """Whether `data` gives blocks of rows, one after the other, rather than being a matrix."""
    if isinstance(data, list):
        return bool(data) and getattr(data[0], "ndim", 0) == 2
    matrix = is_sparse(data) or hasattr(data, "to_numpy") or hasattr(data, "__array__")
    return not matrix and not isinstance(data, (tuple, str, bytes)) and hasattr(data, "__iter__")


def pieces_of_matrix(data: Any, labels: Any, *, shards: int, kind: Kind | None) -> Iterator[Piece]:
    """As many rows for each shard, in their order; the last one takes what is left over.

    Raises:
        InputError: there are fewer rows than shards.
        CodecError: the data is no matrix, or the labels do not fit it.
    """
    rows = as_rows(data, kind=kind)
    given = None if labels is None else as_labels(labels, len(rows), kind=kind)
    check_enough(len(rows), shards)
    size = len(rows) // shards
    for shard in range(shards):
        start, stop = shard * size, (shard + 1) * size if shard + 1 < shards else len(rows)
        label = None if given is None else given.between(start, stop)
        yield Piece(shard=shard, rows=rows.between(start, stop), labels=label, last=True)


def pieces_of_stream(blocks: Iterable[Any], *, shards: int, kind: Kind | None) -> Iterator[Piece]:
    """The rows of each block dealt out, so that no shard gets more than one row above another.

    Args:
        blocks: matrices, or pairs of a matrix and its labels.
        shards: how many.
        kind: the tensors to write; None for those that fit the first block.

    Raises:
        CodecError: a block is no matrix, or differs from the first in width or kind.
    """
    first: Piece | None = None
    turn = 0
    for number, block in enumerate(blocks):
        rows, labels = _block(block, number, kind)
        whole = Piece(shard=-1, rows=rows, labels=labels)
        first = first or whole
        _check_like(first, whole, number)
        start = 0
        # Those whose turn it is get one row more than the others.
        size, more = divmod(len(rows), shards)
        for place in range(shards):
            stop = start + size + (place < more)
            if stop > start:
                part = None if labels is None else labels.between(start, stop)
                shard = (turn + place) % shards
                yield Piece(shard=shard, rows=rows.between(start, stop), labels=part)
            start = stop
        turn = (turn + more) % shards


def check_enough(rows: int, shards: int) -> None:
    """Refuse fewer rows than shards, as a host without data would fail.

    Raises:
        InputError: there are too few.
    """
    if rows < shards:
        raise InputError(
            f"{rows} rows cannot be shared out over {shards} instances; lower train_instance_count"
        )


def _block(block: Any, number: int, kind: Kind | None) -> tuple[Rows, DenseRows | None]:
    data, labels = block if isinstance(block, tuple) and len(block) == 2 else (block, None)
    try:
        rows = as_rows(data, kind=kind)
        return rows, None if labels is None else as_labels(labels, len(rows), kind=kind)
    except CodecError as error:
        raise CodecError(f"block {number}: {error}") from error


def _check_like(first: Piece, other: Piece, number: int) -> None:
    """All records must be of one form."""
    forms = [_form(piece) for piece in (first, other)]
    if forms[0] != forms[1]:
        raise CodecError(f"block {number} has {forms[1]}, the first had {forms[0]}")


def _form(piece: Piece) -> str:
    sparse = "sparse " if isinstance(piece.rows, SparseRows) else ""
    features = f"{piece.rows.columns} {sparse}columns of {piece.rows.kind}"
    if piece.labels is None:
        return f"{features} without labels"
    return f"{features} with {piece.labels.columns} label(s) of {piece.labels.kind} a row"
