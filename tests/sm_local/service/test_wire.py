"""Requests and responses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sm_local.service.errors import ServiceError
from sm_local.service.wire import BLOCK, FileSlice, Request, blocks


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def collected(stream: AsyncIterator[bytes]) -> list[bytes]:
    return [chunk async for chunk in stream]


def request(*body: bytes, path: bytes = b"/", query: bytes = b"") -> Request:
    scope = {
        "method": "GET",
        "raw_path": path,
        "query_string": query,
        "headers": [(b"A", b"1"), (b"b", b"\xff"), (b"a", b"2")],
    }
    return Request.from_asgi(scope, chunks(*body))


def test_what_an_asgi_server_says() -> None:
    given = request(path=b"/a%2Fb/../%C3%A4", query=b"x=1&y&x=a+b%2B&&%20=%3D")
    assert given.raw_path == "/a%2Fb/../%C3%A4"
    assert given.path == "/a/b/../ä"
    assert given.query == [("x", "1"), ("y", ""), ("x", "a b+"), (" ", "=")]
    assert given.argument("x") == "1"
    assert given.argument("z") is None
    assert given.headers == {"a": "1,2", "b": "\xff"}


def test_a_body_is_read_once_and_kept() -> None:
    async def twice() -> list[bytes]:
        given = request(b"ab", b"c")
        return [await given.body(3), await given.body(5)]

    assert asyncio.run(twice()) == [b"abc", b"abc"]


def test_a_body_may_be_too_large() -> None:
    async def read(*limits: int) -> None:
        given = request(b"ab", b"c")
        for limit in limits:
            await given.body(limit)

    for limits in [(2,), (3, 2)]:
        with pytest.raises(ServiceError, match="larger than 2 bytes") as refused:
            asyncio.run(read(*limits))
        assert refused.value.status == 413


@given(st.lists(st.binary(max_size=5), max_size=20), st.integers(1, 8))
def test_blocks_are_the_same_bytes_in_larger_pieces(parts: list[bytes], size: int) -> None:
    found = asyncio.run(collected(blocks(chunks(*parts), size)))
    assert b"".join(found) == b"".join(parts)
    assert all(len(block) >= size for block in found[:-1])


def test_blocks_of_a_long_stream_grow() -> None:
    found = asyncio.run(collected(blocks(chunks(*[bytes(1 << 16)] * 400))))
    sizes = [len(block) for block in found]
    assert sum(sizes) == 400 << 16
    assert sizes[:64] == [BLOCK] * 64
    assert set(sizes[64:-1]) == {1 << 20}


def test_a_slice_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        assert asyncio.run(collected(FileSlice(file=file, offset=2, length=3).chunks())) == [b"234"]
        with pytest.raises(OSError, match="ends 2 bytes early"):
            asyncio.run(collected(FileSlice(file=file, offset=8, length=4).chunks()))
