"""Git's wildcards as regular expressions, byte by byte as git matches them.

``*`` and ``?`` match no slash; ``**/`` at the beginning or after a slash matches any number of
folders, none too; ``/**`` at the end matches all that is below; ``[a-z]``, ``[!a-z]`` and
``[[:alpha:]]`` match one byte, never a slash; a backslash takes away the meaning of what follows
(`gitignore(5)`_).

.. _gitignore(5): https://git-scm.com/docs/gitignore
"""

from __future__ import annotations

import re
import string

__all__ = ["expression_of"]

_POSIX = {
    b"alnum": string.ascii_letters + string.digits,
    b"alpha": string.ascii_letters,
    b"blank": " \t",
    b"cntrl": "".join(map(chr, (*range(32), 127))),
    b"digit": string.digits,
    b"graph": string.ascii_letters + string.digits + string.punctuation,
    b"lower": string.ascii_lowercase,
    b"print": string.ascii_letters + string.digits + string.punctuation + " ",
    b"punct": string.punctuation,
    b"space": string.whitespace,
    b"upper": string.ascii_uppercase,
    b"xdigit": string.hexdigits,
}
_SPECIAL = re.compile(rb"[*?\[\\]")
_STARS = re.compile(rb"\*+")
#: A class of bytes; a bracket that is the first in it is one of them.
_CLASS = re.compile(
    rb"\[(?P<negated>[!^]|(?![!^]))"
    rb"(?P<members>(?:\[:[^\]]*:\]|\\.|[^\\])(?:\[:[^\]]*:\]|\\.|[^\\\]])*)\]",
    re.DOTALL,
)
_MEMBER = re.compile(
    rb"\[:(?P<name>[^\]]*):\]"
    rb"|(?P<first>\\.|[^\\])-(?P<last>\\.|[^\\])"
    rb"|(?P<one>\\.|[^\\])",
    re.DOTALL,
)


def expression_of(pattern: bytes) -> re.Pattern[bytes] | None:
    """What the whole of a path must match; None for a pattern that matches nothing."""
    parts: list[bytes] = []
    place = 0
    while place < len(pattern):
        part, place = _translated(pattern, place)
        if part is None:
            return None
        parts.append(part)
    return re.compile(b"".join(parts), re.DOTALL)


def _translated(pattern: bytes, place: int) -> tuple[bytes | None, int]:
    """The expression of what begins at `place`, and where that ends."""
    character = pattern[place : place + 1]
    if character == b"*":
        return _stars(pattern, place)
    if character == b"?":
        return b"[^/]", place + 1
    if character == b"[":
        found = _CLASS.match(pattern, place)
        return (None, place) if found is None else (_class(found), found.end())
    if character == b"\\":
        escaped = pattern[place + 1 : place + 2]
        return re.escape(escaped) if escaped else None, place + 2
    return re.escape(character), place + 1


def _stars(pattern: bytes, place: int) -> tuple[bytes, int]:
    stars = _STARS.match(pattern, place)
    assert stars is not None
    end = stars.end()
    # Git looks at what follows the literal beginning as at a pattern of its own.
    alone = pattern[place - 1 : place] == b"/" or _SPECIAL.search(pattern, 0, place) is None
    if end - place == 1 or not alone:
        return b"[^/]*", end
    if pattern[end : end + 1] == b"/":
        return b"(?:.*/)?", end + 1
    if end == len(pattern) or pattern[end : end + 2] == b"\\/":
        return b".*", end
    return b"[^/]*", end


def _class(found: re.Match[bytes]) -> bytes | None:
    """A set of bytes; None if it names a class that there is not."""
    members = b""
    for member in _MEMBER.finditer(found["members"]):
        if member["name"] is not None:
            named = _POSIX.get(member["name"])
            if named is None:
                return None
            members += re.escape(named.encode())
        elif member["first"] is not None:
            first, last = member["first"][-1:], member["last"][-1:]
            members += re.escape(first)
            if first <= last:
                members += b"-" + re.escape(last)
        else:
            members += re.escape(member["one"][-1:])
    return b"(?!/)[" + (b"^" if found["negated"] else b"") + members + b"]"
