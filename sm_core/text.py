"""Text that others wrote, made fit to be shown: no control characters, no endless lines."""

from __future__ import annotations

import re

__all__ = ["printable", "shortened"]

#: Control sequences of terminals (ECMA-48): CSI, OSC with its end, and those of two characters.
_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-Z\\^-~]"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    """`text` without control sequences and control characters, but for tabs and line feeds.

    A carriage return inside a line, as progress bars have it, becomes a space.
    """
    if text.isprintable():
        return text
    text = _SEQUENCE.sub("", text).replace("\r\n", "\n").replace("\r", " ")
    return _CONTROL.sub("", text)


def shortened(text: str, limit: int) -> str:
    """The first `limit` characters of `text`, and how many more there are."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… {len(text) - limit} more characters"
