"""Remove folders that programs of others have filled."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

__all__ = ["remove_tree"]

logger = logging.getLogger(__name__)


def remove_tree(path: Path) -> None:
    """Remove `path` and all below it; what cannot be removed is named in the log and stays.

    Folders that their owner may not write to are made writable first. Blocks.
    """
    try:
        if path.is_symlink() or not path.is_dir():
            path.unlink(missing_ok=True)
            return
        _open_up(path)
        shutil.rmtree(path)
    except OSError as error:
        logger.warning("%s is not removed: %s", path, error)


def _open_up(path: Path) -> None:
    path.chmod(0o700)
    # Top down: a folder is listed after its mode was set.
    for folder, names, _ in os.walk(path):
        for name in names:
            below = Path(folder, name)
            if not below.is_symlink():
                below.chmod(0o700)
