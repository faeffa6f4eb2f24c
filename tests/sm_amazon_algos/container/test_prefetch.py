"""Reading ahead: the same items, errors where they belong, no thread that stays."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from sm_amazon_algos.container.prefetch import ahead


def test_the_same_items_in_the_same_order() -> None:
    assert list(ahead(range(100))) == list(range(100))
    assert list(ahead(())) == []


def test_an_exception_comes_after_the_items_before_it() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    taken = ahead(failing())
    assert next(taken) == 1
    with pytest.raises(ValueError, match="broken"):
        next(taken)


def test_the_thread_ends_when_nobody_wants_more() -> None:
    closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    taken = ahead(endless())
    assert next(taken) == 1
    taken.close()
    assert closed.wait(10)
