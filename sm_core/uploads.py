"""Uploading files to S3: in parallel, with a progress bar on a terminal."""

from __future__ import annotations

import contextvars
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from boto3.s3.transfer import TransferConfig
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from sm_core.errors import InputError

__all__ = ["upload_tree"]

#: Files under way at once.
WORKERS = 8


def upload_tree(client: Any, source: Path, *, bucket: str, prefix: str) -> None:
    """Upload `source`, a file or a folder with all below it, under `prefix`.

    Raises:
        InputError: the folder holds no file.
    """
    files = [source] if source.is_file() else [path for path in _files(source)]
    if not files:
        raise InputError(f"upload_data: {source} holds no file")
    root = source.parent if source.is_file() else source

    # Hooks that see the calls want the caller's context; s3transfer's own threads would lose it.
    config = TransferConfig(use_threads=len(files) == 1)

    def upload(path: Path, moved: Callable[[int], None]) -> None:
        name = path.relative_to(root).as_posix()
        key = f"{prefix}/{name}" if prefix else name
        client.upload_file(str(path), bucket, key, Config=config, Callback=moved)

    with _progress(source, files) as moved, ThreadPoolExecutor(WORKERS) as pool:
        contexts = [contextvars.copy_context() for _ in files]
        futures = [
            pool.submit(context.run, upload, path, moved)
            for context, path in zip(contexts, files, strict=True)
        ]
        try:
            for future in futures:
                future.result()
        except BaseException:
            for future in futures:
                future.cancel()
            raise


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            yield from _files(path)
        else:
            yield path


@contextmanager
def _progress(source: Path, files: list[Path]) -> Iterator[Callable[[int], None]]:
    """A callback that takes moved bytes, drawn as a bar on standard error if that is a terminal."""
    console = Console(file=sys.stderr)
    columns = (
        TextColumn("uploading {task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        total = sum(path.stat().st_size for path in files)
        task = progress.add_task(source.name, total=total)
        yield lambda moved: progress.advance(task, moved)
