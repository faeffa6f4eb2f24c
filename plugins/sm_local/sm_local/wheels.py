"""Repack an installed distribution as a wheel."""

from __future__ import annotations

from pathlib import Path

import attrs

from sm_core.errors import LocalServiceError

__all__ = ["WheelError", "WheelFile", "installed_wheel"]


class WheelError(LocalServiceError):
    """The distribution is not installed, or its files cannot be found."""


@attrs.frozen(kw_only=True)
class WheelFile:
    """A wheel on disk: its file name, its SHA-256 in hexadecimal digits, and where it is."""

    filename: str
    sha256: str
    path: Path


def installed_wheel(distribution: str, cache: Path) -> WheelFile:
    """Return the installed files of ``distribution`` as a wheel, kept in the folder ``cache``.

    Raises:
        WheelError: it is not installed, or its files cannot be found.
    """
    raise NotImplementedError
