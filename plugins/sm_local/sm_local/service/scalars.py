"""Numbers, truths and times as text, in XML, headers and queries."""

from __future__ import annotations

from datetime import datetime, timezone
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

__all__ = ["from_text", "http_date", "to_text"]


def from_text(kind: str, text: str) -> Any:
    """The value of the model's type `kind` that `text` stands for.

    Raises:
        ValueError: it stands for none.
    """
    if kind in ("integer", "long"):
        return int(text)
    if kind in ("float", "double"):
        return float(text)
    if kind == "boolean":
        if text not in ("true", "false"):
            raise ValueError(f"{text!r} is neither true nor false")
        return text == "true"
    if kind == "timestamp":
        return _moment(text)
    return text


def to_text(value: Any) -> str:
    """`value` in XML; datetimes as ISO 8601 in UTC with milliseconds."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        moment = value.astimezone(timezone.utc)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"
    return str(value)


def http_date(moment: datetime) -> str:
    """`moment` in a header: RFC 9110, whole seconds."""
    return format_datetime(moment.astimezone(timezone.utc), usegmt=True)


def _moment(text: str) -> datetime:
    if text[:4].isdigit():
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    else:
        moment = parsedate_to_datetime(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=timezone.utc)
