"""Which TensorFlow runs, where it is not the one that was asked for."""

from __future__ import annotations

import logging
import os
from importlib.metadata import PackageNotFoundError, version

from sm_tensorflow.functions import ASKED_VARIABLE

__all__ = ["tell_version"]

logger = logging.getLogger(__name__)


def tell_version() -> None:
    """Log, in one line, that another version runs than the one that was asked for."""
    asked = os.environ.get(ASKED_VARIABLE)
    if asked:
        logger.warning("framework_version %s: TensorFlow %s runs here", asked, _installed())


def _installed() -> str:
    for name in ("tensorflow-cpu", "tensorflow"):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "of another distribution"
