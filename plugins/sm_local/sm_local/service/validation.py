"""Check what a request asks for against AWS's model, and say what is wrong in AWS's words."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from functools import cache
from typing import Any

from sm_local.service.errors import ServiceError
from sm_local.service.models import ServiceModel, Shape
from sm_local.service.scalars import from_text

__all__ = ["validated"]

#: How AWS names the types in its SerializationException.
_TYPE_NAMES = {
    "string": "a String",
    "character": "a String",
    "integer": "an Integer",
    "long": "a Long",
    "float": "a Float",
    "double": "a Double",
    "boolean": "a Boolean",
    "timestamp": "a Timestamp",
    "blob": "a Blob",
}
#: Java's classes of Unicode, which AWS's patterns use, in terms of Python's `re`: \w has all
#: letters and all numbers. They appear in character classes only.
_JAVA_CLASSES = {
    r"\p{L}": r"\w",
    r"\p{N}": r"\w",
    r"\p{Z}": " \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000",
    r"\p{Alnum}": "a-zA-Z0-9",
}


def validated(
    model: ServiceModel, shape: str | None, value: object, *, code: str = "ValidationException"
) -> dict[str, Any]:
    """The members of a request, with their types, once they satisfy the model.

    Members that the model does not know are left out, and so are null ones, as AWS does. Numbers
    and texts that stand for a timestamp become datetimes, base64 becomes bytes.

    Args:
        model: of the service.
        shape: name of the operation's input; None where it takes nothing.
        value: parsed JSON.
        code: what the service calls a violated constraint.

    Raises:
        ServiceError: SerializationException for a value of another type than the model's, `code`
            with all violated constraints otherwise.
    """
    if shape is None:
        return {}
    check = _Check(model)
    members: dict[str, Any] = check.value(shape, value, "")
    if check.violations:
        count = len(check.violations)
        raise ServiceError(
            code,
            f"{count} validation error{'s' if count > 1 else ''} detected: "
            + "; ".join(check.violations),
        )
    return members


class _Check:
    """One walk over a request and its model."""

    def __init__(self, model: ServiceModel) -> None:
        self._model = model
        self.violations: list[str] = []

    def value(self, name: str, value: object, path: str) -> Any:
        """`value` as the shape `name` has it; `path` is where it stands in the request."""
        shape = self._model.shapes[name]
        kind = shape["type"]
        if kind == "structure":
            return self._structure(shape, value, path)
        if kind == "list":
            return self._list(shape, value, path)
        if kind == "map":
            return self._map(shape, value, path)
        converted = _scalar(kind, value, path)
        for rule, holds in _rules(shape, converted):
            if not holds:
                self._violation(shape, converted, path, rule)
        return converted

    def _structure(self, shape: Shape, value: object, path: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _unexpected("structure or map", value, path)
        members: dict[str, Any] = {}
        for member, reference in shape["members"].items():
            place = f"{path}.{_lowered(member)}" if path else _lowered(member)
            given = value.get(member)
            if given is not None:
                members[member] = self.value(reference["shape"], given, place)
            elif member in shape.get("required", ()):
                self.violations.append(_text("null", place, "Member must not be null"))
        return members

    def _list(self, shape: Shape, value: object, path: str) -> list[Any]:
        if not isinstance(value, list):
            raise _unexpected("list", value, path)
        self._sizes(shape, value, path)
        inner = shape["member"]["shape"]
        if self._is_scalar(inner):
            items = [_scalar(self._type(inner), item, path) for item in value]
            self._all(inner, items, within=value, path=path, rule="Member must")
            return items
        return [
            self.value(inner, item, f"{path}.{position}.member")
            for position, item in enumerate(value, start=1)
        ]

    def _map(self, shape: Shape, value: object, path: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _unexpected("structure or map", value, path)
        given = {key: item for key, item in value.items() if item is not None}
        self._sizes(shape, given, path)
        key, inner = shape["key"]["shape"], shape["value"]["shape"]
        self._all(key, list(given), within=given, path=path, rule="Map keys must")
        if self._is_scalar(inner):
            items = {k: _scalar(self._type(inner), item, path) for k, item in given.items()}
            self._all(inner, list(items.values()), within=given, path=path, rule="Map value must")
            return items
        return {k: self.value(inner, item, f"{path}.{k}.member") for k, item in given.items()}

    def _all(self, name: str, items: list[Any], *, within: object, path: str, rule: str) -> None:
        """Hold all `items` against the shape `name`; a violation shows the whole container."""
        shape = self._model.shapes[name]
        for item in items:
            outcome = list(_rules(shape, item))
            if not all(holds for _, holds in outcome):
                rules = ", ".join(text for text, _ in outcome)
                self._violation(shape, within, path, f"{rule} satisfy constraint: [{rules}]")
                return

    def _sizes(self, shape: Shape, value: list[Any] | dict[str, Any], path: str) -> None:
        for rule, holds in _lengths(shape, len(value)):
            if not holds:
                self._violation(shape, value, path, rule)

    def _violation(self, shape: Shape, value: object, path: str, rule: str) -> None:
        shown = "" if shape.get("sensitive") else f"'{_java(value)}'"
        self.violations.append(_text(shown, path, rule))

    def _type(self, name: str) -> str:
        kind: str = self._model.shapes[name]["type"]
        return kind

    def _is_scalar(self, name: str) -> bool:
        return self._type(name) in _TYPE_NAMES


def _rules(shape: Shape, value: Any) -> Iterator[tuple[str, bool]]:
    """The constraints of a scalar in AWS's words, each with whether `value` satisfies it."""
    kind = shape["type"]
    if kind in ("string", "blob"):
        if "enum" in shape:
            yield (
                f"Member must satisfy enum value set: [{', '.join(shape['enum'])}]",
                value in shape["enum"],
            )
        yield from _lengths(shape, len(value))
        if "pattern" in shape:
            pattern = _pattern(shape["pattern"])
            yield (
                f"Member must satisfy regular expression pattern: {shape['pattern']}",
                pattern is None or pattern.fullmatch(value) is not None,
            )
    elif kind in ("integer", "long", "float", "double"):
        if "max" in shape:
            yield (
                f"Member must have value less than or equal to {shape['max']}",
                value <= shape["max"],
            )
        if "min" in shape:
            yield (
                f"Member must have value greater than or equal to {shape['min']}",
                value >= shape["min"],
            )


def _lengths(shape: Shape, length: int) -> Iterator[tuple[str, bool]]:
    if "max" in shape:
        yield (
            f"Member must have length less than or equal to {shape['max']}",
            length <= shape["max"],
        )
    if "min" in shape:
        yield (
            f"Member must have length greater than or equal to {shape['min']}",
            length >= shape["min"],
        )


@cache
def _pattern(java: str) -> re.Pattern[str] | None:
    """AWS's pattern for Python; None for the few that `re` cannot express, which hold always."""
    flags = 0 if r"\p{" in java else re.ASCII
    translated = re.sub(r"\$\{\d+,\d+\}$", "", java)
    for theirs, ours in _JAVA_CLASSES.items():
        translated = translated.replace(theirs, ours)
    # In a class, Java takes a hyphen after \w as itself.
    translated = re.sub(r"(\\[wds])-", r"\1\\-", translated)
    try:
        return re.compile(translated, flags)
    except re.error:
        return None


def _scalar(kind: str, value: object, path: str) -> Any:
    """`value` as a scalar of the type `kind`, the way AWS's JSON parser takes it."""
    try:
        if isinstance(value, bool):
            if kind == "boolean":
                return value
        elif isinstance(value, str):
            if kind in ("string", "character"):
                return value
            if kind == "timestamp":
                return from_text(kind, value)
            if kind == "blob":
                return base64.b64decode(value, validate=True)
        elif isinstance(value, (int, float)):
            if kind in ("integer", "long") and float(value).is_integer():
                return int(value)
            if kind in ("float", "double"):
                return float(value)
            if kind == "timestamp":
                return datetime.fromtimestamp(value, timezone.utc)
    except (ValueError, OverflowError, OSError):
        pass  # falls through to the error below, which names the value's place
    raise _unexpected(_TYPE_NAMES[kind], value, path)


def _unexpected(wanted: str, value: object, path: str) -> ServiceError:
    """The value has another type than the model's."""
    where = f" at '{path}'" if path else ""
    if wanted in ("list", "structure or map"):
        message = f"Expected {wanted}{where}, found {_json_type(value)}"
    elif isinstance(value, (dict, list)):
        message = f"Start of {_json_type(value)} found where not expected{where}"
    else:
        message = f"{_json_type(value)} can not be converted to {wanted}{where}"
    return ServiceError("SerializationException", message)


def _json_type(value: object) -> str:
    if value is None:
        return "NULL_VALUE"
    if isinstance(value, bool):
        return "TRUE_VALUE" if value else "FALSE_VALUE"
    if isinstance(value, int):
        return "NUMBER_VALUE"
    if isinstance(value, float):
        return "DECIMAL_VALUE"
    if isinstance(value, str):
        return "STRING_VALUE"
    return "list" if isinstance(value, list) else "structure or map"


def _text(shown: str, path: str, rule: str) -> str:
    value = f"Value {shown}" if shown else "Value"
    return f"{value} at '{path}' failed to satisfy constraint: {rule}"


def _lowered(member: str) -> str:
    return member[:1].lower() + member[1:]


def _java(value: object) -> str:
    """`value` as Java prints it, which is what AWS's messages show."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={_java(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_java(item) for item in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
