"""A matrix, or a stream of blocks, becomes a record set in S3."""

from __future__ import annotations

import json
from typing import Any

import attrs

from sm_amazon_algos.encoding import encode_blocks
from sm_amazon_algos.matrices import Kind
from sm_amazon_algos.recordset import FEATURE_DIM, NUM_RECORDS, RecordSet
from sm_amazon_algos.shards import (
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
    shards = destination.shards
    if not is_stream(data):
        pieces = pieces_of_matrix(data, labels, shards=shards, kind=kind)
    elif labels is None:
        pieces = pieces_of_stream(data, shards=shards, kind=kind)
    else:
        raise InputError(
            "an iterator of blocks brings its labels itself: let it give pairs (rows, labels)"
        )
    folder = f"{destination.prefix}{unique_name(destination.name)}/"
    client = destination.session.client("s3")
    count = width = 0
    with (
        translated_errors(),
        progress_bar("records", None) as moved,
        Uploads(client, destination.bucket, moved) as uploads,
    ):
        digits = len(str(shards))
        names = [f"matrix_{number:0{digits}}.pbr" for number in range(shards)]
        writers = [uploads.open(folder + name) for name in names]
        for piece in pieces:
            count, width = count + len(piece.rows), piece.rows.columns
            for block in encode_blocks(piece.rows, piece.labels):
                writers[piece.shard].write(block.data)
            if piece.last:
                writers[piece.shard].close()
        check_enough(count, shards)
        for writer in writers:
            writer.close()
        # Nobody may find a manifest of objects that are not there.
        uploads.finish()
        known = {NUM_RECORDS: str(count), FEATURE_DIM: str(width)}
        manifest = uploads.open(folder + MANIFEST, metadata=known)
        _write_manifest(manifest, f"s3://{destination.bucket}/{folder}", names)
    return RecordSet(f"s3://{destination.bucket}/{manifest.key}", count, width, channel=channel)


def _write_manifest(writer: ObjectWriter, prefix: str, names: list[str]) -> None:
    writer.write(json.dumps([{"prefix": prefix}, *names]).encode())
    writer.close()
