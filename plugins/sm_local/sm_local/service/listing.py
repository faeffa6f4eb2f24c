"""Listings of a bucket: in the order of UTF-8 bytes, page by page, with common prefixes rolled up.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

__all__ = ["ObjectInfo", "Page", "Span", "page_of", "span"]


@attrs.frozen(kw_only=True)
class ObjectInfo:
    """An object without its bytes.

    Attributes:
        key: in its bucket.
        size: in bytes.
        etag: without quotes; the MD5 of the bytes unless it was uploaded in parts.
        modified: epoch seconds.
        attributes: what was given with the bytes, by AWS's names: ContentType, Metadata, …
        blob: where the bytes are.
    """

    key: str
    size: int
    etag: str
    modified: float
    attributes: Mapping[str, Any]
    blob: str


@attrs.frozen(kw_only=True)
class Span:
    """A range of keys.

    Attributes:
        lower: where it begins.
        inclusive: whether `lower` itself is in it.
        upper: the first key above it; None where it has no end.
    """

    lower: str
    inclusive: bool = True
    upper: str | None = None


@attrs.frozen(kw_only=True)
class Page:
    """A part of a listing.

    Attributes:
        objects: in the order of their keys.
        prefixes: the common prefixes among them, in order.
        last: where the next page begins: its argument `after`; None when nothing is left.
    """

    objects: list[ObjectInfo]
    prefixes: list[str]
    last: str | None


def span(prefix: str) -> Span:
    """The keys that begin with `prefix`."""
    return Span(lower=prefix, upper=_successor(prefix))


def page_of(
    fetch: Callable[[Span, int], list[ObjectInfo]],
    *,
    prefix: str,
    delimiter: str,
    after: str | None,
    limit: int,
) -> Page:
    """A part of a listing.

    Args:
        fetch: the first objects of a span of keys, at most so many.
        prefix: what the keys begin with.
        delimiter: keys that have it after the prefix count as one common prefix; "" for none.
        after: only keys above this one, and above all keys of it when it is a common prefix.
        limit: of objects and common prefixes together.
    """
    remaining = _remaining(prefix, delimiter, after)
    objects: list[ObjectInfo] = []
    prefixes: list[str] = []
    while remaining is not None:
        room = limit - len(objects) - len(prefixes)
        found = fetch(remaining, room + 1)
        remaining = None
        for info in found:
            if len(objects) + len(prefixes) >= limit:
                return Page(objects=objects, prefixes=prefixes, last=after)
            common = _common(info.key, prefix, delimiter)
            if common is not None:
                prefixes.append(common)
                after = common
                # Whatever else is below it need not be read.
                remaining = _remaining(prefix, delimiter, after)
                break
            objects.append(info)
            after = info.key
    return Page(objects=objects, prefixes=prefixes, last=None)


def _remaining(prefix: str, delimiter: str, after: str | None) -> Span | None:
    """The keys that are still to be listed, or None when there can be none."""
    whole = span(prefix)
    if after is None or after < prefix:
        return whole
    if _common(after, prefix, delimiter) != after:
        return attrs.evolve(whole, lower=after, inclusive=False)
    above = _successor(after)
    return None if above is None else attrs.evolve(whole, lower=above)


def _common(key: str, prefix: str, delimiter: str) -> str | None:
    """The common prefix that `key` is rolled up into, or None."""
    if not delimiter or not key.startswith(prefix):
        return None
    position = key.find(delimiter, len(prefix))
    return None if position < 0 else key[: position + len(delimiter)]


def _successor(prefix: str) -> str | None:
    """The least text above all that begin with `prefix`, by code points; None: there is none."""
    kept = prefix.rstrip("\U0010ffff")
    if not kept:
        return None
    following = ord(kept[-1]) + 1
    # Surrogates are no characters: UTF-8 has none.
    return kept[:-1] + chr(0xE000 if following == 0xD800 else following)
