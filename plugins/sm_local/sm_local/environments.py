"""Build the Python environments that stand for containers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sm_core.errors import LocalServiceError
from sm_local.environmentspec import EnvironmentSpec

__all__ = ["EnvironmentFailed", "ensure_environment", "find_python", "index_settings"]


class EnvironmentFailed(LocalServiceError):
    """An environment cannot be built; the message holds the installer's own last lines."""


def ensure_environment(
    home: Path,
    spec: EnvironmentSpec,
    wheels: Mapping[str, Path],
    log: Callable[[str], None],
) -> Path:
    """Return the folder of the environment, building it first if need be.

    Blocks for as long as it takes. If ``log`` raises, the build ends and the exception goes on.

    Args:
        home: folder of the local service.
        spec: what the environment holds.
        wheels: SHA-256 -> local file, for every wheel of the specification.
        log: called with each line of progress.

    Raises:
        EnvironmentFailed: no build for this platform, no fitting Python, or the installer failed.
    """
    raise NotImplementedError


def find_python(range: str) -> Path:
    """Return an interpreter of a version in ``range`` (as in ``Requires-Python``).

    Raises:
        EnvironmentFailed: there is none; the message says how to get one.
    """
    raise NotImplementedError


def index_settings(
    environ: Mapping[str, str], config_files: Sequence[Path] | None = None
) -> dict[str, str]:
    """Translate pip's index configuration into variables for ``uv``."""
    raise NotImplementedError
