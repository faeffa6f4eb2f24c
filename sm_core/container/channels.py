"""The input channels of a job, as inputdataconfig.json describes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from sm_core.errors import ConfigurationError

__all__ = ["Channel", "read_channels"]


@attrs.frozen(kw_only=True)
class Channel:
    """One input channel.

    Attributes:
        name: the channel's.
        path: folder with its files; in Pipe mode, what the names of its FIFOs begin with.
        mode: ``File`` or ``Pipe``.
        content_type: what the job says the data is; None if it does not.
        distribution: ``FullyReplicated``, or ``ShardedByS3Key`` where each host has a part only.
        record_wrapper: ``RecordIO`` if each object of S3 is one record of its own, else ``None``.
    """

    name: str
    path: Path
    mode: str = "File"
    content_type: str | None = None
    distribution: str = "FullyReplicated"
    record_wrapper: str = "None"


def read_channels(config: Mapping[str, Any], folder: Path) -> dict[str, Channel]:
    """The channels of inputdataconfig.json, sorted by name.

    Args:
        config: the file's content.
        folder: where the data lies.

    Raises:
        ConfigurationError: an entry is no object, one of its values no text, or its name no name of
            a folder; names it.
    """
    return {name: _channel(name, config[name], folder) for name in sorted(config)}


def _channel(name: str, entry: object, folder: Path) -> Channel:
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ConfigurationError(
            f"inputdataconfig.json: {name!r} cannot be a channel's name: its data is a folder of "
            "that name"
        )
    if not isinstance(entry, Mapping):
        raise ConfigurationError(
            f"inputdataconfig.json: channel {name!r} is a JSON {type(entry).__name__}, no object"
        )

    def text(key: str, default: str) -> str:
        value = entry.get(key, default)
        if not isinstance(value, str):
            raise ConfigurationError(
                f"inputdataconfig.json: {key} of channel {name!r} is {value!r}; it must be text"
            )
        return value

    return Channel(
        name=name,
        path=folder / name,
        mode=text("TrainingInputMode", "File"),
        content_type=text("ContentType", "") or None,
        distribution=text("S3DistributionType", "FullyReplicated"),
        record_wrapper=text("RecordWrapperType", "None"),
    )
