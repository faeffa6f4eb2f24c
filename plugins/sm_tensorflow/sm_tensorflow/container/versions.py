"""Which TensorFlow runs, where it is not the one that was asked for."""

from __future__ import annotations

import logging
import os
from importlib.metadata import PackageNotFoundError, version

from sm_tensorflow.functions import ASKED_VARIABLE

__all__ = ["installed_version", "tell_version"]

logger = logging.getLogger(__name__)


def tell_version() -> None:
    """Log, in one line, that another version runs than the one that was asked for."""
    asked = os.environ.get(ASKED_VARIABLE)
    if asked:
        logger.warning("framework_version %s: TensorFlow %s runs here", asked, installed_version())


def installed_version() -> str:
    """The version of this container's TensorFlow, whose distribution has one of two names."""
    for name in ("tensorflow-cpu", "tensorflow"):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "of another distribution"
