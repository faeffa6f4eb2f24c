"""Content-Type and Accept headers (RFC 9110, sections 8.3 and 12.5.1), read and matched."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

__all__ = ["MediaRange", "MediaType", "accepted", "choose", "parse_media_type"]

#: Clients send few different headers, again and again.
_CACHED = 256
_QUOTED = r'"(?:[^"\\]|\\.)*"?'
_ITEM = re.compile(rf"(?:{_QUOTED}|[^,\"])+", re.DOTALL)
_PART = re.compile(rf"(?:{_QUOTED}|[^;\"])+", re.DOTALL)


class MediaType(NamedTuple):
    """A media type: ``type/subtype`` in lower case, and its charset if it names one."""

    name: str
    charset: str | None = None


class MediaRange(NamedTuple):
    """What a client accepts: a media type, ``type/*`` or ``*/*``, and how much it likes it.

    Attributes:
        name: in lower case, without parameters.
        quality: from 0, which is not at all, to 1.
    """

    name: str
    quality: float = 1.0


@lru_cache(_CACHED)
def parse_media_type(header: str) -> MediaType:
    """Read ``type/subtype; charset=…``; other parameters are left out."""
    name, parameters = _parse(header)
    return MediaType(name, dict(parameters).get("charset", "").lower() or None)


@lru_cache(_CACHED)
def accepted(header: str) -> tuple[MediaRange, ...]:
    """The media ranges of an Accept header in its order; parameters but the quality are left out.

    A quality that is no number from 0 to 1 counts as 1.
    """
    ranges = []
    for item in _ITEM.findall(header):
        name, parameters = _parse(item)
        if name:
            name = "*/*" if name == "*" else name
            ranges.append(MediaRange(name, _quality(dict(parameters).get("q", "1"))))
    return tuple(ranges)


def _parse(text: str) -> tuple[str, list[tuple[str, str]]]:
    """``name; key=value; …``, names and keys in lower case; the first of several keys last."""
    name, *parts = _PART.findall(text) or [""]
    if text.lstrip().startswith(";"):
        name, parts = "", [name, *parts]
    return name.strip().lower(), list(reversed(list(_parameters(parts))))


def _parameters(parts: Sequence[str]) -> Iterator[tuple[str, str]]:
    for part in parts:
        key, _, value = part.partition("=")
        value = value.strip()
        if value.startswith('"'):
            value = re.sub(r"\\(.)", r"\1", value[1:].removesuffix('"'), flags=re.DOTALL)
        yield key.strip().lower(), value


def _quality(text: str) -> float:
    try:
        quality = float(text)
    except ValueError:
        return 1.0
    # Not a number compares false with everything.
    return quality if 0 <= quality <= 1 else 1.0


@lru_cache(_CACHED)
def choose(ranges: Sequence[MediaRange], supported: Sequence[str], *, default: str) -> str | None:
    """The content type to answer with, or None if there is none.

    The quality of a type is that of the most specific range that covers it. Of the best, the one
    that the client names first is taken.

    Args:
        ranges: what the client accepts; nothing means anything.
        supported: what can be written; empty means anything.
        default: what to answer with where the client leaves it open.
    """
    if not supported:
        best = sorted(ranges, key=lambda each: -each.quality)
        named = (each.name for each in best if each.quality > 0 and "*" not in each.name)
        return next(named, default)
    if not ranges:
        return default if default in supported else supported[0]
    candidates = [default, *supported] if default in supported else list(supported)
    liked = [(each, _likes(ranges, each)) for each in candidates]
    best_one, (quality, _) = max(liked, key=lambda pair: pair[1])
    return best_one if quality > 0 else None


def _likes(ranges: Sequence[MediaRange], name: str) -> tuple[float, int]:
    """How much `name` is liked: its quality, and at equal ones how early it is mentioned."""
    kind = name.partition("/")[0]
    for pattern in (name, f"{kind}/*", "*/*"):
        for position, each in enumerate(ranges):
            if each.name == pattern:
                return each.quality, -position
    return 0.0, 0
