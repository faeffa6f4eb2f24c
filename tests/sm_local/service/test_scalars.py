"""Scalars as text."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sm_local.service.scalars import from_text, http_date, to_text

moments = st.integers(-(2**31), 2**32).flatmap(
    lambda second: st.integers(0, 999_999).map(
        lambda micro: datetime.fromtimestamp(second, timezone.utc).replace(microsecond=micro)
    )
)


@given(st.integers() | st.booleans() | st.text())
def test_there_and_back(value: object) -> None:
    kind = {int: "long", bool: "boolean", str: "string"}[type(value)]
    assert from_text(kind, to_text(value)) == value


@given(moments)
def test_times_in_xml_are_milliseconds(moment: datetime) -> None:
    found = from_text("timestamp", to_text(moment))
    assert timedelta(0) <= moment - found < timedelta(milliseconds=1)


@given(moments)
def test_times_in_headers_are_seconds(moment: datetime) -> None:
    assert from_text("timestamp", http_date(moment)) == moment.replace(microsecond=0)


def test_a_time_in_another_zone() -> None:
    zone = timezone(timedelta(hours=2))
    assert to_text(datetime(2026, 1, 2, 3, 4, 5, tzinfo=zone)) == "2026-01-02T01:04:05.000Z"
    assert http_date(datetime(2026, 1, 2, 3, 4, 5, tzinfo=zone)) == "Fri, 02 Jan 2026 01:04:05 GMT"


@pytest.mark.parametrize(
    ("kind", "text"),
    [("integer", "1.5"), ("integer", ""), ("double", "x"), ("boolean", "True"), ("timestamp", "x")],
)
def test_what_is_none(kind: str, text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the message is the parser's
        from_text(kind, text)
