"""The channels of a training job, from what a user hands to ``fit``."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol
from urllib.parse import unquote

import attrs

from sm_core.errors import InputError
from sm_core.folders import check_holds_data
from sm_core.requests import Channel, DataSource, S3DataSource, ShuffleConfig

__all__ = [
    "CODE_CHANNEL",
    "CODE_FOLDER",
    "Inputs",
    "TrainingData",
    "TrainingInput",
    "channels",
    "implied_hyperparameters",
    "split_s3_uri",
]

#: Channel by which the code comes to a container without network, and where it puts it.
CODE_CHANNEL = "code"
CODE_FOLDER = f"/opt/ml/input/data/{CODE_CHANNEL}"
#: SageMaker's limits.
MAX_CHANNELS = 20
MAX_CONTENT_TYPE = 256
MAX_ATTRIBUTES = 16
_CHANNEL_NAME = re.compile(r"[A-Za-z0-9.\-_]{1,64}")

_FORMS = "'s3://bucket/prefix', or 'file:///path', which is uploaded for you"


def _one_of(*allowed: str | None) -> Any:
    """An attrs validator that names the values there are."""

    def validate(owner: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
        if value not in allowed:
            raise InputError(
                f"{type(owner).__name__}: {attribute.name} is {value!r}; "
                f"it must be one of {', '.join(map(repr, allowed))}"
            )

    return validate


def _names(names: Iterable[str] | None) -> tuple[str, ...] | None:
    return names if names is None else (names,) if isinstance(names, str) else tuple(names)


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

    Raises:
        InputError: an attribute has a value that SageMaker does not know, or that does not go with
            another one.
    """

    s3_data: str
    distribution: Literal["FullyReplicated", "ShardedByS3Key"] = attrs.field(
        default="FullyReplicated",
        kw_only=True,
        validator=_one_of("FullyReplicated", "ShardedByS3Key"),
    )
    content_type: str | None = attrs.field(default=None, kw_only=True)
    compression: str | None = attrs.field(
        default=None, kw_only=True, validator=_one_of(None, "None", "Gzip")
    )
    record_wrapping: str | None = attrs.field(
        default=None, kw_only=True, validator=_one_of(None, "None", "RecordIO")
    )
    s3_data_type: str = attrs.field(
        default="S3Prefix",
        kw_only=True,
        validator=_one_of("S3Prefix", "ManifestFile", "AugmentedManifestFile"),
    )
    input_mode: str | None = attrs.field(
        default=None, kw_only=True, validator=_one_of(None, "File", "Pipe", "FastFile")
    )
    shuffle_seed: int | None = attrs.field(default=None, kw_only=True)
    attribute_names: tuple[str, ...] | None = attrs.field(
        default=None, kw_only=True, converter=_names
    )

    def __attrs_post_init__(self) -> None:
        for mistake in self._mistakes():
            raise InputError(f"TrainingInput: {mistake}")

    def _mistakes(self) -> Iterator[str]:
        """Values that do not go together, or that SageMaker refuses."""
        seed, names = self.shuffle_seed, self.attribute_names
        if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool)):
            yield f"shuffle_seed is {seed!r}; it must be a whole number"
        if self.content_type is not None and len(self.content_type) > MAX_CONTENT_TYPE:
            yield f"content_type has {len(self.content_type)} characters, not {MAX_CONTENT_TYPE}"
        if self.s3_data_type != "AugmentedManifestFile":
            if names:
                yield "attribute_names are those of an augmented manifest; give its s3_data_type"
            return
        if not names or len(names) > MAX_ATTRIBUTES:
            yield f"an augmented manifest needs attribute_names, 1 to {MAX_ATTRIBUTES} of them"
        if self.input_mode in ("File", "FastFile"):
            yield f"an augmented manifest comes in Pipe mode only, not in {self.input_mode} mode"


class TrainingData(Protocol):
    """Data that knows its channels.

    A method ``training_hyperparameters()`` may tell hyperparameters that follow from the data, such
    as its width; they win over those of the estimator.
    """

    def training_inputs(self) -> Mapping[str, str | TrainingInput]:
        """The data by channel."""


Inputs = str | TrainingInput | Mapping[str, str | TrainingInput] | TrainingData | None


def implied_hyperparameters(inputs: Inputs) -> Mapping[str, Any]:
    """The hyperparameters that follow from `inputs`, if it is a `TrainingData` that tells some."""
    implied = getattr(inputs, "training_hyperparameters", None)
    return {} if implied is None else implied()


def split_s3_uri(uri: object) -> tuple[str, str] | None:
    """Bucket and key of ``s3://bucket/key``; None for what is no S3 URI."""
    if not isinstance(uri, str):
        return None
    match = re.fullmatch(r"s3://([^/]+)/?(.*)", uri, re.DOTALL)
    return (match[1], match[2]) if match else None


def channels(
    inputs: Inputs, *, default_channel: str, upload: Callable[[Path, str], str]
) -> tuple[Channel, ...] | None:
    """The job's channels.

    Args:
        inputs: one URI or `TrainingInput`, which feeds `default_channel`, a dict of them by
            channel name, or a `TrainingData`; None for a job without input.
        default_channel: the framework's.
        upload: called with a local path and its channel for a ``file://`` URI; returns an S3 URI.

    Raises:
        InputError: a channel's URI is not one of S3 or of a local file that exists.
    """
    if inputs is None:
        return None
    named = _by_channel(inputs, default_channel)
    if not named:
        raise InputError("inputs is an empty dict; name a channel, or pass None for a job without")
    if len(named) > MAX_CHANNELS:
        raise InputError(f"{len(named)} channels are given, SageMaker takes {MAX_CHANNELS}")
    return tuple(_channel(name, value, upload) for name, value in named.items())


def _by_channel(inputs: Any, default_channel: str) -> Mapping[str, str | TrainingInput]:
    known = getattr(inputs, "training_inputs", None)
    if known is not None:
        found: Mapping[str, str | TrainingInput] = known()
        return found
    return inputs if isinstance(inputs, Mapping) else {default_channel: inputs}


def _channel(name: str, value: str | TrainingInput, upload: Callable[[Path, str], str]) -> Channel:
    if not isinstance(name, str) or not _CHANNEL_NAME.fullmatch(name):
        raise InputError(
            f"channel {name!r}: a channel's name has 1 to 64 letters, digits, dots, hyphens and "
            "underscores"
        )
    data = TrainingInput(value) if isinstance(value, str) else value
    if not isinstance(data, TrainingInput):
        raise InputError(
            f"channel {name!r}: a {type(value).__name__} is no data; give {_FORMS}, or a "
            "TrainingInput"
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


def _s3_uri(channel: str, uri: str, upload: Callable[[Path, str], str]) -> str:
    if not isinstance(uri, str):
        raise InputError(f"channel {channel!r}: a {type(uri).__name__} is no URI; give {_FORMS}")
    if split_s3_uri(uri):
        return uri
    scheme, colon, rest = uri.partition(":")
    if colon and scheme == "file":
        return upload(_local_path(channel, uri, rest), channel)
    if colon and scheme == "s3":
        raise InputError(f"channel {channel!r}: {uri!r} names no bucket; give {_FORMS}")
    path = os.path.expanduser(uri)
    if os.path.exists(path):
        as_uri = Path(path).resolve().as_uri()
        raise InputError(
            f"channel {channel!r}: {uri!r} is a local path; give it as {as_uri!r}, or upload it "
            "with session.upload_data(path)"
        )
    raise InputError(f"channel {channel!r}: {uri!r} is neither an S3 nor a file URI; give {_FORMS}")


def _local_path(channel: str, uri: str, rest: str) -> Path:
    """The path that a file URI names; ``file://data`` and ``file://~/data`` are taken as meant."""
    text = unquote(rest.removeprefix("//"))
    if not text:
        raise InputError(f"channel {channel!r}: {uri!r} names no path; give {_FORMS}")
    path = Path(os.path.expanduser(text))
    try:
        check_holds_data(path)
    except InputError as error:
        raise InputError(f"channel {channel!r}: {uri!r}: {error}") from None
    return path
