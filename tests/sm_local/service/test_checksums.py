"""Checksums: against published values and other implementations."""

from __future__ import annotations

import base64
import hashlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sm_local.service.checksums import ALGORITHMS, algorithm, composite, joined, value_of
from sm_local.service.errors import ServiceError

#: Of "123456789": the check values of https://reveng.sourceforge.io/crc-catalogue/all.htm, and
#: the digests by sha1sum and sha256sum.
CHECKS = {
    "CRC32": "cbf43926",
    "CRC32C": "e3069283",
    "CRC64NVME": "ae8b14860a799888",
    "SHA1": "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
    "SHA256": "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
}
CRCS = ["CRC32", "CRC32C", "CRC64NVME"]


def value(name: str, *blocks: bytes) -> str:
    running = ALGORITHMS[name].start()
    for block in blocks:
        running.update(block)
    return base64.b64encode(running.digest()).decode()


def test_each_has_its_published_value() -> None:
    assert ALGORITHMS.keys() == CHECKS.keys()
    for name, expected in CHECKS.items():
        assert base64.b64decode(value(name, b"123456789")).hex() == expected
        assert ALGORITHMS[name].size == len(expected) // 2


@pytest.mark.parametrize("name", CHECKS)
@given(blocks=st.lists(st.binary(max_size=50), max_size=4))
def test_blocks_are_as_the_whole(name: str, blocks: list[bytes]) -> None:
    assert value(name, *blocks) == value(name, b"".join(blocks))


@pytest.mark.parametrize("name", CRCS)
@given(blocks=st.lists(st.binary(max_size=300), min_size=1, max_size=5))
def test_parts_joined_are_as_the_whole(name: str, blocks: list[bytes]) -> None:
    parts = [(value(name, block), len(block)) for block in blocks]
    assert joined(ALGORITHMS[name], parts) == value(name, b"".join(blocks))


def test_a_composite_is_the_checksum_of_checksums() -> None:
    blocks = b"first", b"second"
    sha256 = base64.b64encode(
        hashlib.sha256(b"".join(hashlib.sha256(block).digest() for block in blocks)).digest()
    ).decode()
    values = [value("SHA256", block) for block in blocks]
    assert composite(ALGORITHMS["SHA256"], values) == f"{sha256}-2"
    crc = zlib.crc32(b"".join(zlib.crc32(block).to_bytes(4, "big") for block in blocks))
    values = [value("CRC32", block) for block in blocks]
    expected = base64.b64encode(crc.to_bytes(4, "big")).decode()
    assert composite(ALGORITHMS["CRC32"], values) == f"{expected}-2"


@pytest.mark.parametrize("text", ["", "AAA", "AAAAAA", "AAAAAAA=", "no base64!", "\u00e4"])
def test_what_is_no_value(text: str) -> None:
    with pytest.raises(ServiceError, match="Value for x-amz-checksum-crc32 header is invalid"):
        value_of(ALGORITHMS["CRC32"], text)


def test_names() -> None:
    assert algorithm("crc32c") is ALGORITHMS["CRC32C"]
    with pytest.raises(ServiceError, match="checksums by XXHASH3"):
        algorithm("XXHASH3")
    with pytest.raises(ServiceError, match="unsupported"):
        algorithm("ROT13")
