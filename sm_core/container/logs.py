"""The log of the toolkit's processes."""

from __future__ import annotations

import logging
import sys

__all__ = ["configure_logging"]


def configure_logging(level: int) -> None:
    """Send this process's log to standard error, from `level` of Python's ``logging`` up.

    The root logger is the one that scripts write to by ``logging.info``.
    """
    logging.basicConfig(
        level=level, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr, force=True
    )
