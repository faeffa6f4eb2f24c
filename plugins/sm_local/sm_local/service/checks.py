"""Checks that botocore's model cannot make, and the errors of the control plane, in AWS's words."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

import attrs

from sm_local.home import RESERVED_BUCKET
from sm_local.service.context import Context
from sm_local.service.errors import ServiceError

__all__ = [
    "ANY",
    "EachOf",
    "OneOf",
    "S3Location",
    "arn",
    "invalid",
    "refuse_unsupported",
    "required",
    "s3_location",
    "tags_of",
]

_S3_URI = re.compile(r"s3://([^/]+)/?(.*)", re.DOTALL)


@attrs.frozen
class OneOf:
    """A member may have one of these values only."""

    values: Collection[Any]


@attrs.frozen
class EachOf:
    """A member is a list, whose items have these members."""

    members: Mapping[str, Any]


@attrs.frozen
class _Any:
    """A member may have any value that AWS's model allows."""


ANY = _Any()


@attrs.frozen
class S3Location:
    """A bucket, and a key or the beginning of keys in it."""

    bucket: str
    key: str


def invalid(message: str) -> ServiceError:
    """A request that is refused for what it asks."""
    return ServiceError("ValidationException", message)


def arn(context: Context, kind: str, *, name: str) -> str:
    """The ARN of a resource; AWS writes its name in lower case."""
    return f"arn:aws:sagemaker:{context.region}:{context.account}:{kind}/{name.lower()}"


def required(request: Mapping[str, Any], *members: str) -> None:
    """Insist on members that AWS's model calls optional and its service does not.

    Args:
        request: the request.
        members: their names, dotted below the first level.
    """
    missing = [member for member in members if _member(request, member) is None]
    if not missing:
        return
    noun = "error" if len(missing) == 1 else "errors"
    details = "; ".join(
        f"Value null at '{_camel(member)}' failed to satisfy constraint: Member must not be null"
        for member in missing
    )
    raise invalid(f"{len(missing)} validation {noun} detected: {details}")


def refuse_unsupported(
    request: Mapping[str, Any], supported: Mapping[str, Any], *, path: str = ""
) -> None:
    """Refuse by name what the local service would otherwise ignore.

    Args:
        request: the request, or a structure in it.
        supported: what may be in it: a member's name, and `ANY`, `OneOf`, `EachOf` or the members
            of a structure. A member that is not named may still be there when it says nothing
            (false, empty).
        path: of the structure in the request.
    """
    for member, value in request.items():
        where = f"{path}.{member}" if path else member
        rule = supported.get(member)
        if rule is None and value not in (None, False, "", [], {}):
            raise invalid(f"{where} is not available: the local service does not have it yet")
        if isinstance(rule, OneOf) and value not in rule.values:
            known = " or ".join(str(known) for known in rule.values)
            raise invalid(
                f"{where} {value} is not available: the local service does not have it yet, "
                f"only {known}"
            )
        if isinstance(rule, EachOf):
            for number, item in enumerate(value, start=1):
                refuse_unsupported(item, rule.members, path=f"{where}.{number}")
        elif isinstance(rule, Mapping):
            refuse_unsupported(value, rule, path=where)


def s3_location(uri: str, member: str) -> S3Location:
    """The parts of an S3 URI.

    Args:
        uri: ``s3://bucket/key``.
        member: of the request, for the error.

    Raises:
        ServiceError: it is none, or in the bucket that clients and service hand things over in.
    """
    found = _S3_URI.fullmatch(uri)
    if found is None:
        raise invalid(f"{member} {uri!r} is not an S3 URI that the local service knows: s3://…")
    if found[1] == RESERVED_BUCKET:
        # What the service itself reads and writes for a request, whoever sent it.
        raise invalid(f"{member}: the bucket {RESERVED_BUCKET} is reserved")
    return S3Location(found[1], found[2])


def _member(request: Mapping[str, Any], dotted: str) -> Any:
    value: Any = request
    for name in dotted.split("."):
        if value is None:
            return None
        value = value.get(name)
    return value


def _camel(dotted: str) -> str:
    return ".".join(name[0].lower() + name[1:] for name in dotted.split("."))


def tags_of(request: Mapping[str, Any]) -> dict[str, str]:
    """The tags that a request brings, key to value.

    Raises:
        ServiceError: a key is one of those that AWS keeps for itself.
    """
    tags = {tag["Key"]: tag["Value"] for tag in request.get("Tags", ())}
    if reserved := [key for key in tags if key.lower().startswith("aws:")]:
        raise invalid(
            "aws: prefixed tag key names are not allowed for external use: " + ", ".join(reserved)
        )
    return tags
