"""Content-Type and Accept headers (RFC 9110, sections 8.3 and 12.5.1), read and matched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["MediaType", "accepted", "choose", "parse_media_type"]


class MediaType(NamedTuple):
    """A media type: ``type/subtype`` in lower case, and its charset if it names one."""

    name: str
    charset: str | None = None


def parse_media_type(header: str) -> MediaType:
    """Read ``type/subtype; charset=…``; other parameters are left out."""
    name, *parameters = header.split(";")
    charset = None
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "charset":
            charset = value.strip().strip('"').lower() or None
    return MediaType(name.strip().lower(), charset)


def accepted(header: str) -> list[str]:
    """Media ranges of an Accept header, best first; those with weight 0 are left out."""
    weighted: list[tuple[float, int, str]] = []
    for position, entry in enumerate(header.split(",")):
        name, *parameters = entry.split(";")
        weight = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip().lower() == "q":
                weight = _weight(value)
        if name.strip() and weight > 0:
            weighted.append((-weight, position, name.strip().lower()))
    return [name for _, _, name in sorted(weighted)]


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return 1.0
    # Not a number compares false with everything.
    return weight if 0 <= weight <= 1 else 1.0


def choose(ranges: Sequence[str], supported: Sequence[str], *, default: str) -> str | None:
    """The content type to answer with, or None if there is none.

    Args:
        ranges: what the client accepts, best first; nothing means anything.
        supported: what can be written; empty means anything.
        default: what to answer with where the client leaves it open.
    """
    if not supported:
        named = next((name for name in ranges if "*" not in name), None)
        return named or default
    preferred = [default, *supported] if default in supported else list(supported)
    for name in ranges or ("*/*",):
        for candidate in preferred:
            if _covers(name, candidate):
                return candidate
    return None


def _covers(media_range: str, name: str) -> bool:
    if media_range in ("*/*", "*", name):
        return True
    return media_range.endswith("/*") and name.startswith(media_range[:-1])
