"""Filters, order and pages of lists."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sm_local.service.errors import ServiceError
from sm_local.service.paging import Listed, list_page


def listed(name: str, created: float, status: str = "InService") -> Listed:
    return Listed(
        name=name, status=status, created=created, modified=created, summary={"Name": name}
    )


THREE = [listed("b-one", 1.0), listed("a-two", 2.0, "Failed"), listed("c-one", 3.0)]


def names(request: dict[str, Any], *, descending: bool = False) -> list[str]:
    page, _ = list_page(THREE, request, descending=descending)
    return [item["Name"] for item in page]


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({}, ["b-one", "a-two", "c-one"]),
        ({"SortOrder": "Descending"}, ["c-one", "a-two", "b-one"]),
        ({"SortBy": "Name"}, ["a-two", "b-one", "c-one"]),
        ({"SortBy": "Status"}, ["a-two", "b-one", "c-one"]),
        ({"NameContains": "one"}, ["b-one", "c-one"]),
        ({"StatusEquals": "Failed"}, ["a-two"]),
        ({"CreationTimeAfter": datetime.fromtimestamp(2, timezone.utc)}, ["a-two", "c-one"]),
        ({"LastModifiedTimeBefore": datetime.fromtimestamp(2, timezone.utc)}, ["b-one", "a-two"]),
    ],
)
def test_filters_and_order(request_: dict[str, Any], expected: list[str]) -> None:
    assert names(request_) == expected


def test_the_default_order_is_the_operations() -> None:
    assert names({}, descending=True) == ["c-one", "a-two", "b-one"]


@given(
    created=st.lists(st.integers(0, 5), max_size=30),
    size=st.integers(1, 7),
    order=st.sampled_from(["Ascending", "Descending"]),
    by=st.sampled_from(["Name", "CreationTime", "Status"]),
)
def test_pages_together_are_the_list(created: list[int], size: int, order: str, by: str) -> None:
    items = [listed(f"n{number}", float(time)) for number, time in enumerate(created)]
    request: dict[str, Any] = {"MaxResults": size, "SortOrder": order, "SortBy": by}
    found = []
    token: str | None = ""
    while token is not None:
        page, token = list_page(items, {**request, "NextToken": token}, descending=False)
        found += [item["Name"] for item in page]
    whole, _ = list_page(items, {**request, "MaxResults": 100}, descending=False)
    assert found == [item["Name"] for item in whole]
    assert sorted(found) == sorted(item.name for item in items)


@pytest.mark.parametrize(
    "token", ["x", "!!!", "WzFd", "WyJ4IiwgImEiXQ==", "WzEsMl0=", "W3RydWUsImEiXQ=="]
)
def test_a_token_of_somebody_else(token: str) -> None:
    with pytest.raises(ServiceError, match="NextToken"):
        names({"NextToken": token})
