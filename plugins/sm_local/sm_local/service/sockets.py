"""Short private folders for Unix sockets, whose paths must be short."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from sm_local.service.folders import remove_tree

__all__ = ["SOCKET_PATH_LIMIT", "new_socket", "remove_socket"]

#: Bytes of a path: sun_path has 108 on Linux and 104 on macOS.
SOCKET_PATH_LIMIT = 100
_PREFIX = "sml-"
_NAME = "http"


def new_socket() -> Path:
    """A path for a Unix socket, in a new folder that only this user may enter. Blocks."""
    return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_base())) / _NAME


def remove_socket(path: Path) -> None:
    """Remove a socket and the folder that was made for it. Blocks."""
    if path.name == _NAME and path.parent.name.startswith(_PREFIX):
        remove_tree(path.parent)


def _base() -> str:
    """The user's runtime folder where there is a usable one, else /tmp."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    # mkdtemp adds 8 characters.
    length = len(os.fsencode(runtime)) + len(f"/{_PREFIX}12345678/{_NAME}")
    if runtime.startswith("/") and length < SOCKET_PATH_LIMIT and os.access(runtime, os.W_OK):
        found = os.stat(runtime)
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid():
            return runtime
    return "/tmp"
