"""Work in threads that may be given up."""

from __future__ import annotations

import asyncio
import threading

import pytest

from sm_local.service.detached import completed, detached


def test_results_and_errors_come_back() -> None:
    assert asyncio.run(detached(lambda: 1, name="one")) == 1
    with pytest.raises(ValueError, match="invalid literal"):
        asyncio.run(detached(lambda: int("x"), name="none"))


def test_detached_work_is_not_waited_for() -> None:
    release = threading.Event()

    async def give_up() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(detached(release.wait, name="long"), 0.01)

    asyncio.run(give_up())
    assert not release.is_set()
    release.set()


def test_completed_work_is() -> None:
    release = threading.Event()
    done = threading.Event()

    def work() -> None:
        release.wait(10)
        done.set()

    async def give_up() -> None:
        task = asyncio.ensure_future(completed(work, name="whole"))
        await asyncio.sleep(0)
        task.cancel()
        release.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert done.is_set()

    asyncio.run(give_up())
