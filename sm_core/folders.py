"""Walking a folder of the user's: every regular file below it, links followed, no endless loop."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from sm_core.errors import ConfigurationError, InputError

__all__ = ["check_holds_data", "files_below"]


def files_below(
    folder: Path,
    *,
    error: type[ConfigurationError],
    skip: Callable[[Path, bool], bool] = lambda path, is_folder: False,
) -> Iterator[Path]:
    """The files in `folder` and in the folders below it, by name; sockets and pipes are left out.

    Args:
        folder: where to begin.
        error: what to raise.
        skip: told each entry, and whether it is a folder or a link to one; True leaves it out, with
            all below it.

    Raises:
        ConfigurationError: as `error`: a link leads nowhere or to a folder that contains it, or a
            folder cannot be read.
    """
    yield from _walk(folder, (folder.resolve(),), error, skip)


def check_holds_data(path: Path) -> None:
    """Say what is wrong with `path`, a file or folder to be uploaded, before anything is done.

    Raises:
        InputError: it does not exist, or is a folder without a file.
    """
    if not os.path.exists(path):
        raise InputError(f"{path} does not exist; looked at {os.path.abspath(path)}")
    if path.is_dir() and next(files_below(path, error=InputError), None) is None:
        raise InputError(f"{path} holds no file")


def _walk(
    folder: Path,
    above: tuple[Path, ...],
    error: type[ConfigurationError],
    skip: Callable[[Path, bool], bool],
) -> Iterator[Path]:
    """Files below `folder`; `above` are the real paths of the folders on the way to it."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as reason:
        raise error(f"{folder} cannot be read: {reason.strerror}") from reason
    for entry in entries:
        path = Path(entry.path)
        # Unlike an entry's own methods these answer for links that lead round in circles.
        is_folder = os.path.isdir(path)
        if skip(path, is_folder):
            continue
        if is_folder:
            real = path.resolve()
            if real in above:
                raise error(f"{path} is a link to a folder that contains it; remove the link")
            yield from _walk(path, (*above, real), error, skip)
        elif os.path.isfile(path):
            yield path
        elif entry.is_symlink() and not os.path.exists(path):
            raise error(f"{path} is a link to {os.readlink(path)}, which does not exist")
