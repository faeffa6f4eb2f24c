"""The log of the toolkit's processes."""

from __future__ import annotations

import logging
import sys

__all__ = ["configure_logging"]

_TALKATIVE = ("boto3", "botocore", "s3transfer", "urllib3")


def configure_logging(level: int) -> None:
    """Send this process's log to standard error, from `level` of Python's ``logging`` up.

    The root logger is the one that scripts write to by ``logging.info``. What boto3 says about its
    own affairs is shown from DEBUG on only.
    """
    logging.basicConfig(
        level=level, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr, force=True
    )
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(
            logging.NOTSET if level < logging.INFO else logging.WARNING
        )
