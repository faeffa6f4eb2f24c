"""What the parts of the service share."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from sm_local.home import RESERVED_BUCKET, Home
from sm_local.service.context import Context


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").create()


def test_it_is_made_of_a_home(home: Home) -> None:
    context = Context.open(home, port=8000)
    assert context.endpoint_url == "http://127.0.0.1:8000"
    assert (context.region, context.account) == ("us-east-1", "000000000000")
    assert context.objects.has_bucket(RESERVED_BUCKET)
    pair = home.credentials()
    assert context.keys.secret(pair.access_key_id) == (pair.secret_access_key, "user")
    asyncio.run(context.close())


def test_it_is_there_again_after_a_kill(home: Home) -> None:
    first = Context.open(home, port=8000)
    first.records.insert("model", "m", {"a": 1})
    first.objects.put_bytes(RESERVED_BUCKET, "key", b"data")
    torn = first.objects.writer()
    torn.write(b"torn")
    second = Context.open(home, port=8001)
    assert second.records.get("model", "m") == {"a": 1}
    assert second.objects.require(RESERVED_BUCKET, "key").size == 4
    assert len([path for path in home.blobs.rglob("*") if path.is_file()]) == 1
    torn.close()
    for context in (first, second):
        asyncio.run(context.close())


def test_what_runs_in_the_background(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise RuntimeError("no good")

    ended: list[str] = []

    async def last() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    async def run() -> None:
        context = Context.open(home, port=8000)
        task = context.spawn(fail())
        waiting = context.spawn(last())
        await asyncio.wait([task])
        assert context.background == {waiting}
        await context.close()
        assert context.background == set()

    with caplog.at_level(logging.ERROR):
        asyncio.run(run())
    assert ended == ["cancelled"]
    assert "RuntimeError: no good" in caplog.text
