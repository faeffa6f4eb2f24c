"""Content-Type and Accept."""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import pytest

from sm_core.container.negotiation import MediaType, accepted, choose, parse_media_type

JSON, CSV = "application/json", "text/csv"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("application/json", MediaType(JSON)),
        ("Application/JSON; charset=UTF-8", MediaType(JSON, "utf-8")),
        ('text/csv; header=present; charset="latin-1"', MediaType(CSV, "latin-1")),
        ("text/csv;charset=", MediaType(CSV)),
        ("", MediaType("")),
    ],
)
def test_media_types(header: str, expected: MediaType) -> None:
    assert parse_media_type(header) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", []),
        ("text/csv", [CSV]),
        ("text/csv;q=0.5, application/json", [JSON, CSV]),
        ("a/b, c/d;q=0, */*;q=0.1", ["a/b", "*/*"]),
        ("a/b;q=nonsense, c/d;q=nan", ["a/b", "c/d"]),
        (" , ,a/b", ["a/b"]),
    ],
)
def test_accepted_types_come_best_first(header: str, expected: list[str]) -> None:
    assert accepted(header) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("text/csv", CSV),
        ("text/*", CSV),
        ("image/png, text/csv;q=0.2", CSV),
        ("image/png, */*;q=0.1", JSON),
        ("image/png", None),
    ],
)
def test_the_best_supported_type_is_chosen(header: str, expected: str | None) -> None:
    assert choose(accepted(header), (CSV, JSON), default=JSON) == expected


def test_a_default_that_cannot_be_written_is_not_chosen() -> None:
    assert choose([], (CSV,), default=JSON) == CSV


def test_where_anything_can_be_written_the_client_chooses() -> None:
    assert choose(["*/*", "image/png"], (), default=JSON) == "image/png"
    assert choose(["*/*"], (), default=JSON) == JSON


@hypothesis.given(st.text())
def test_any_header_is_read(header: str) -> None:
    assert parse_media_type(header).name == parse_media_type(header).name.lower()
    assert choose(accepted(header), (CSV, JSON), default=JSON) in (CSV, JSON, None)
