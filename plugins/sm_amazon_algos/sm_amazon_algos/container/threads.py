"""How many threads a product of matrices takes."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController

__all__ = ["blas_threads"]


def blas_threads(count: int | None) -> AbstractContextManager[Any]:
    """Products of numpy's matrices take so many threads each; None for one on each CPU."""
    limited: AbstractContextManager[Any] = _controller().limit(limits=count, user_api="blas")
    return limited


@cache
def _controller() -> ThreadpoolController:
    """Looking for the libraries takes as long as training on little data; numpy's do not change."""
    return ThreadpoolController()
