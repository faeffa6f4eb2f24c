"""S3's operations that list a bucket, as boto3 sees them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.integ


def refusal(call: Callable[[], object]) -> tuple[str, int]:
    """(code, status) of the error that `call` raises."""
    with pytest.raises(ClientError) as refused:
        call()
    response = refused.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


class TestListing:
    @pytest.fixture
    def filled(self, s3: Any) -> Any:
        for key in ("a", "a/1", "a/2", "b/1", "c d", "ä"):
            s3.put_object(Bucket="bucket", Key=key, Body=b"data")
        return s3

    def test_all(self, filled: Any) -> None:
        found = filled.list_objects_v2(Bucket="bucket")
        assert [info["Key"] for info in found["Contents"]] == ["a", "a/1", "a/2", "b/1", "c d", "ä"]
        assert (found["KeyCount"], found["IsTruncated"], found["Name"]) == (6, False, "bucket")
        first = found["Contents"][0]
        assert (first["Size"], first["ETag"]) == (4, f'"{hashlib.md5(b"data").hexdigest()}"')
        assert first["StorageClass"] == "STANDARD"
        assert "Owner" not in first

    def test_with_owners(self, filled: Any) -> None:
        found = filled.list_objects_v2(Bucket="bucket", FetchOwner=True)
        assert found["Contents"][0]["Owner"]["ID"]

    def test_a_folder(self, filled: Any) -> None:
        found = filled.list_objects_v2(Bucket="bucket", Prefix="a/", Delimiter="/")
        assert [info["Key"] for info in found["Contents"]] == ["a/1", "a/2"]
        found = filled.list_objects_v2(Bucket="bucket", Delimiter="/")
        assert [info["Key"] for info in found["Contents"]] == ["a", "c d", "ä"]
        assert [info["Prefix"] for info in found["CommonPrefixes"]] == ["a/", "b/"]
        assert found["KeyCount"] == 5

    @pytest.mark.parametrize("size", [1, 2, 3, 6, 1000])
    @pytest.mark.parametrize("delimiter", ["", "/"])
    def test_page_by_page(self, filled: Any, size: int, delimiter: str) -> None:
        pages = list(
            filled.get_paginator("list_objects_v2").paginate(
                Bucket="bucket", Delimiter=delimiter, PaginationConfig={"PageSize": size}
            )
        )
        names = [info["Key"] for page in pages for info in page.get("Contents", ())]
        names += [info["Prefix"] for page in pages for info in page.get("CommonPrefixes", ())]
        rolled = ["a", "c d", "ä", "a/", "b/"]
        assert names == (rolled if delimiter else ["a", "a/1", "a/2", "b/1", "c d", "ä"])
        assert all(page["KeyCount"] == size for page in pages[:-1])

    def test_after_a_key(self, filled: Any) -> None:
        found = filled.list_objects_v2(Bucket="bucket", StartAfter="b/1")
        assert [info["Key"] for info in found["Contents"]] == ["c d", "ä"]

    def test_no_keys_at_all(self, filled: Any) -> None:
        found = filled.list_objects_v2(Bucket="bucket", MaxKeys=0)
        assert (found["KeyCount"], found["IsTruncated"]) == (0, False)

    def test_bad_arguments(self, filled: Any) -> None:
        assert refusal(lambda: filled.list_objects_v2(Bucket="bucket", MaxKeys=-1)) == (
            "InvalidArgument",
            400,
        )
        assert refusal(
            lambda: filled.list_objects_v2(Bucket="bucket", ContinuationToken="no token!")
        ) == ("InvalidArgument", 400)


class TestTheFirstVersion:
    def test_pages_with_a_marker(self, s3: Any) -> None:
        keys = ["a", "a/b", "a/c", "b/../c", "ü", "z"]
        for key in keys:
            s3.put_object(Bucket="bucket", Key=key, Body=b"")
        pages = s3.get_paginator("list_objects").paginate(
            Bucket="bucket", PaginationConfig={"PageSize": 2}
        )
        found = [each["Key"] for page in pages for each in page.get("Contents", ())]
        assert found == sorted(keys, key=str.encode)

    def test_prefixes_count_as_one(self, s3: Any) -> None:
        for key in ("p/a", "p/b/1", "p/b/2", "p/c", "q"):
            s3.put_object(Bucket="bucket", Key=key, Body=b"")
        where = {"Bucket": "bucket", "Prefix": "p/", "Delimiter": "/"}
        first = s3.list_objects(**where, MaxKeys=2)
        assert [each["Key"] for each in first["Contents"]] == ["p/a"]
        assert [each["Prefix"] for each in first["CommonPrefixes"]] == ["p/b/"]
        assert (first["IsTruncated"], first["NextMarker"]) == (True, "p/b/")
        rest = s3.list_objects(**where, Marker=first["NextMarker"])
        assert [each["Key"] for each in rest["Contents"]] == ["p/c"]
        assert "CommonPrefixes" not in rest
        assert not rest["IsTruncated"]
