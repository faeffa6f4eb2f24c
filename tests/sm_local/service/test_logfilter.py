"""Lines of logs, filtered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sm_local.service.errors import ServiceError
from sm_local.service.logfilter import filter_events, matcher


@pytest.mark.parametrize(
    ("pattern", "fitting"),
    [
        ("", ["loss=1 step", "ERROR in step", "INFO a b"]),
        ("step", ["loss=1 step", "ERROR in step"]),
        ("step ERROR", ["ERROR in step"]),
        ("step -ERROR", ["loss=1 step"]),
        ("?ERROR ?INFO", ["ERROR in step", "INFO a b"]),
        ('"a b"', ["INFO a b"]),
        ("b a", ["INFO a b"]),
        ("error", []),
    ],
)
def test_patterns(pattern: str, fitting: list[str]) -> None:
    fits = matcher(pattern)
    assert [t for t in ("loss=1 step", "ERROR in step", "INFO a b") if fits(t)] == fitting


@pytest.mark.parametrize("pattern", ["{ $.x = 1 }", "[a, b]", "%x.*%", 'a "b', 'a"b'])
def test_patterns_that_are_refused(pattern: str) -> None:
    with pytest.raises(ServiceError) as caught:
        matcher(pattern)
    assert caught.value.code == "InvalidParameterException"


def logs(folder: Path, *streams: list[int]) -> dict[str, Path]:
    found = {}
    for number, stamps in enumerate(streams):
        path = folder / f"s{number}.log"
        path.write_text("".join(f"{stamp} line {at}\n" for at, stamp in enumerate(stamps)))
        found[f"s{number}"] = path
    return found


def test_times(tmp_path: Path) -> None:
    streams = logs(tmp_path, [1, 2, 3, 4])
    answer = filter_events(streams, {"startTime": 2, "endTime": 3})
    assert [event["timestamp"] for event in answer["events"]] == [2, 3]
    with pytest.raises(ServiceError, match="nextToken is invalid"):
        filter_events(streams, {"nextToken": "x"})


STAMPS = st.lists(st.integers(0, 5), max_size=12).map(sorted)


@given(first=STAMPS, second=STAMPS, limit=st.integers(1, 5))
def test_pages_are_complete_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, first: list[int], second: list[int], limit: int
) -> None:
    streams = logs(tmp_path_factory.mktemp("logs"), first, second)
    seen: list[dict[str, Any]] = []
    request: dict[str, Any] = {"limit": limit, "filterPattern": "line"}
    while True:
        answer = filter_events(streams, request)
        assert len(answer["events"]) <= limit
        seen += answer["events"]
        if answer["nextToken"] is None:
            break
        request["nextToken"] = answer["nextToken"]
    assert [event["timestamp"] for event in seen] == sorted(first + second)
    assert len({(event["logStreamName"], event["message"]) for event in seen}) == len(seen)
