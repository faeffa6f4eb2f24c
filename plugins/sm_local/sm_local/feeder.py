"""Feeds the channels of a training job in Pipe mode: a FIFO for each epoch of each host's channel.

Run as ``python -S -m sm_local.feeder PLAN`` beside the hosts, until it is ended. The file PLAN
holds a `Plan` as JSON. It imports the standard library only: it starts for a job and stays as long.

A reader opens ``CHANNEL_0`` and reads to its end, or closes it early; then there is ``CHANNEL_1``.
With a seed the order is another one in each epoch, the same in every run; each host of a sharded
channel gets every n-th of that order.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import struct
import sys
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, TypedDict

__all__ = ["Item", "Plan", "Stream", "first_epoch"]

_BLOCK = 1 << 20
#: RecordIO framing: this number, the length, the bytes, filled up to four. Source: dmlc-core,
#: include/dmlc/recordio.h.
_RECORD = struct.Struct("<II")
_MAGIC = 0xCED7230A
_MOST = (1 << 29) - 1  # bytes of a record: the other bits of the length tell of parts


class Item(TypedDict, total=False):
    """Something to deliver: the content of a file, or a text."""

    file: str
    text: str


class Stream(TypedDict):
    """What a channel delivers: groups of items in order, and how."""

    channel: str
    groups: list[list[Item]]
    seed: int | None
    sharded: bool
    wrap: bool


class Plan(TypedDict):
    """The folders with the hosts' channels, in the hosts' order, and the channels."""

    folders: list[str]
    streams: list[Stream]


def first_epoch(folder: Path, channel: str) -> None:
    """Make the FIFO of the first epoch, so that a reader that does not wait finds it."""
    _make(_fifo(folder, channel, 0))


def _fifo(folder: Path, channel: str, epoch: int) -> Path:
    return folder / f"{channel}_{epoch}"


def _make(path: Path) -> None:
    with contextlib.suppress(FileExistsError):
        os.mkfifo(path, 0o600)


def _order(stream: Stream, epoch: int, host: int, hosts: int) -> Sequence[list[Item]]:
    groups = stream["groups"]
    if stream["seed"] is not None:
        groups = random.Random(stream["seed"] + epoch).sample(groups, len(groups))
    return groups[host::hosts] if stream["sharded"] else groups


def _feed(stream: Stream, folder: Path, host: int, hosts: int) -> None:
    epoch = 0
    while True:
        path = _fifo(folder, stream["channel"], epoch)
        _make(path)
        with contextlib.suppress(BrokenPipeError), path.open("wb", buffering=0) as pipe:
            # Opened: there is a reader. When it has read all, it may want the next one at once.
            _make(_fifo(folder, stream["channel"], epoch + 1))
            for group in _order(stream, epoch, host, hosts):
                for item in group:
                    _deliver(item, pipe, wrap=stream["wrap"])
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        epoch += 1


def _deliver(item: Item, pipe: BinaryIO, *, wrap: bool) -> None:
    if "text" in item:
        data = item["text"].encode()
        size = len(data)
        _begin(pipe, size, wrap=wrap)
        _write(pipe, data)
    else:
        with open(item["file"], "rb") as file:
            size = os.fstat(file.fileno()).st_size
            _begin(pipe, size, wrap=wrap)
            while block := file.read(_BLOCK):
                _write(pipe, block)
    if wrap:
        _write(pipe, b"\0" * (-size % 4))


def _begin(pipe: BinaryIO, size: int, *, wrap: bool) -> None:
    if not wrap:
        return
    if size > _MOST:
        raise ValueError(f"an object of {size} bytes is no RecordIO record: {_MOST} at most")
    _write(pipe, _RECORD.pack(_MAGIC, size))


def _write(pipe: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[pipe.write(view) :]


def _watched(stream: Stream, folder: Path, host: int, hosts: int) -> None:
    """Feed until the end of the process, which comes at once if that fails."""
    try:
        _feed(stream, folder, host, hosts)
    except BaseException:  # noqa: BLE001 - a reader must not take a part for the whole
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


def _main(path: str) -> None:
    with open(path, encoding="utf-8") as file:
        plan: Plan = json.load(file)
    threads = [
        threading.Thread(target=_watched, args=(stream, Path(folder), host, len(plan["folders"])))
        for host, folder in enumerate(plan["folders"])
        for stream in plan["streams"]
    ]
    for thread in threads:
        thread.start()


if __name__ == "__main__":
    _main(sys.argv[1])
