"""How many threads a product of matrices takes. Nothing here imports numpy."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController

from sm_core.container.environment import ServingEnvironment

__all__ = ["blas_threads", "limit_threads"]


def limit_threads(environment: ServingEnvironment) -> None:
    """Share the CPUs among the workers, unless the user has; to be called before numpy is there."""
    threads = str(max(1, environment.num_cpus // environment.workers))
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, threads)


def blas_threads(count: int | None) -> AbstractContextManager[Any]:
    """Products of numpy's matrices take so many threads each; None for one on each CPU."""
    limited: AbstractContextManager[Any] = _controller().limit(limits=count, user_api="blas")
    return limited


@cache
def _controller() -> ThreadpoolController:
    """Looking for the libraries takes as long as training on little data; numpy's do not change."""
    return ThreadpoolController()
