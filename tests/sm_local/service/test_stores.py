"""Typed documents."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from sm_local.home import Home
from sm_local.service.context import Context
from sm_local.service.database import RecordExists
from sm_local.service.stores import Store


@attrs.frozen
class Part:
    name: str
    at: float | None = None


@attrs.frozen
class Whole:
    name: str
    parts: tuple[Part, ...]
    count: int = 0


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    context = Context.open(Home(tmp_path / "home").create(), port=1)
    yield context
    context.database.close()


def test_documents_come_back_as_they_were(context: Context) -> None:
    async def check() -> None:
        store = Store(context, Whole, kind="whole")
        first, second = Whole("a", (Part("x", 1.5), Part("y"))), Whole("b", ())
        await store.insert("a", first)
        await store.insert("b", second)
        assert await store.get("a") == first
        assert await store.get("c") is None
        assert await store.all() == [first, second]
        with pytest.raises(RecordExists):
            await store.insert("a", second)
        assert await store.delete("a")
        assert not await store.delete("a")

    asyncio.run(check())


def test_changes_do_not_get_lost(context: Context) -> None:
    async def check() -> None:
        store = Store(context, Whole, kind="whole")
        await store.insert("a", Whole("a", ()))
        changes = (
            store.change("a", lambda whole: attrs.evolve(whole, count=whole.count + 1))
            for _ in range(20)
        )
        await asyncio.gather(*changes)
        assert await store.get("a") == Whole("a", (), 20)
        with pytest.raises(KeyError):
            await store.change("b", lambda whole: whole)

    asyncio.run(check())


def test_a_change_that_fails_changes_nothing(context: Context) -> None:
    def refuse(whole: Whole) -> Whole:
        raise ValueError("no")

    async def check() -> None:
        store = Store(context, Whole, kind="whole")
        await store.insert("a", Whole("a", ()))
        with pytest.raises(ValueError, match="no"):
            await store.change("a", refuse)
        assert await store.get("a") == Whole("a", ())

    asyncio.run(check())
