"""Input channels made ready: files below the channel's folder, or what a pipe will deliver."""

from __future__ import annotations

import gzip
import random
import shutil
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from sm_local.feeder import Item, Stream
from sm_local.service.datasets import Part, contents, is_sharded
from sm_local.service.errors import ServiceError
from sm_local.service.objects import Objects
from sm_local.service.wire import BLOCK

__all__ = ["DownloadError", "download", "relative_path", "stage"]


class DownloadError(Exception):
    """A channel's objects cannot be made files."""


def download(
    objects: Objects,
    channel: Mapping[str, Any],
    *,
    folder: Path,
    host: int = 0,
    hosts: int = 1,
) -> int:
    """Write the objects that a host gets of a channel below `folder`; how many. Blocks.

    Args:
        objects: the store.
        channel: of CreateTrainingJob, in File or FastFile mode.
        folder: of the channel; made, with the folders above it.
        host: number of the host, from 0.
        hosts: how many there are; of a sharded channel each gets every n-th object.

    Raises:
        DownloadError: there is no object, or one that cannot be a file below `folder`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _told(channel):
        groups = list(dict.fromkeys(contents(objects, channel)))
        own = _shuffled(groups, channel)[host::hosts] if is_sharded(channel) else groups
        for (part,) in own:
            path = folder / relative_path(part.key, part.prefix)
            if part.key.endswith("/"):
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                raise DownloadError(f"another object has the file name of {part.key}")
            objects.copy_out(part.bucket, part.key, path)
    return len(own)


def stage(objects: Objects, channel: Mapping[str, Any], *, folder: Path) -> Stream:
    """Write what a channel in Pipe mode delivers to `folder`, each object once. Blocks.

    Raises:
        DownloadError: there is no object, or one that is not compressed as the request says.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[tuple[str, str], str] = {}
    compressed = channel.get("CompressionType") == "Gzip"

    def item(part: Part) -> Item:
        if part.text is not None:
            return {"text": part.text}
        where = (part.bucket, part.key)
        if where not in files:
            path = folder / f"{len(files):08}"
            _copy(objects, part, path, compressed=compressed)
            files[where] = str(path)
        return {"file": files[where]}

    with _told(channel):
        groups = contents(objects, channel)
        items = [
            [item(part) for part in group if not part.key.endswith("/") or part.text is not None]
            for group in groups
        ]
    return {
        "channel": channel["ChannelName"],
        "groups": [group for group in items if group],
        "seed": channel.get("ShuffleConfig", {}).get("Seed"),
        "sharded": is_sharded(channel),
        "wrap": channel.get("RecordWrapperType") == "RecordIO",
    }


def _copy(objects: Objects, part: Part, path: Path, *, compressed: bool) -> None:
    if not compressed:
        objects.copy_out(part.bucket, part.key, path)
        return
    _, source = objects.open(part.bucket, part.key)
    try:
        with source, gzip.open(source) as plain, path.open("wb") as file:
            shutil.copyfileobj(plain, file, BLOCK)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{part.key} is not compressed with gzip: {error}") from error


def _shuffled(
    groups: Sequence[tuple[Part, ...]], channel: Mapping[str, Any]
) -> Sequence[tuple[Part, ...]]:
    seed = channel.get("ShuffleConfig", {}).get("Seed")
    if seed is None:
        return groups
    return random.Random(seed).sample(groups, len(groups))


@contextmanager
def _told(channel: Mapping[str, Any]) -> Iterator[None]:
    """Errors of the store, of the disk and of manifests as the job's."""
    uri = channel["DataSource"]["S3DataSource"]["S3Uri"]
    try:
        yield
    except (ServiceError, OSError, ValueError) as error:
        reason = error.message if isinstance(error, ServiceError) else error
        raise DownloadError(f"{uri}: {reason}") from error


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
