"""What several hosts have left in the same folder, put together."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

__all__ = ["merge"]


def merge(folders: Sequence[Path]) -> list[str]:
    """Move all that is in the other folders into the first one. Blocks; can be done again.

    Where two have the same name, only folders are merged: anything else of the earlier folder
    stays and that of the later one is left where it is. Links are moved, never followed.

    Returns:
        the names that are there twice, as paths below the folder, sorted.

    Raises:
        OSError: something cannot be moved.
    """
    first, *others = folders
    clashes: set[str] = set()
    for other in others:
        if _is_folder(other):
            first.mkdir(parents=True, exist_ok=True)
            clashes.update(_move(other, first, ""))
    return sorted(clashes)


def _move(source: Path, target: Path, below: str) -> Iterator[str]:
    for folder in (source, target):
        # The job may have taken its own rights away.
        folder.chmod(stat.S_IMODE(folder.stat().st_mode) | stat.S_IRWXU)
    for entry in sorted(source.iterdir()):
        there = target / entry.name
        if not os.path.lexists(there):
            entry.rename(there)
        elif _is_folder(entry) and _is_folder(there):
            yield from _move(entry, there, f"{below}{entry.name}/")
        else:
            yield below + entry.name


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
