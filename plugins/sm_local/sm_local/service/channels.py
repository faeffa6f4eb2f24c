"""Input channels in File mode: objects of S3 become files below the channel's folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from sm_local.service.checks import S3Location, s3_location
from sm_local.service.errors import ServiceError
from sm_local.service.objects import Objects

__all__ = ["DownloadError", "channel_location", "download", "relative_path"]


class DownloadError(Exception):
    """A channel's objects cannot be made files."""


def channel_location(channel: Mapping[str, Any]) -> S3Location:
    """Where a channel's objects are."""
    uri: str = channel["DataSource"]["S3DataSource"]["S3Uri"]
    return s3_location(uri, f"S3Uri of channel {channel['ChannelName']}")


def download(objects: Objects, channel: Mapping[str, Any], *, folder: Path) -> int:
    """Write all objects of a channel below `folder`; how many there were. Blocks.

    Args:
        objects: the store.
        channel: of CreateTrainingJob, with S3DataType S3Prefix.
        folder: of the channel; made, with the folders above it.

    Raises:
        DownloadError: there is no object, or one that cannot be a file below `folder`.
    """
    where = channel_location(channel)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        found = objects.list(where.bucket, where.key)
        for info in found:
            path = folder / relative_path(info.key, where.key)
            if info.key.endswith("/"):
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                raise DownloadError(f"another object has the file name of {info.key}")
            objects.copy_out(where.bucket, info.key, path)
    except (ServiceError, OSError) as error:
        reason = error.message if isinstance(error, ServiceError) else error
        raise DownloadError(f"s3://{where.bucket}/{where.key}: {reason}") from error
    if not found:
        raise DownloadError(f"no objects under s3://{where.bucket}/{where.key}")
    return len(found)


def relative_path(key: str, prefix: str) -> PurePosixPath:
    """Where in its channel's folder the object `key` goes.

    The path below the prefix is kept. A prefix may end inside a name (``data/tr`` finds
    ``data/train/a.csv``), and names stay whole; one that is an object's key gives the last part.

    Raises:
        DownloadError: the path would leave the folder, or is none that a file can have.
    """
    if key == prefix:
        below = prefix.rstrip("/").rpartition("/")[2] if not prefix.endswith("/") else "."
    elif key.startswith(prefix) and (not prefix or prefix.endswith("/")):
        below = key[len(prefix) :]
    elif key.startswith(f"{prefix}/"):
        below = key[len(prefix) + 1 :]
    else:
        below = key[prefix.rfind("/") + 1 :]
    parts = [part for part in below.split("/") if part]
    if ".." in parts or "\0" in below:
        raise DownloadError(f"the key {key!r} is no path below the channel's folder")
    return PurePosixPath(*parts)
