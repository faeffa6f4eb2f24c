"""Checksums of objects that are uploaded in parts.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html tells what must agree.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from sm_local.service.checksums import (
    COMPOSITE,
    FULL_OBJECT,
    Checksum,
    algorithm,
    bad_digest,
    composite,
    invalid_value,
    joined,
    value_of,
)
from sm_local.service.errors import ServiceError

__all__ = ["Expected", "Plan"]

_COMPOSITE = re.compile(r"(.+)-(\d{1,5})")


@attrs.frozen(kw_only=True)
class Expected:
    """What a CompleteMultipartUpload says of the whole, and must be true.

    Attributes:
        parts: the checksums that it gives of parts, by number: (member, value) pairs.
        whole: member and value of the object's checksum; None where it gives none.
        kind: FULL_OBJECT or COMPOSITE; None where it does not say.
        size: bytes of the object; None where it does not say.
    """

    parts: Mapping[int, Mapping[str, str]] = attrs.field(factory=dict)
    whole: tuple[Checksum, str] | None = None
    kind: str | None = None
    size: int | None = None


@attrs.frozen(kw_only=True)
class Plan:
    """Which checksum an upload has, and of what.

    Attributes:
        checksum: the algorithm.
        kind: FULL_OBJECT or COMPOSITE.
    """

    checksum: Checksum
    kind: str

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Plan | None:
        """That of an upload's attributes, or of the input of CreateMultipartUpload.

        Raises:
            ServiceError: InvalidRequest.
        """
        name, kind = given.get("ChecksumAlgorithm"), given.get("ChecksumType")
        if name is None:
            if kind is None:
                return None
            raise ServiceError(
                "InvalidRequest",
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm"
                " header.",
            )
        checksum = algorithm(name)
        if kind is None:
            kind = checksum.default_type
        if kind not in (COMPOSITE, FULL_OBJECT):
            raise invalid_value("x-amz-checksum-type")
        if kind not in checksum.types:
            raise ServiceError(
                "InvalidRequest",
                f"The {kind} checksum type cannot be used with the {checksum.name.lower()}"
                " checksum algorithm.",
            )
        return cls(checksum=checksum, kind=kind)

    @property
    def members(self) -> dict[str, str]:
        """As inputs and outputs have it."""
        return {"ChecksumAlgorithm": self.checksum.name, "ChecksumType": self.kind}

    def check_part(self, checksum: Checksum | None) -> None:
        """Insist that a part comes with the checksum that the whole needs.

        Raises:
            ServiceError: InvalidRequest.
        """
        if checksum is self.checksum or (checksum is None and self.kind == FULL_OBJECT):
            return
        found = "null" if checksum is None else checksum.name.lower()
        raise ServiceError(
            "InvalidRequest",
            "Checksum Type mismatch occurred, expected checksum Type:"
            f" {self.checksum.name.lower()}, actual checksum Type: {found}",
        )

    def whole(self, parts: Sequence[tuple[int, int, str]], expected: Expected) -> dict[str, str]:
        """Checksum and type of the object.

        Args:
            parts: (number, size in bytes, checksum in base64) of each, in order.
            expected: what the client says.

        Raises:
            ServiceError: InvalidRequest, InvalidPart, InvalidPartOrder or BadDigest.
        """
        name = self.checksum.name.lower()
        if expected.kind not in (None, self.kind):
            raise ServiceError(
                "InvalidRequest",
                f"The upload was created using the {self.kind} checksum mode. The complete request"
                " must use the same checksum mode.",
            )
        for number, _, value in parts:
            told = expected.parts.get(number, {}).get(self.checksum.member)
            if told is None and self.kind == COMPOSITE:
                raise ServiceError(
                    "InvalidRequest",
                    f"The upload was created using a {name} checksum. The complete request must"
                    " include the checksum for each part. It was missing for part"
                    f" {number} in the request.",
                )
            if told not in (None, value):
                raise ServiceError(
                    "InvalidPart",
                    "One or more of the specified parts could not be found. The part may not have"
                    " been uploaded, or the specified checksum may not match the part's checksum.",
                    members={"PartNumber": number},
                )
        if self.kind == COMPOSITE:
            if [number for number, _, _ in parts] != list(range(1, len(parts) + 1)):
                raise ServiceError(
                    "InvalidPartOrder",
                    "The list of parts was not in ascending order. With a checksum of each part,"
                    " part numbers must begin at 1 and be consecutive.",
                )
            value = composite(self.checksum, [value for _, _, value in parts])
        else:
            value = joined(self.checksum, [(value, size) for _, size, value in parts])
        self._compare(value, expected.whole)
        return {self.checksum.member: value, "ChecksumType": self.kind}

    def _compare(self, value: str, told: tuple[Checksum, str] | None) -> None:
        if told is None:
            return
        checksum, text = told
        self.check_part(checksum)
        match = _COMPOSITE.fullmatch(text)
        value_of(checksum, match[1] if match is not None and self.kind == COMPOSITE else text)
        # Clients may leave out how many parts there are.
        if text not in (value, value.partition("-")[0]):
            raise bad_digest(checksum)
