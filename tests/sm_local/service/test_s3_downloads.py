"""S3's operations that read an object, as boto3 sees them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.integ

DATA = b"0123456789"


def refusal(call: Callable[[], object]) -> tuple[str, int]:
    """(code, status) of the error that `call` raises."""
    with pytest.raises(ClientError) as refused:
        call()
    response = refused.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def get(s3: Any, key: str, **options: Any) -> bytes:
    body: bytes = s3.get_object(Bucket="bucket", Key=key, **options)["Body"].read()
    return body


class TestRanges:
    @pytest.mark.parametrize(
        ("header", "expected"),
        [
            ("bytes=0-3", b"0123"),
            ("bytes=9-9", b"9"),
            ("bytes=5-", b"56789"),
            ("bytes=-2", b"89"),
            ("bytes=8-99", b"89"),
            ("bytes=0-9", DATA),
            ("bytes=-99", DATA),
        ],
    )
    def test_a_range(self, s3: Any, header: str, expected: bytes) -> None:
        s3.put_object(Bucket="bucket", Key="key", Body=DATA)
        found = s3.get_object(Bucket="bucket", Key="key", Range=header)
        assert found["Body"].read() == expected
        start = DATA.index(expected)
        assert found["ResponseMetadata"]["HTTPStatusCode"] == 206
        assert found["ContentRange"] == f"bytes {start}-{start + len(expected) - 1}/10"

    @pytest.mark.parametrize("header", ["bytes=3-1", "bytes=0-1,3-4", "bytes=-", "lines=0-1"])
    def test_what_is_not_one_range_is_ignored(self, s3: Any, header: str) -> None:
        s3.put_object(Bucket="bucket", Key="key", Body=DATA)
        found = s3.get_object(Bucket="bucket", Key="key", Range=header)
        assert found["Body"].read() == DATA
        assert found["ResponseMetadata"]["HTTPStatusCode"] == 200
        assert "ContentRange" not in found

    @pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-20", "bytes=-0"])
    def test_a_range_outside(self, s3: Any, header: str) -> None:
        s3.put_object(Bucket="bucket", Key="key", Body=DATA)
        assert refusal(lambda: get(s3, "key", Range=header)) == ("InvalidRange", 416)

    def test_a_range_means_nothing_without_bytes(self, s3: Any) -> None:
        s3.put_object(Bucket="bucket", Key="key", Body=DATA)
        assert s3.head_object(Bucket="bucket", Key="key", Range="bytes=0-3")["ContentLength"] == 10


class TestConditions:
    @pytest.fixture
    def etag(self, s3: Any) -> str:
        etag: str = s3.put_object(Bucket="bucket", Key="key", Body=DATA)["ETag"]
        return etag

    def test_that_hold(self, s3: Any, etag: str) -> None:
        hour = timedelta(hours=1)
        now = datetime.now(timezone.utc)
        for condition in (
            {"IfMatch": etag},
            {"IfMatch": f'"other", {etag}'},
            {"IfMatch": "*"},
            {"IfNoneMatch": '"other"'},
            {"IfModifiedSince": now - hour},
            {"IfUnmodifiedSince": now + hour},
            {"IfMatch": etag, "IfUnmodifiedSince": now - hour},
            {"IfNoneMatch": '"other"', "IfModifiedSince": now + hour},
        ):
            assert get(s3, "key", **condition) == DATA

    def test_that_do_not_hold(self, s3: Any, etag: str) -> None:
        hour = timedelta(hours=1)
        now = datetime.now(timezone.utc)
        for condition, status in (
            ({"IfMatch": '"other"'}, 412),
            ({"IfUnmodifiedSince": now - hour}, 412),
            ({"IfNoneMatch": etag}, 304),
            ({"IfNoneMatch": f"W/{etag}"}, 304),
            ({"IfModifiedSince": now + hour}, 304),
        ):
            code = {412: "PreconditionFailed", 304: "304"}[status]
            assert refusal(lambda: get(s3, "key", **condition)) == (code, status)  # noqa: B023 - called here
