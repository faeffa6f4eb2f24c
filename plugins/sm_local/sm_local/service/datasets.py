"""What a channel consists of: objects by prefix or manifest, or lines of an augmented manifest."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from sm_local.service.checks import S3Location, s3_location
from sm_local.service.errors import ServiceError
from sm_local.service.objects import Objects

__all__ = ["Part", "channel_location", "contents", "input_mode", "is_sharded"]

_REFERENCE = "-ref"


@attrs.frozen
class Part:
    """Something that a channel delivers.

    Attributes:
        bucket, key: of an object.
        prefix: the beginning of the key that is no part of the file's name.
        text: a value of an augmented manifest instead, as JSON; None for an object.
    """

    bucket: str = ""
    key: str = ""
    prefix: str = ""
    text: str | None = None


def channel_location(channel: Mapping[str, Any]) -> S3Location:
    """Where a channel's objects, or its manifest, are."""
    uri: str = channel["DataSource"]["S3DataSource"]["S3Uri"]
    return s3_location(uri, f"S3Uri of channel {channel['ChannelName']}")


def input_mode(channel: Mapping[str, Any], request: Mapping[str, Any]) -> str:
    """``File``, ``FastFile`` or ``Pipe``: the channel's own, or else the job's."""
    mode: str = channel.get("InputMode") or request["AlgorithmSpecification"]["TrainingInputMode"]
    return mode


def is_sharded(channel: Mapping[str, Any]) -> bool:
    """Whether each host gets other objects."""
    source = channel["DataSource"]["S3DataSource"]
    return bool(source.get("S3DataDistributionType") == "ShardedByS3Key")


def contents(objects: Objects, channel: Mapping[str, Any]) -> list[tuple[Part, ...]]:
    """What the channel delivers, in order; what belongs together is together. Blocks.

    Args:
        objects: the store.
        channel: of CreateTrainingJob.

    Raises:
        ServiceError: there is no such bucket or manifest.
        ValueError: the manifest has another form, or there are no objects.
    """
    where = channel_location(channel)
    source = channel["DataSource"]["S3DataSource"]
    kind = source["S3DataType"]
    groups: list[tuple[Part, ...]]
    if kind == "S3Prefix":
        found = objects.list(where.bucket, where.key)
        groups = [(Part(where.bucket, info.key, where.key),) for info in found]
    elif kind == "ManifestFile":
        groups = [(part,) for part in _manifest(_read(objects, where))]
    else:
        names = source["AttributeNames"]
        groups = list(_augmented(_read(objects, where), names))
    if not groups:
        raise ValueError(f"no objects under {source['S3Uri']}")
    return groups


def _read(objects: Objects, where: S3Location) -> str:
    _, file = objects.open(where.bucket, where.key)
    with file:
        return file.read().decode("utf-8")


def _manifest(text: str) -> Iterator[Part]:
    """The objects that a manifest names: a prefix, and what completes it."""
    entries = json.loads(text)
    if (
        not isinstance(entries, list)
        or not entries
        or not isinstance(entries[0], dict)
        or not isinstance(entries[0].get("prefix"), str)
    ):
        raise ValueError('the manifest must be a JSON list that begins with {"prefix": "s3://…"}')
    where = _location(entries[0]["prefix"])
    for entry in entries[1:]:
        if not isinstance(entry, str):
            raise ValueError(f"the manifest names {entry!r}, which is no text")
        yield Part(where.bucket, where.key + entry, where.key)


def _augmented(text: str, names: Sequence[str]) -> Iterator[tuple[Part, ...]]:
    """The attributes of each line, in the order of `names`."""
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        values = json.loads(line)
        missing = [name for name in names if not isinstance(values, dict) or name not in values]
        if missing:
            raise ValueError(f"line {number} of the augmented manifest lacks {', '.join(missing)}")
        yield tuple(_attribute(name, values[name]) for name in names)


def _attribute(name: str, value: Any) -> Part:
    if not name.endswith(_REFERENCE):
        return Part(text=value if isinstance(value, str) else json.dumps(value))
    if not isinstance(value, str):
        raise ValueError(f"{name} is {value!r}; it must be an S3 URI")
    where = _location(value)
    return Part(where.bucket, where.key)


def _location(uri: str) -> S3Location:
    try:
        return s3_location(uri, "manifest")
    except ServiceError as error:
        raise ValueError(error.message) from error
