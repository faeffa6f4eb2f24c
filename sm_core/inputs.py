"""The channels of a training job, from what a user hands to ``fit``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

import attrs

from sm_core.errors import InputError
from sm_core.requests import Channel, DataSource, S3DataSource, ShuffleConfig

__all__ = ["Inputs", "TrainingInput", "channels"]


@attrs.frozen
class TrainingInput:
    """One channel's data and how the job receives it.

    Attributes:
        s3_data: ``s3://bucket/prefix``, or ``file:///path`` to be uploaded first.
        distribution: ``FullyReplicated``, or ``ShardedByS3Key`` to share objects out over hosts.
        content_type: MIME type of the objects.
        compression: ``None`` or ``Gzip`` (Pipe mode decompresses).
        record_wrapping: ``None`` or ``RecordIO``.
        s3_data_type: ``S3Prefix``, ``ManifestFile`` or ``AugmentedManifestFile``.
        input_mode: ``File``, ``Pipe`` or ``FastFile``; None for the estimator's.
        shuffle_seed: shuffles the objects' order by this seed.
        attribute_names: what to read of an augmented manifest.
    """

    s3_data: str
    distribution: Literal["FullyReplicated", "ShardedByS3Key"] = attrs.field(
        default="FullyReplicated", kw_only=True
    )
    content_type: str | None = attrs.field(default=None, kw_only=True)
    compression: str | None = attrs.field(default=None, kw_only=True)
    record_wrapping: str | None = attrs.field(default=None, kw_only=True)
    s3_data_type: str = attrs.field(default="S3Prefix", kw_only=True)
    input_mode: str | None = attrs.field(default=None, kw_only=True)
    shuffle_seed: int | None = attrs.field(default=None, kw_only=True)
    attribute_names: tuple[str, ...] | None = attrs.field(default=None, kw_only=True)


Inputs = str | TrainingInput | Mapping[str, str | TrainingInput] | None


def channels(
    inputs: Inputs, *, default_channel: str, upload: Callable[[Path, str], str]
) -> tuple[Channel, ...] | None:
    """The job's channels.

    Args:
        inputs: one URI or `TrainingInput`, which feeds `default_channel`, or a dict of them by
            channel name; None for a job without input.
        default_channel: the framework's.
        upload: called with a local path and its channel for a ``file://`` URI; returns an S3 URI.

    Raises:
        InputError: a channel's URI is not one of S3 or of a local file that exists.
    """
    if inputs is None:
        return None
    named = inputs if isinstance(inputs, Mapping) else {default_channel: inputs}
    if not named:
        raise InputError("inputs is an empty dict; name a channel, or pass None for a job without")
    return tuple(_channel(name, value, upload) for name, value in named.items())


def _channel(name: str, value: str | TrainingInput, upload: Callable[[Path, str], str]) -> Channel:
    data = TrainingInput(value) if isinstance(value, str) else value
    if not isinstance(data, TrainingInput):
        raise InputError(
            f"channel {name!r}: a {type(value).__name__} is no data; give an s3:// or file:// URI "
            "or a TrainingInput"
        )
    return Channel(
        channel_name=name,
        data_source=DataSource(
            s3_data_source=S3DataSource(
                s3_uri=_s3_uri(name, data.s3_data, upload),
                s3_data_type=data.s3_data_type,
                s3_data_distribution_type=data.distribution,
                attribute_names=data.attribute_names,
            )
        ),
        content_type=data.content_type,
        compression_type=data.compression,
        record_wrapper_type=data.record_wrapping,
        input_mode=data.input_mode,
        shuffle_config=None if data.shuffle_seed is None else ShuffleConfig(seed=data.shuffle_seed),
    )


def _s3_uri(name: str, uri: str, upload: Callable[[Path, str], str]) -> str:
    if not isinstance(uri, str):
        raise InputError(
            f"channel {name!r}: a {type(uri).__name__} is no URI; give 's3://bucket/prefix', or "
            "'file:///path', which is uploaded for you"
        )
    parts = urlsplit(uri)
    if parts.scheme == "s3" and parts.netloc:
        return uri
    if parts.scheme == "file":
        path = Path(unquote(parts.netloc + parts.path))
        if not path.exists():
            raise InputError(f"channel {name!r}: {uri} names {path}, which does not exist")
        return upload(path, name)
    hint = "'s3://bucket/prefix', or 'file:///path', which is uploaded for you"
    if parts.scheme == "s3":
        raise InputError(f"channel {name!r}: {uri!r} names no bucket; give {hint}")
    if not parts.scheme and Path(uri).exists():
        raise InputError(
            f"channel {name!r}: {uri!r} is a local path; give it as {Path(uri).resolve().as_uri()!r}"
            ", or upload it with session.upload_data(path)"
        )
    raise InputError(f"channel {name!r}: {uri!r} is neither an S3 nor a file URI; give {hint}")
