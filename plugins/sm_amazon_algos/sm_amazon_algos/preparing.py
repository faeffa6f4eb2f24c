"""A matrix, or a stream of blocks, becomes a record set in S3."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from sm_amazon_algos.encoding import encode_blocks
from sm_amazon_algos.matrices import Kind, within_range
from sm_amazon_algos.recordset import FEATURE_DIM, NUM_OBJECTS, NUM_RECORDS, RecordSet
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

__all__ = ["Destination", "RecordData", "upload_records"]

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


@attrs.frozen(eq=False)
class RecordData:
    """What becomes records.

    Attributes:
        rows: a matrix, or an iterator of blocks: matrices, or pairs of a matrix and its labels.
        labels: of a matrix, one a row; None for none.
        kind: type of the numbers to write; None for the data's own.
        labelled: whether rows without labels are refused.
    """

    rows: Any
    labels: Any = None
    kind: Kind | None = attrs.field(default=None, kw_only=True)
    labelled: bool = attrs.field(default=False, kw_only=True)

    def pieces(self, shards: int) -> Iterator[Piece]:
        """The rows, cut for so many shards.

        Raises:
            InputError: there are fewer rows than shards, or labels are missing.
            CodecError: no records can be made of the data.
        """
        if not is_stream(self.rows):
            found = pieces_of_matrix(self.rows, self.labels, shards=shards, kind=self.kind)
        elif self.labels is None:
            found = pieces_of_stream(self.rows, shards=shards, kind=self.kind)
        else:
            raise InputError(
                "an iterator of blocks brings its labels itself: let it give pairs (rows, labels)"
            )
        for piece in found:
            if self.labelled and piece.labels is None:
                raise InputError(
                    "the algorithm learns from labels: give record_set(rows, labels), or blocks "
                    "that are pairs (rows, labels)"
                )
            yield piece


def upload_records(destination: Destination, data: RecordData, *, channel: str) -> RecordSet:
    """Write `data` as records, a shard for each instance, and a manifest that names the shards.

    Args:
        destination: where to.
        data: what to write.
        channel: that the records are for.

    Raises:
        InputError: there are fewer rows than shards, or labels are missing.
        CodecError: no records can be made of the data.
        RequestError: S3 refused a call. In any case nothing is left behind.
    """
    folder = f"{destination.prefix}{unique_name(destination.name)}/"
    uri = f"s3://{destination.bucket}/{folder}"
    digits = len(str(destination.shards))
    names = [f"matrix_{number:0{digits}}.pbr" for number in range(destination.shards)]
    with (
        translated_errors(f"uploading records to {uri}"),
        progress_bar("records", None) as moved,
        Uploads(destination.session.client("s3"), destination.bucket, moved) as uploads,
    ):
        writers = [uploads.open(folder + name) for name in names]
        rows, columns = _write_shards(data.pieces(destination.shards), writers)
        # Nobody may find a manifest of objects that are not there.
        uploads.finish()
        known = {NUM_RECORDS: rows, FEATURE_DIM: columns, NUM_OBJECTS: len(names)}
        metadata = {name: str(number) for name, number in known.items()}
        with uploads.open(folder + MANIFEST, metadata=metadata) as manifest:
            manifest.write(json.dumps([{"prefix": uri}, *names]).encode())
    return RecordSet(uri + MANIFEST, rows, columns, channel=channel, num_objects=len(names))


def _write_shards(pieces: Iterator[Piece], writers: Sequence[ObjectWriter]) -> tuple[int, int]:
    """Write each piece to its shard; returns how many rows and columns there were."""
    rows = columns = 0
    for piece in pieces:
        rows, columns = rows + len(piece.rows), piece.rows.columns
        with within_range():
            for block in encode_blocks(piece.rows, piece.labels):
                writers[piece.shard].write(block.data)
        if piece.last:
            writers[piece.shard].close()
    check_enough(rows, len(writers))
    for writer in writers:
        writer.close()
    return rows, columns
