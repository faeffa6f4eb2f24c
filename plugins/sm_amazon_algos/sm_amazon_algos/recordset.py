"""``RecordSet``: training data in S3 that knows its width, its size and its channel."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any, Literal

import attrs
import numpy as np

from sm_amazon_algos.codec import CONTENT_TYPE
from sm_amazon_algos.decoding import parse_record
from sm_amazon_algos.framing import read_frames
from sm_amazon_algos.recordio import records_to_numpy
from sm_core.clients import translated_errors
from sm_core.errors import CodecError, InputError
from sm_core.inputs import TrainingInput, split_s3_uri
from sm_core.session import Session

__all__ = ["FEATURE_DIM", "NUM_OBJECTS", "NUM_RECORDS", "RecordSet"]

#: The manifest's user-defined metadata, which spares a look at the data.
NUM_RECORDS, FEATURE_DIM, NUM_OBJECTS = "num-records", "feature-dim", "num-objects"


@attrs.frozen
class RecordSet:
    """Records in S3, for one channel of a job.

    Attributes:
        s3_data: URI of a manifest, or what the objects' URIs begin with.
        num_records: how many there are; None if nobody counted.
        feature_dim: how many numbers the features of each have.
        s3_data_type: ``ManifestFile`` or ``S3Prefix``.
        channel: the channel that they are for.
        distribution: ``ShardedByS3Key`` shares the objects out over a job's hosts,
            ``FullyReplicated`` gives all to each; None for the former in the channel ``train`` and
            the latter in others, where each host measures by itself.
        num_objects: how many objects they lie in; None if nobody counted. A host of a job whose
            share is no object fails.
    """

    s3_data: str
    num_records: int | None
    feature_dim: int
    s3_data_type: Literal["ManifestFile", "S3Prefix"] = "ManifestFile"
    channel: str = "train"
    distribution: Literal["ShardedByS3Key", "FullyReplicated"] | None = None
    num_objects: int | None = None

    def training_inputs(self) -> Mapping[str, TrainingInput]:
        """The channel, as any estimator's ``fit`` takes it."""
        return {self.channel: self.training_input()}

    def training_input(self, channel: str | None = None) -> TrainingInput:
        """The data as the input of `channel`; None for the record set's own."""
        train = (channel or self.channel) == "train"
        return TrainingInput(
            self.s3_data,
            distribution=self.distribution or ("ShardedByS3Key" if train else "FullyReplicated"),
            content_type=CONTENT_TYPE,
            s3_data_type=self.s3_data_type,
        )

    @classmethod
    def from_s3(
        cls,
        s3_data: str,
        *,
        channel: str = "train",
        num_records: int | None = None,
        feature_dim: int | None = None,
        sagemaker_session: Session | None = None,
    ) -> RecordSet:
        """The record set of objects that are in S3 already, in RecordIO-protobuf.

        A manifest that ``record_set`` made knows width and size. Of other data the first record is
        looked at for the width, and nobody counts the records: PCA wants ``mini_batch_size`` then.

        Args:
            s3_data: URI of a manifest (``….manifest``), of one object, or of a folder of objects.
            channel: the channel that they are for.
            num_records: how many there are, if you know.
            feature_dim: their width, if you know; nothing is read then.
            sagemaker_session: whose account; None for a new Session.

        Raises:
            InputError: there are no objects, or they are not in RecordIO-protobuf.
        """
        place = split_s3_uri(s3_data)
        if place is None:
            raise InputError(f"{s3_data!r} is not of the form 's3://bucket/key'")
        is_manifest = s3_data.endswith(".manifest")
        known: Mapping[str, int] = {}
        if feature_dim is None or (num_records is None and is_manifest):
            client = (sagemaker_session or Session()).client("s3")
            with translated_errors(s3_data):
                known = _known(client, *place) if is_manifest else {}
                num_records = num_records if num_records is not None else known.get(NUM_RECORDS)
                feature_dim = feature_dim if feature_dim is not None else known.get(FEATURE_DIM)
                if feature_dim is None:
                    feature_dim = _width(client, s3_data, is_manifest=is_manifest)
        data_type: Literal["ManifestFile", "S3Prefix"] = (
            "ManifestFile" if is_manifest else "S3Prefix"
        )
        objects = known.get(NUM_OBJECTS)
        return cls(s3_data, num_records, feature_dim, data_type, channel, num_objects=objects)


def _known(client: Any, bucket: str, key: str) -> dict[str, int]:
    """What the manifest says of its data."""
    metadata = client.head_object(Bucket=bucket, Key=key).get("Metadata", {})
    return {name: int(text) for name, text in metadata.items() if text.isdecimal()}


def _width(client: Any, s3_data: str, *, is_manifest: bool) -> int:
    """Width of the first record."""
    for bucket, key in _objects(client, s3_data, is_manifest=is_manifest):
        where = f"s3://{bucket}/{key}"
        with (
            translated_errors(where),
            closing(client.get_object(Bucket=bucket, Key=key)["Body"]) as body,
        ):
            try:
                frames = next(read_frames(body), None)
                if frames is None:
                    continue
                first = parse_record(next(frames.payloads()), int(frames.origins[0]))
                features = records_to_numpy([first]).features
            except CodecError as error:
                raise InputError(f"{where} is not in RecordIO-protobuf: {error}") from error
        if "values" not in features:
            raise InputError(f"the first record of {where} has no features 'values'")
        return int(np.shape(features["values"])[1])
    raise InputError(f"{s3_data} holds no records")


def _objects(client: Any, s3_data: str, *, is_manifest: bool) -> Iterator[tuple[str, str]]:
    """Bucket and key of the objects, in order."""
    bucket, key = split_s3_uri(s3_data) or ("", "")
    if is_manifest:
        text = client.get_object(Bucket=bucket, Key=key)["Body"].read()
        yield from _manifest_entries(s3_data, text)
        return
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key):
        for entry in page.get("Contents", ()):
            if entry["Size"]:
                yield bucket, entry["Key"]


def _manifest_entries(s3_data: str, text: bytes) -> Iterator[tuple[str, str]]:
    wrong = InputError(f"{s3_data} is no manifest: it should be [{{'prefix': 's3://…'}}, 'key', …]")
    try:
        head, *keys = json.loads(text)
        prefix = head["prefix"]
    except (ValueError, TypeError, KeyError) as error:
        raise wrong from error
    for key in keys:
        place = split_s3_uri(f"{prefix}{key}")
        if place is None:
            raise wrong
        yield place
