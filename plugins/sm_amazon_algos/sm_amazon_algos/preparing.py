"""A matrix, or a stream of blocks, becomes a record set in S3."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from sm_amazon_algos.encoding import encode_blocks
from sm_amazon_algos.matrices import Kind
from sm_amazon_algos.recordset import FEATURE_DIM, NUM_RECORDS, RecordSet
from sm_amazon_algos.shards import (
    Piece,
    check_enough,
    is_stream,
    pieces_of_matrix,
    pieces_of_stream,
)
from sm_amazon_algos.upload import ObjectWriter, Uploads
from sm_core.clients import translated_errors
from sm_core.errors import InputError
from sm_core.naming import unique_name
from sm_core.session import Session
from sm_core.uploads import progress_bar

__all__ = ["Destination", "upload_records"]

MANIFEST = ".amazon.manifest"


@attrs.frozen(kw_only=True)
class Destination:
    """Where records go.

    Attributes:
        session: whose account.
        bucket: exists.
        prefix: what the keys begin with, a slash at its end or nothing.
        name: what the folder's name begins with.
        shards: objects to make, one for each instance that will train.
    """

    session: Session
    bucket: str
    prefix: str
    name: str
    shards: int


def upload_records(
    destination: Destination, data: Any, labels: Any, *, channel: str, kind: Kind | None
) -> RecordSet:
    """Write `data` as records, a shard for each instance, and a manifest that names the shards.

    Args:
        destination: where to.
        data: a matrix, or an iterator of blocks: matrices, or pairs of a matrix and its labels.
        labels: of a matrix, one a row.
        channel: that the records are for.
        kind: type of the numbers to write; None for the data's own.

    Raises:
        InputError: there are fewer rows than shards.
        CodecError: no records can be made of the data.
        RequestError: S3 refused a call. In any case nothing is left behind.
    """
    pieces = _pieces(data, labels, shards=destination.shards, kind=kind)
    folder = f"{destination.prefix}{unique_name(destination.name)}/"
    uri = f"s3://{destination.bucket}/{folder}"
    digits = len(str(destination.shards))
    names = [f"matrix_{number:0{digits}}.pbr" for number in range(destination.shards)]
    with (
        translated_errors(),
        progress_bar("records", None) as moved,
        Uploads(destination.session.client("s3"), destination.bucket, moved) as uploads,
    ):
        rows, columns = _write_shards(pieces, [uploads.open(folder + name) for name in names])
        # Nobody may find a manifest of objects that are not there.
        uploads.finish()
        known = {NUM_RECORDS: str(rows), FEATURE_DIM: str(columns)}
        with uploads.open(folder + MANIFEST, metadata=known) as manifest:
            manifest.write(json.dumps([{"prefix": uri}, *names]).encode())
    return RecordSet(uri + MANIFEST, rows, columns, channel=channel)


def _pieces(data: Any, labels: Any, *, shards: int, kind: Kind | None) -> Iterator[Piece]:
    if not is_stream(data):
        return pieces_of_matrix(data, labels, shards=shards, kind=kind)
    if labels is None:
        return pieces_of_stream(data, shards=shards, kind=kind)
    raise InputError(
        "an iterator of blocks brings its labels itself: let it give pairs (rows, labels)"
    )


def _write_shards(pieces: Iterator[Piece], writers: Sequence[ObjectWriter]) -> tuple[int, int]:
    """Write each piece to its shard; returns how many rows and columns there were."""
    rows = columns = 0
    for piece in pieces:
        rows, columns = rows + len(piece.rows), piece.rows.columns
        for block in encode_blocks(piece.rows, piece.labels):
            writers[piece.shard].write(block.data)
        if piece.last:
            writers[piece.shard].close()
    check_enough(rows, len(writers))
    for writer in writers:
        writer.close()
    return rows, columns
