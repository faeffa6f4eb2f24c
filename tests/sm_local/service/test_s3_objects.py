"""S3's operations on objects, as boto3 sees them."""

from __future__ import annotations

import hashlib
import io
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.sm_local.service.conftest import Served

pytestmark = pytest.mark.integ

KEYS = [
    "a/../b",
    "a b+c%20d",
    "ä/中\U0001f600",
    "/",
    "//x//",
    ".",
    "..",
    "~!'()*;:@&=$,?#[]",
    "a\nb",
]
DATA = b"0123456789"


@pytest.fixture(scope="module")
def client(shared: Served) -> Any:
    client = shared.client("s3")
    client.create_bucket(Bucket="bucket")
    return client


@pytest.fixture
def s3(client: Any, shared: Served) -> Iterator[Any]:
    """A client, and a bucket that is empty again afterwards."""
    yield client
    for info in shared.context.objects.list("bucket"):
        shared.context.objects.delete("bucket", info.key)


def refusal(call: Callable[[], object]) -> tuple[str, int]:
    """(code, status) of the error that `call` raises."""
    with pytest.raises(ClientError) as refused:
        call()
    response = refused.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def get(s3: Any, key: str, **options: Any) -> bytes:
    body: bytes = s3.get_object(Bucket="bucket", Key=key, **options)["Body"].read()
    return body


class TestPutAndGet:
    @pytest.mark.parametrize("key", KEYS)
    def test_any_key(self, s3: Any, key: str) -> None:
        s3.put_object(Bucket="bucket", Key=key, Body=key.encode())
        assert get(s3, key) == key.encode()
        (found,) = s3.list_objects_v2(Bucket="bucket")["Contents"]
        assert found["Key"] == key
        s3.delete_object(Bucket="bucket", Key=key)
        assert s3.list_objects_v2(Bucket="bucket")["KeyCount"] == 0

    @pytest.mark.parametrize("size", [0, 1, 70_000, 3 << 20])
    @pytest.mark.parametrize("checksums", ["when_supported", "when_required"])
    def test_any_size(self, shared: Served, s3: Any, size: int, checksums: str) -> None:
        client = shared.client("s3", request_checksum_calculation=checksums)
        data = bytes(range(256)) * (size // 256 + 1)
        put = client.put_object(Bucket="bucket", Key="key", Body=io.BytesIO(data[:size]))
        assert put["ETag"] == f'"{hashlib.md5(data[:size]).hexdigest()}"'
        found = client.get_object(Bucket="bucket", Key="key")
        assert found["Body"].read() == data[:size]
        assert (found["ContentLength"], found["ETag"]) == (size, put["ETag"])

    def test_what_comes_with_it_comes_back(self, s3: Any) -> None:
        given = {
            "CacheControl": "no-cache",
            "ContentDisposition": 'attachment; filename="a"',
            "ContentEncoding": "gzip",
            "ContentLanguage": "en",
            "ContentType": "text/x-python",
            "Metadata": {"made-by": "me", "empty": ""},
        }
        expires = datetime(2030, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
        s3.put_object(Bucket="bucket", Key="key", Body=b"", Expires=expires, **given)
        for call in (s3.get_object, s3.head_object):
            found = call(Bucket="bucket", Key="key")
            assert {name: found[name] for name in given} == given
            assert found["ExpiresString"] == "Wed, 02 Jan 2030 03:04:05 GMT"
            assert abs(datetime.now(timezone.utc) - found["LastModified"]) < timedelta(minutes=1)

    def test_its_type_is_unknown_unless_given(self, s3: Any) -> None:
        s3.put_object(Bucket="bucket", Key="key", Body=b"")
        found = s3.head_object(Bucket="bucket", Key="key")
        assert found["ContentType"] == "binary/octet-stream"
        assert found["Metadata"] == {}

    def test_an_answer_with_other_headers(self, s3: Any) -> None:
        s3.put_object(Bucket="bucket", Key="key", Body=b"")
        found = s3.get_object(Bucket="bucket", Key="key", ResponseContentType="text/html")
        assert found["ContentType"] == "text/html"

    def test_a_digest_is_checked(self, s3: Any) -> None:
        def put(digest: str) -> object:
            return s3.put_object(Bucket="bucket", Key="key", Body=b"data", ContentMD5=digest)

        put("jXd/OF09/siBXSD3SWAm3A==")
        assert refusal(lambda: put("AAAAAAAAAAAAAAAAAAAAAA==")) == ("BadDigest", 400)
        assert refusal(lambda: put("nonsense")) == ("InvalidDigest", 400)
        assert get(s3, "key") == b"data"

    def test_an_upload_that_must_not_replace(self, s3: Any) -> None:
        s3.put_object(Bucket="bucket", Key="key", Body=b"first", IfNoneMatch="*")
        assert refusal(
            lambda: s3.put_object(Bucket="bucket", Key="key", Body=b"second", IfNoneMatch="*")
        ) == ("PreconditionFailed", 412)
        assert get(s3, "key") == b"first"

    def test_what_is_not_there(self, s3: Any) -> None:
        assert refusal(lambda: get(s3, "missing")) == ("NoSuchKey", 404)
        assert refusal(lambda: s3.head_object(Bucket="bucket", Key="missing")) == ("404", 404)
        assert refusal(lambda: s3.get_object(Bucket="missing", Key="key")) == ("NoSuchBucket", 404)
        assert refusal(
            lambda: s3.put_object(Bucket="missing", Key="key", Body=b"x" * 3_000_000)
        ) == (
            "NoSuchBucket",
            404,
        )
        s3.delete_object(Bucket="bucket", Key="missing")


class TestRanges:
    @pytest.mark.parametrize(
        ("header", "expected"),
        [
            ("bytes=0-3", b"0123"),
            ("bytes=9-9", b"9"),
            ("bytes=5-", b"56789"),
            ("bytes=-2", b"89"),
            ("bytes=-99", DATA),
            ("bytes=8-99", b"89"),
            # Not a range, or not one: as if it were not there.
            ("bytes=3-1", DATA),
            ("bytes=0-1,3-4", DATA),
            ("bytes=-", DATA),
            ("lines=0-1", DATA),
        ],
    )
    def test_a_range(self, s3: Any, header: str, expected: bytes) -> None:
        s3.put_object(Bucket="bucket", Key="key", Body=DATA)
        found = s3.get_object(Bucket="bucket", Key="key", Range=header)
        assert found["Body"].read() == expected
        start = DATA.index(expected)
        whole = expected == DATA
        assert found["ResponseMetadata"]["HTTPStatusCode"] == (200 if whole else 206)
        assert found.get("ContentRange") == (
            None if whole else f"bytes {start}-{start + len(expected) - 1}/10"
        )

    @pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-20", "bytes=-0"])
    def test_a_range_outside(self, s3: Any, header: str) -> None:
        s3.put_object(Bucket="bucket", Key="key", Body=DATA)
        assert refusal(lambda: get(s3, "key", Range=header)) == ("InvalidRange", 416)

    def test_a_whole_object_by_a_range_is_no_part(self, s3: Any) -> None:
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
