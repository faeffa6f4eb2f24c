"""Names of jobs, models, endpoints and buckets within AWS's limits."""

from __future__ import annotations

import re
import threading
import time
from datetime import datetime, timezone

from sm_core.errors import ConfigurationError

__all__ = ["base_name", "check_name", "default_bucket_name", "unique_name"]

#: Characters that SageMaker allows in a name.
LIMIT = 63
_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")


def base_name(image: str) -> str:
    """The repository's last part, without tag: ``…/mxnet-training:1.9.0`` → ``mxnet-training``."""
    repository = image.rpartition("/")[2].partition("@")[0].partition(":")[0]
    return re.sub(r"[^a-zA-Z0-9]+", "-", repository).strip("-") or "job"


def unique_name(base: str) -> str:
    """`base` with the time in UTC to the millisecond, cut to 63 characters.

    No two calls of one process get the same millisecond.
    """
    milliseconds = _clock.next()
    now = datetime.fromtimestamp(milliseconds // 1000, timezone.utc)
    stamp = f"{now:%Y-%m-%d-%H-%M-%S}-{milliseconds % 1000:03d}"
    cleaned = re.sub(r"[^a-zA-Z0-9]+", "-", base).strip("-") or "job"
    return f"{cleaned[: LIMIT - len(stamp) - 1].rstrip('-')}-{stamp}"


def check_name(what: str, name: str) -> str:
    """`name`, if SageMaker would accept it.

    Args:
        what: the argument it came from, for the message.
        name: of a job, model or endpoint.

    Raises:
        ConfigurationError: it is too long or has characters that SageMaker does not allow.
    """
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    raise ConfigurationError(
        f"{what} {name!r} is no name that SageMaker takes: at most {LIMIT} letters, digits and "
        "hyphens, with a letter or digit at both ends"
    )


def default_bucket_name(region: str, account: str) -> str:
    """The bucket that results and code go to where the user names none."""
    return f"sagemaker-{region}-{account}"


class _Clock:
    """Milliseconds since the epoch, never the same twice."""

    def __init__(self) -> None:
        self._last = 0
        self._lock = threading.Lock()

    def next(self) -> int:
        """The time, or one more than the last answer if that is later."""
        with self._lock:
            self._last = max(time.time_ns() // 1_000_000, self._last + 1)
            return self._last


_clock = _Clock()
