"""Pack and unpack the ``tar.gz`` archives of code, models and outputs."""

from __future__ import annotations

from pathlib import Path

from sm_core.errors import LocalServiceError

__all__ = ["ArchiveError", "pack", "unpack"]


class ArchiveError(LocalServiceError):
    """The archive is damaged, or a member of it would leave its folder."""


def pack(folder: Path, archive: Path) -> None:
    """Write the contents of ``folder`` to ``archive``, whole or not at all."""
    raise NotImplementedError


def unpack(archive: Path, folder: Path) -> None:
    """Extract ``archive`` into ``folder``, which is absent or empty, whole or not at all.

    Raises:
        ArchiveError: the archive is damaged or not a gzipped tar; a member is absolute, leaves the
            folder, is a device, or is larger than the disk has room for; or the folder holds files.
    """
    raise NotImplementedError
