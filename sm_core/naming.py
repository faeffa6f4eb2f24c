"""Names of jobs, models and endpoints within AWS's limits."""

from __future__ import annotations

import re
from datetime import datetime, timezone

__all__ = ["base_name", "unique_name"]

#: Characters that SageMaker allows in a name.
LIMIT = 63


def base_name(image: str) -> str:
    """The repository's last part, without tag: ``…/mxnet-training:1.9.0`` → ``mxnet-training``."""
    repository = image.rpartition("/")[2].partition("@")[0].partition(":")[0]
    return re.sub(r"[^a-zA-Z0-9]+", "-", repository).strip("-") or "job"


def unique_name(base: str) -> str:
    """`base` with the time in UTC to the millisecond, cut to 63 characters."""
    now = datetime.now(timezone.utc)
    stamp = f"{now:%Y-%m-%d-%H-%M-%S}-{now.microsecond // 1000:03d}"
    cleaned = re.sub(r"[^a-zA-Z0-9]+", "-", base).strip("-") or "job"
    return f"{cleaned[: LIMIT - len(stamp) - 1].rstrip('-')}-{stamp}"
