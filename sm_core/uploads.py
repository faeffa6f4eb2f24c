"""Uploading files to S3: in parallel, with a progress bar on a terminal."""

from __future__ import annotations

import contextvars
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, TypeVar, cast

from boto3.s3.transfer import ProgressCallbackInvoker
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from s3transfer.manager import TransferConfig, TransferManager  # boto3's own engine

from sm_core.clients import translated_errors
from sm_core.errors import InputError
from sm_core.folders import files_below

__all__ = ["InCallersContext", "progress_bar", "upload_tree", "uploaded_uri", "uploading"]

Result = TypeVar("Result")

_KEY_BYTES = 1024
#: Bytes of the smallest part of a stream that is uploaded, and how many parts S3 takes.
_PART, _PARTS = 16 * 2**20, 10_000


def uploaded_uri(source: Path, *, bucket: str, prefix: str) -> str:
    """Where `upload_tree` puts `source`: ``s3://bucket/prefix``, and a single file's name."""
    parts = (bucket, prefix, source.name if source.is_file() else "")
    return "s3://" + "/".join(part for part in parts if part)


def upload_tree(client: Any, source: Path, *, bucket: str, prefix: str) -> None:
    """Upload `source`, a file or a folder with all below it, under `prefix`.

    Files go side by side, and large ones in parts; after the first failure no more are begun.

    Args:
        client: of S3.
        source: what exists and is readable.
        bucket: where to.
        prefix: what keys begin with, without slash at its end; "" for none.

    Raises:
        InputError: a file cannot be read, its name can be no key, or a link leads nowhere or round
            in a circle; names it.
        RequestError: the service refused a file; names it.
    """
    keys = {path: _key(path, source, prefix) for path in _files(source)}
    config = _transfers(client)
    with (
        progress_bar(source.name, sum(path.stat().st_size for path in keys)) as moved,
        TransferManager(client, config, executor_cls=InCallersContext) as manager,
    ):
        futures = {
            path: manager.upload(
                str(path), bucket, key, subscribers=[ProgressCallbackInvoker(moved)]
            )
            for path, key in keys.items()
        }
        for path, future in futures.items():
            try:
                with translated_errors(f"uploading {path} to s3://{bucket}/{keys[path]}"):
                    future.result()
            except OSError as error:
                if error.filename is None:  # a plugin's way to refuse, not of a file
                    raise
                raise InputError(f"cannot read {error.filename}: {error.strerror}") from error


def _transfers(client: Any) -> TransferConfig:
    """How files go: one for each connection, since more would be opened and thrown away.

    A back end whose service takes large files in one piece faster says from how many bytes on they
    go in parts: by the client's ``Config(s3={"multipart_threshold": …})``, the name that the AWS
    CLI has for it. A text, as that of the CLI's in a configuration file, is the CLI's alone.
    """
    config = TransferConfig(max_request_concurrency=client.meta.config.max_pool_connections)
    threshold = (client.meta.config.s3 or {}).get("multipart_threshold")
    if isinstance(threshold, int):
        config.multipart_threshold = threshold
    return config


def _files(source: Path) -> list[Path]:
    return [source] if source.is_file() else list(files_below(source, error=InputError))


def _key(path: Path, source: Path, prefix: str) -> str:
    """The key of a file: its path below `source`, with ``/`` whatever the platform has."""
    name = path.name if path == source else path.relative_to(source).as_posix()
    key = f"{prefix}/{name}" if prefix else name
    try:
        size = len(key.encode())
    except UnicodeEncodeError as error:
        raise InputError(f"{path!r} can be no key of S3: its name is not UTF-8") from error
    if size > _KEY_BYTES:
        raise InputError(f"{path} would have a key of {size} bytes; S3 takes {_KEY_BYTES}")
    return key


@contextmanager
def uploading(client: Any, bucket: str, key: str, *, like: int) -> Iterator[IO[bytes]]:
    """A stream to be written, of which an object is made while it is.

    The object is there when the block has ended without an exception, and what was there before is
    untouched when it has not.

    Args:
        client: of S3.
        bucket: where to.
        key: its name.
        like: bytes, about as many as there will be.

    Raises:
        RequestError: the service refused it.
    """
    part = max(_PART, 2 * like // _PARTS)
    config = TransferConfig(multipart_threshold=part, multipart_chunksize=part)
    readable, writable = os.pipe()
    whole = threading.Event()
    with (
        open(readable, "rb") as reader,
        translated_errors(f"uploading to s3://{bucket}/{key}"),
        progress_bar(key.rpartition("/")[2], like) as moved,
        TransferManager(client, config, executor_cls=InCallersContext) as manager,
        open(writable, "wb") as stream,
    ):
        source = _Written(reader, whole)
        subscribers = [ProgressCallbackInvoker(moved)]
        body = cast("IO[bytes]", source)  # of which only read is called
        source.upload = upload = manager.upload(body, bucket, key, subscribers=subscribers)
        try:
            yield stream
            stream.flush()
            whole.set()
            stream.close()
        except BrokenPipeError:
            # Nobody reads any more: the upload has failed, and its result says why.
            with suppress(BrokenPipeError):
                stream.close()
        upload.result()


class _Written:
    """What comes through a pipe, an error where its end is not that of the whole."""

    def __init__(self, reader: IO[bytes], whole: threading.Event) -> None:
        self._reader = reader
        self._whole = whole
        self.upload: Any = None

    def read(self, size: int = -1) -> bytes:
        if self.upload is not None and self.upload.done():
            self._reader.close()  # a part was refused: the writer is told so
            raise EOFError("the upload has failed")
        piece = self._reader.read(size)
        if not 0 <= size <= len(piece) and not self._whole.is_set():
            raise EOFError("not all of it was written")
        return piece


class InCallersContext(ThreadPoolExecutor):
    """Threads in which hooks that see the calls find the caller's context variables."""

    def submit(self, fn: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:
        return super().submit(contextvars.copy_context().run, fn, *args, **kwargs)


@contextmanager
def progress_bar(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A callback that takes moved bytes, drawn as a bar on standard error if that is a terminal.

    Args:
        what: is uploaded.
        total: bytes; None if nobody knows.
    """
    console = Console(file=sys.stderr)
    columns = (
        TextColumn("uploading {task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        yield lambda moved: progress.advance(task, moved)
