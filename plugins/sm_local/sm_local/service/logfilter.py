"""FilterLogEvents: lines of several streams that a pattern fits, in the order of their times.

Patterns are CloudWatch's for unstructured events: terms that must all be there, ``?`` before terms
of which one must, ``-`` before those that must not, quotation marks around terms with blanks.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from heapq import merge
from itertools import islice
from pathlib import Path
from typing import Any

from sm_local import processes
from sm_local.service.errors import ServiceError

__all__ = ["filter_events", "matcher"]

_MAX_EVENTS = 10_000
_TERM = re.compile(r'([?-]?)("(?:[^"\\]|\\.)*"|[^\s"]+)(?=\s|$)\s*')
_TOKEN = re.compile(r"(\d{1,20})/(\d{1,9})")

_Line = tuple[int, str, int, str]


def filter_events(streams: Mapping[str, Path], request: Mapping[str, Any]) -> dict[str, Any]:
    """FilterLogEvents' answer. Blocks.

    Args:
        streams: their files, by name.
        request: filterPattern, startTime, endTime, limit and nextToken, all optional.

    Raises:
        ServiceError: the pattern is none, or the token not one of the service's.
    """
    fits = matcher(request.get("filterPattern", ""))
    after, skipped = _position(request.get("nextToken"))
    first = max(after, request.get("startTime") or 0)
    end = request.get("endTime")
    lines = merge(*(_lines(name, path) for name, path in sorted(streams.items())))
    wanted = (
        line
        for line in lines
        if line[0] >= first and (end is None or line[0] <= end) and fits(line[3])
    )
    limit = request.get("limit", _MAX_EVENTS)
    # Of the time at which the last page ended, some were on that page.
    page = list(islice(wanted, skipped, skipped + limit + 1))
    token = None
    if len(page) > limit:
        page.pop()
        last = page[-1][0]
        same = sum(line[0] == last for line in page)
        token = f"{last}/{same + (skipped if last == after else 0)}"
    return {
        "events": [
            {
                "logStreamName": name,
                "timestamp": stamp,
                "message": text,
                "ingestionTime": stamp,
                "eventId": f"{stamp:020d}{number:012d}",
            }
            for stamp, name, number, text in page
        ],
        "searchedLogStreams": [],
        "nextToken": token,
    }


def matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a line fits a filter pattern.

    Raises:
        ServiceError: it is none, or one for JSON or for columns, which are not here.
    """
    pattern = pattern.strip()
    if not pattern:
        return lambda text: True
    if pattern[0] in "{[%":
        # A regular expression of a request could keep the whole service busy for ever.
        raise _invalid("filter patterns for JSON, for columns and with expressions are not here")
    terms: dict[str, list[str]] = {"": [], "?": [], "-": []}
    place = 0
    while place < len(pattern):
        found = _TERM.match(pattern, place)
        if found is None:
            raise _invalid(f"Invalid filter pattern at {pattern[place:]!r}")
        place = found.end()
        term = found[2]
        if term.startswith('"'):
            term = re.sub(r"\\(.)", r"\1", term[1:-1])
        terms[found[1]].append(term)
    return lambda text: (
        all(term in text for term in terms[""])
        and not any(term in text for term in terms["-"])
        and (not terms["?"] or bool(terms[""]) or any(term in text for term in terms["?"]))
    )


def _lines(name: str, path: Path) -> Iterator[_Line]:
    offset = number = 0
    while True:
        lines, offset = processes.read_log(path, offset)
        if not lines:
            return
        for stamp, text in lines:
            yield stamp, name, number, text
            number += 1


def _position(token: str | None) -> tuple[int, int]:
    """The time at which a page begins, and how many lines of it were on the page before."""
    if token is None:
        return 0, 0
    found = _TOKEN.fullmatch(token)
    if found is None:
        raise _invalid("The specified nextToken is invalid.")
    return int(found[1]), int(found[2])


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameterException", message)
