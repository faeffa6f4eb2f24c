"""Pages of a listing, against the plain meaning of S3's rules."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sm_local.service.listing import ObjectInfo, Page, Span, page_of, span

#: Few characters, so that prefixes coincide; the last two are where UTF-8 and UTF-16 disagree.
characters = st.sampled_from("ab/-\x00\ud7ff\ue000\uffff\U00010000\U0010ffff")
keys = st.text(characters, min_size=1, max_size=6)
parts = st.text(characters, max_size=2)


def info(key: str) -> ObjectInfo:
    return ObjectInfo(key=key, size=0, etag="", modified=0.0, attributes={}, blob="")


class Bucket:
    """Some keys, and how often they were asked for."""

    def __init__(self, keys: set[str]) -> None:
        self.keys = sorted(keys, key=str.encode)
        self.fetched = 0

    def fetch(self, wanted: Span, count: int) -> list[ObjectInfo]:
        found = [
            info(key)
            for key in self.keys
            if (key > wanted.lower or (wanted.inclusive and key == wanted.lower))
            and (wanted.upper is None or key < wanted.upper)
        ]
        self.fetched += len(found[:count])
        return found[:count]

    def page(self, prefix: str, delimiter: str, after: str | None, limit: int) -> Page:
        return page_of(self.fetch, prefix=prefix, delimiter=delimiter, after=after, limit=limit)

    def pages(self, prefix: str, delimiter: str, limit: int) -> list[Page]:
        pages = [self.page(prefix, delimiter, None, limit)]
        while pages[-1].last is not None:
            pages.append(self.page(prefix, delimiter, pages[-1].last, limit))
        return pages


def expected(keys: set[str], prefix: str, delimiter: str) -> list[str]:
    """Keys and common prefixes, in order."""
    found = set()
    for key in keys:
        if key.startswith(prefix):
            rest = key[len(prefix) :]
            rolled = delimiter and delimiter in rest
            found.add(prefix + rest.partition(delimiter)[0] + delimiter if rolled else key)
    return sorted(found, key=str.encode)


def shown(page: Page) -> list[str]:
    return sorted([*(info.key for info in page.objects), *page.prefixes], key=str.encode)


@given(st.sets(keys, max_size=20), parts, parts, st.integers(1, 4))
def test_all_pages_together_are_the_listing(
    keys: set[str], prefix: str, delimiter: str, limit: int
) -> None:
    pages = Bucket(keys).pages(prefix, delimiter, limit)
    assert [name for page in pages for name in shown(page)] == expected(keys, prefix, delimiter)
    assert all(len(shown(page)) == limit for page in pages[:-1])


@given(st.sets(keys, max_size=20), parts, keys)
def test_a_listing_begins_after_a_key(keys: set[str], prefix: str, after: str) -> None:
    page = Bucket(keys).page(prefix, "", after, 100)
    assert [info.key for info in page.objects] == [
        key for key in expected(keys, prefix, "") if key > after
    ]


def test_what_is_rolled_up_is_not_read() -> None:
    bucket = Bucket({f"{folder}/{number:03}" for folder in "abc" for number in range(500)})
    page = bucket.page("", "/", None, 3)
    assert page.prefixes == ["a/", "b/", "c/"]
    assert bucket.fetched < 30


def test_no_page_is_announced_that_would_be_empty() -> None:
    assert Bucket({"a", "b"}).page("", "", None, 2).last is None
    assert Bucket({"a", "b"}).page("", "", None, 1).last == "a"


@given(keys, parts)
def test_a_span_holds_what_begins_with_its_prefix(key: str, prefix: str) -> None:
    wanted = span(prefix)
    inside = wanted.lower <= key and (wanted.upper is None or key < wanted.upper)
    assert inside == key.startswith(prefix)
