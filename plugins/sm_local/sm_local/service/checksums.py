"""Checksums of objects: which there are, computed while bytes pass, and put together from parts'.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final, Protocol

import attrs

from sm_local.service.errors import ServiceError, not_implemented

__all__ = [
    "ALGORITHMS",
    "COMPOSITE",
    "FULL_OBJECT",
    "KEPT",
    "Checksum",
    "Running",
    "algorithm",
    "bad_digest",
    "composite",
    "invalid_value",
    "joined",
    "value_of",
]

FULL_OBJECT: Final = "FULL_OBJECT"
#: A checksum of the parts' checksums, and how many they are.
COMPOSITE: Final = "COMPOSITE"


class Running(Protocol):
    """What `hashlib`'s objects are, as far as it is needed here."""

    def update(self, data: bytes, /) -> None:
        """Take `data` into account, after all that came before."""

    def digest(self) -> bytes:
        """The checksum of all that came."""


class _Cyclic:
    """A CRC that is reckoned on with each block."""

    def __init__(self, reckon: Callable[[bytes, int], int], size: int) -> None:
        self._reckon = reckon
        self._size = size
        self._value = 0

    def update(self, data: bytes, /) -> None:
        self._value = self._reckon(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size, "big")


@attrs.frozen(kw_only=True)
class Checksum:
    """One algorithm.

    Attributes:
        name: AWS's: ``CRC32``.
        size: of the value, in bytes.
        start: a new running checksum.
        model: of a CRC, anycrc's name; None for digests, which cannot be joined.
    """

    name: str
    size: int
    start: Callable[[], Running]
    model: str | None = None

    @property
    def member(self) -> str:
        """Of inputs and outputs: ``ChecksumCRC32``."""
        return f"Checksum{self.name}"

    @property
    def header(self) -> str:
        """Of requests and answers: ``x-amz-checksum-crc32``."""
        return f"x-amz-checksum-{self.name.lower()}"

    @property
    def default_type(self) -> str:
        """Of an upload in parts that does not say."""
        return FULL_OBJECT if self.name == "CRC64NVME" else COMPOSITE

    @property
    def types(self) -> tuple[str, ...]:
        """That an upload in parts may ask for."""
        if self.model is None:
            return (COMPOSITE,)
        return (FULL_OBJECT,) if self.name == "CRC64NVME" else (COMPOSITE, FULL_OBJECT)


@cache
def _crc(model: str) -> Any:
    # The package is needed by who sends these checksums only: not when the service starts.
    import anycrc

    return anycrc.Model(model)


#: All that the local service has, by name.
ALGORITHMS: Final[Mapping[str, Checksum]] = {
    each.name: each
    for each in (
        # zlib lets other threads run meanwhile.
        Checksum(name="CRC32", size=4, start=lambda: _Cyclic(zlib.crc32, 4), model="CRC32"),
        Checksum(
            name="CRC32C",
            size=4,
            start=lambda: _Cyclic(_crc("CRC32C").calc, 4),
            model="CRC32C",
        ),
        Checksum(
            name="CRC64NVME",
            size=8,
            start=lambda: _Cyclic(_crc("CRC64-NVME").calc, 8),
            model="CRC64-NVME",
        ),
        Checksum(name="SHA1", size=20, start=lambda: hashlib.sha1(usedforsecurity=False)),
        Checksum(name="SHA256", size=32, start=hashlib.sha256),
    )
}
#: What is kept with an object that has a checksum: one of the first, and the last.
KEPT: Final = (*(each.member for each in ALGORITHMS.values()), "ChecksumType")


def algorithm(name: str) -> Checksum:
    """The algorithm of this name.

    Raises:
        ServiceError: InvalidRequest, or NotImplemented for one that only AWS has.
    """
    found = ALGORITHMS.get(name.upper())
    if found is not None:
        return found
    if name.upper() in ("MD5", "SHA512", "XXHASH64", "XXHASH3", "XXHASH128"):
        raise not_implemented(f"checksums by {name.upper()} (it has {', '.join(ALGORITHMS)})")
    raise ServiceError(
        "InvalidRequest",
        "Checksum algorithm provided is unsupported. Please try again with any of the valid types:"
        f" [{', '.join(ALGORITHMS)}]",
    )


def value_of(checksum: Checksum, text: str) -> str:
    """`text`, which is to be a value of `checksum` in base64.

    Raises:
        ServiceError: InvalidRequest.
    """
    try:
        size = len(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        size = -1
    if size != checksum.size:
        raise invalid_value(checksum.header)
    return text


def joined(checksum: Checksum, parts: Iterable[tuple[str, int]]) -> str:
    """The checksum of the whole from those of its parts, without reading a byte.

    Args:
        checksum: a CRC.
        parts: (value in base64, size in bytes) of each, in order.
    """
    if checksum.model is None:
        raise ValueError(f"{checksum.name} of parts tells nothing about the whole")
    combine = _crc(checksum.model).combine
    value = 0
    for text, size in parts:
        value = combine(value, int.from_bytes(base64.b64decode(text), "big"), size)
    return base64.b64encode(value.to_bytes(checksum.size, "big")).decode()


def composite(checksum: Checksum, values: Sequence[str]) -> str:
    """The checksum of the parts' checksums in base64, and how many they are: ``AAAAAA==-2``."""
    running = checksum.start()
    for value in values:
        running.update(base64.b64decode(value))
    return f"{base64.b64encode(running.digest()).decode()}-{len(values)}"


def bad_digest(checksum: Checksum) -> ServiceError:
    """What came is not what the client says it sent."""
    return ServiceError(
        "BadDigest", f"The {checksum.name} you specified did not match the calculated checksum."
    )


def invalid_value(header: str) -> ServiceError:
    """A header that no checksum can have as its value."""
    return ServiceError("InvalidRequest", f"Value for {header} header is invalid.")
