"""The List operations' filters, order and pages."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

import attrs
import orjson

from sm_local.service.checks import invalid

__all__ = ["Listed", "as_datetime", "list_page"]

_DEFAULT_RESULTS = 10


@attrs.frozen(kw_only=True)
class Listed:
    """One resource, as lists filter and order it.

    Attributes:
        name: of the resource.
        status: of the resource.
        created: epoch seconds.
        modified: epoch seconds.
        summary: what the answer says about it.
    """

    name: str
    status: str
    created: float
    modified: float
    summary: Mapping[str, Any]


def as_datetime(seconds: float) -> datetime:
    """A point in time, from seconds since the epoch."""
    return datetime.fromtimestamp(seconds, tz=timezone.utc)


def list_page(
    items: Sequence[Listed], request: Mapping[str, Any], *, descending: bool
) -> tuple[list[Mapping[str, Any]], str | None]:
    """The summaries of one page, and the token of the next one, if there is one.

    Args:
        items: everything there is.
        request: NameContains, StatusEquals, CreationTimeAfter/Before, LastModifiedTimeAfter/Before,
            SortBy, SortOrder, MaxResults and NextToken, all optional.
        descending: the operation's default order.
    """
    key = _ORDERS[request.get("SortBy", "CreationTime")]
    order = request.get("SortOrder")
    reverse = descending if order is None else order == "Descending"
    wanted = [item for item in items if _wanted(item, request)]
    wanted.sort(key=lambda item: (key(item), item.name), reverse=reverse)
    token = request.get("NextToken")
    if token:
        wanted = _after(_decode(token), wanted, key=key, reverse=reverse)
    limit = request.get("MaxResults", _DEFAULT_RESULTS)
    page = wanted[:limit]
    more = _encode(key(page[-1]), page[-1].name) if len(wanted) > limit else None
    return [item.summary for item in page], more


_ORDERS: Mapping[str, Callable[[Listed], Any]] = {
    "Name": lambda item: item.name,
    "CreationTime": lambda item: item.created,
    "Status": lambda item: item.status,
}


def _wanted(item: Listed, request: Mapping[str, Any]) -> bool:
    if "NameContains" in request and request["NameContains"] not in item.name:
        return False
    if "StatusEquals" in request and request["StatusEquals"] != item.status:
        return False
    for member, moment in (("CreationTime", item.created), ("LastModifiedTime", item.modified)):
        after, before = request.get(f"{member}After"), request.get(f"{member}Before")
        if after is not None and moment < after.timestamp():
            return False
        if before is not None and moment > before.timestamp():
            return False
    return True


def _after(
    last: tuple[Any, str], items: list[Listed], *, key: Callable[[Listed], Any], reverse: bool
) -> list[Listed]:
    """Those behind the place where the last page ended, whether what stood there exists or not."""
    places = [(key(item), item.name) for item in items]
    try:
        behind = [place < last if reverse else place > last for place in places]
    except TypeError as error:
        raise invalid("NextToken belongs to a list in another order") from error
    return [item for item, is_behind in zip(items, behind, strict=True) if is_behind]


def _encode(value: Any, name: str) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([value, name])).decode()


def _decode(token: str) -> tuple[Any, str]:
    try:
        value, name = orjson.loads(base64.urlsafe_b64decode(token))
    except (binascii.Error, ValueError, TypeError) as error:
        raise invalid("NextToken is not one that the service has given") from error
    if type(name) is not str or type(value) not in (str, float):
        raise invalid("NextToken is not one that the service has given")
    return value, name
