"""Uploads in progress and their parts, listed; and conditions on what an upload replaces."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.integ

WHERE = {"Bucket": "bucket", "Key": "key"}


@pytest.fixture
def uploads(s3: Any) -> Any:
    """Begins uploads, which are gone afterwards."""
    begun: list[dict[str, str]] = []

    def begin(key: str, **options: Any) -> str:
        upload = s3.create_multipart_upload(Bucket="bucket", Key=key, **options)
        begun.append({"Bucket": "bucket", "Key": key, "UploadId": upload["UploadId"]})
        return begun[-1]["UploadId"]

    yield begin
    for upload in begun:
        s3.abort_multipart_upload(**upload)


def refusal(call: Callable[[], object]) -> tuple[str, int]:
    """(code, status) of the error that `call` raises."""
    with pytest.raises(ClientError) as refused:
        call()
    response = refused.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


class TestUploads:
    def test_page_by_page(self, s3: Any, uploads: Any) -> None:
        begun = [(key, uploads(key)) for key in ("a", "b", "b", "c/d", "\u00fc &")]
        pages = s3.get_paginator("list_multipart_uploads").paginate(
            Bucket="bucket", PaginationConfig={"PageSize": 2}
        )
        found = [(each["Key"], each["UploadId"]) for page in pages for each in page["Uploads"]]
        assert found == sorted(begun)

    def test_with_a_delimiter(self, s3: Any, uploads: Any) -> None:
        for key in ("x/a/1", "x/a/2", "x/b", "x/c/1", "y"):
            uploads(key)
        pages = s3.get_paginator("list_multipart_uploads").paginate(
            Bucket="bucket", Prefix="x/", Delimiter="/", PaginationConfig={"PageSize": 1}
        )
        keys: list[str] = []
        prefixes: list[str] = []
        for page in pages:
            keys += [each["Key"] for each in page.get("Uploads", [])]
            prefixes += [each["Prefix"] for each in page.get("CommonPrefixes", [])]
        assert (keys, prefixes) == (["x/b"], ["x/a/", "x/c/"])

    def test_none(self, s3: Any) -> None:
        assert "Uploads" not in s3.list_multipart_uploads(Bucket="bucket")
        call = partial(s3.list_multipart_uploads, Bucket="missing")
        assert refusal(call) == ("NoSuchBucket", 404)

    def test_their_checksums(self, s3: Any, uploads: Any) -> None:
        uploads("a", ChecksumAlgorithm="CRC64NVME")
        ((found),) = s3.list_multipart_uploads(Bucket="bucket")["Uploads"]
        assert (found["ChecksumAlgorithm"], found["ChecksumType"]) == ("CRC64NVME", "FULL_OBJECT")


class TestParts:
    def test_page_by_page(self, s3: Any, uploads: Any) -> None:
        which = {**WHERE, "UploadId": uploads("key")}
        numbers = [1, 3, 4, 10_000]
        for number in numbers:
            s3.upload_part(**which, PartNumber=number, Body=b"x" * number)
        pages = list(
            s3.get_paginator("list_parts").paginate(**which, PaginationConfig={"PageSize": 3})
        )
        assert [page["IsTruncated"] for page in pages] == [True, False]
        found = [part for page in pages for part in page["Parts"]]
        assert [part["PartNumber"] for part in found] == numbers
        assert [part["Size"] for part in found] == numbers
        assert found[0]["ETag"] == s3.upload_part(**which, PartNumber=2, Body=b"x")["ETag"]

    def test_of_no_upload(self, s3: Any) -> None:
        call = partial(s3.list_parts, **WHERE, UploadId="none")
        assert refusal(call) == ("NoSuchUpload", 404)


class TestConditions:
    def test_if_match(self, s3: Any) -> None:
        put = partial(s3.put_object, **WHERE)
        assert refusal(partial(put, Body=b"", IfMatch='"e"')) == ("NoSuchKey", 404)
        first = put(Body=b"first")["ETag"]
        put(Body=b"second", IfMatch=first)
        stale = partial(put, Body=b"third", IfMatch=first)
        assert refusal(stale) == ("PreconditionFailed", 412)
        assert s3.get_object(**WHERE)["Body"].read() == b"second"

    def test_when_an_upload_is_completed(self, s3: Any) -> None:
        first = s3.put_object(**WHERE, Body=b"first")["ETag"]
        which = {**WHERE, "UploadId": s3.create_multipart_upload(**WHERE)["UploadId"]}
        part = {"PartNumber": 1, "ETag": s3.upload_part(**which, PartNumber=1, Body=b"")["ETag"]}
        complete = partial(s3.complete_multipart_upload, **which, MultipartUpload={"Parts": [part]})
        failed = ("PreconditionFailed", 412)
        assert refusal(partial(complete, IfMatch='"other"')) == failed
        assert refusal(partial(complete, IfNoneMatch="*")) == failed
        complete(IfMatch=first)
        assert s3.get_object(**WHERE)["Body"].read() == b""

    def test_when_one_is_deleted(self, s3: Any) -> None:
        etag = s3.put_object(**WHERE, Body=b"first")["ETag"]
        wrong = partial(s3.delete_object, **WHERE, IfMatch='"other"')
        assert refusal(wrong) == ("PreconditionFailed", 412)
        wanted = {"Objects": [{"Key": "key", "ETag": '"other"'}]}
        ((error),) = s3.delete_objects(Bucket="bucket", Delete=wanted)["Errors"]
        assert error["Code"] == "PreconditionFailed"
        s3.delete_object(**WHERE, IfMatch=etag)
        s3.delete_object(**WHERE, IfMatch=etag)
        assert refusal(partial(s3.head_object, **WHERE)) == ("404", 404)
