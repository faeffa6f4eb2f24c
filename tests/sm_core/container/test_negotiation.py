"""Content-Type and Accept."""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import pytest

from sm_core.container.negotiation import (
    MediaRange,
    MediaType,
    accepted,
    choose,
    parse_media_type,
)

JSON, CSV = "application/json", "text/csv"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("application/json", MediaType(JSON)),
        ("Application/JSON; charset=UTF-8", MediaType(JSON, "utf-8")),
        ('text/csv; header=present; charset="latin-1"', MediaType(CSV, "latin-1")),
        ('text/csv; note="a; charset=b"; Charset = "x\\"y"', MediaType(CSV, 'x"y')),
        ("text/csv;charset=a;charset=b", MediaType(CSV, "a")),
        ("text/csv;charset=", MediaType(CSV)),
        (";charset=utf-8", MediaType("", "utf-8")),
        ("", MediaType("")),
    ],
)
def test_media_types(header: str, expected: MediaType) -> None:
    assert parse_media_type(header) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", []),
        ("text/csv", [MediaRange(CSV)]),
        ("text/csv; Q=0.5 , application/json", [MediaRange(CSV, 0.5), MediaRange(JSON)]),
        ("a/b;q=0, *;q=0.1", [MediaRange("a/b", 0), MediaRange("*/*", 0.1)]),
        ('a/b;x="1,2;q=0";q=0.3', [MediaRange("a/b", 0.3)]),
        (
            "a/b;q=nonsense, c/d;q=nan, e/f;q=7",
            [MediaRange(name) for name in ("a/b", "c/d", "e/f")],
        ),
        (" , ,a/b", [MediaRange("a/b")]),
    ],
)
def test_ranges_with_their_qualities(header: str, expected: list[MediaRange]) -> None:
    assert list(accepted(header)) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("text/csv", CSV),
        ("text/*", CSV),
        ("image/png, text/csv;q=0.2", CSV),
        ("image/png, */*;q=0.1", JSON),
        ("text/csv, application/json", CSV),
        ("application/json;q=0.9, text/csv", CSV),
        ("*/*, application/json;q=0", CSV),
        ("*/*;q=0.9, application/json;q=0.2, text/*;q=0.1", JSON),
        ("text/csv;q=0", None),
        ("*/*;q=0", None),
        ("image/png", None),
    ],
)
def test_the_type_that_the_client_likes_best_is_chosen(header: str, expected: str | None) -> None:
    assert choose(accepted(header), (CSV, JSON), default=JSON) == expected


def test_a_default_that_cannot_be_written_is_not_chosen() -> None:
    assert choose((), (CSV,), default=JSON) == CSV


def test_where_anything_can_be_written_the_client_chooses() -> None:
    assert choose(accepted("*/*, image/png;q=0.1"), (), default=JSON) == "image/png"
    assert choose(accepted("a/b;q=0.1, c/d;q=0.2"), (), default=JSON) == "c/d"
    assert choose(accepted("*/*"), (), default=JSON) == JSON


TOKENS = st.text("abcxyz-+.", min_size=1)
TYPES = st.builds("{}/{}".format, TOKENS, TOKENS)


@hypothesis.given(st.lists(st.tuples(TYPES, st.integers(0, 1000)), min_size=1))
def test_what_is_written_by_the_rules_is_read(ranges: list[tuple[str, int]]) -> None:
    header = ", ".join(f"{name};q={quality / 1000}" for name, quality in ranges)
    assert accepted(header) == tuple(MediaRange(name, q / 1000) for name, q in ranges)
    chosen = choose(accepted(header), tuple(name for name, _ in ranges), default="*")
    liked: dict[str, int] = {}
    for name, quality in ranges:
        liked.setdefault(name, quality)
    best = max(liked.values())
    assert (chosen is None) == (best == 0)
    assert chosen is None or liked[chosen] == best


@hypothesis.given(
    TYPES, st.text(st.characters(exclude_characters='"\\', exclude_categories=["Cs"]))
)
def test_a_quoted_charset_is_read_whatever_it_holds(name: str, charset: str) -> None:
    found = parse_media_type(f'{name}; a="x;y,z"; charset="{charset}"')
    assert found == (name, charset.lower() or None)


@hypothesis.given(st.text())
def test_any_header_is_read(header: str) -> None:
    assert parse_media_type(header).name == parse_media_type(header).name.lower()
    assert choose(accepted(header), (CSV, JSON), default=JSON) in (CSV, JSON, None)
