"""S3's operations on buckets, as boto3 sees them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from tests.sm_local.service.conftest import Served

pytestmark = pytest.mark.integ


@pytest.fixture
def s3(served: Served) -> Any:
    return served.client("s3")


def test_a_bucket_is_made_and_found(s3: Any) -> None:
    assert s3.create_bucket(Bucket="bucket")["Location"] == "/bucket"
    s3.head_bucket(Bucket="bucket")
    s3.get_waiter("bucket_exists").wait(Bucket="bucket")
    assert s3.get_bucket_location(Bucket="bucket")["LocationConstraint"] is None
    (found,) = s3.list_buckets()["Buckets"]
    assert found["Name"] == "bucket"
    assert abs(datetime.now(timezone.utc) - found["CreationDate"]) < timedelta(minutes=1)


def test_making_it_again_is_no_error_in_us_east_1(s3: Any) -> None:
    s3.create_bucket(Bucket="bucket")
    s3.create_bucket(Bucket="bucket")


def test_making_it_again_elsewhere(s3: Any) -> None:
    configuration = {"LocationConstraint": "eu-west-1"}
    s3.create_bucket(Bucket="bucket", CreateBucketConfiguration=configuration)
    with pytest.raises(s3.exceptions.BucketAlreadyOwnedByYou) as refused:
        s3.create_bucket(Bucket="bucket", CreateBucketConfiguration=configuration)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409


def test_a_bad_name(s3: Any) -> None:
    with pytest.raises(ClientError, match="InvalidBucketName"):
        s3.create_bucket(Bucket="Bucket_1")


def test_a_bucket_that_is_not_there(s3: Any) -> None:
    with pytest.raises(ClientError) as refused:
        s3.head_bucket(Bucket="missing")
    assert refused.value.response["Error"]["Code"] == "404"
    for call in (s3.get_bucket_location, s3.list_objects_v2):
        with pytest.raises(ClientError) as refused:
            call(Bucket="missing")
        error: Any = refused.value.response["Error"]
        assert (error["Code"], error["BucketName"]) == ("NoSuchBucket", "missing")


def test_buckets_with_a_prefix(s3: Any) -> None:
    for name in ("abc", "abd", "xyz"):
        s3.create_bucket(Bucket=name)
    found = s3.list_buckets(Prefix="ab")["Buckets"]
    assert [bucket["Name"] for bucket in found] == ["abc", "abd"]


def test_only_an_empty_bucket_is_deleted(s3: Any) -> None:
    s3.create_bucket(Bucket="short-lived")
    where = {"Bucket": "short-lived", "Key": "a"}
    s3.put_object(**where, Body=b"data")
    with pytest.raises(ClientError, match="BucketNotEmpty"):
        s3.delete_bucket(Bucket="short-lived")
    s3.delete_object(**where)
    upload = s3.create_multipart_upload(**where)["UploadId"]
    s3.upload_part(**where, UploadId=upload, PartNumber=1, Body=b"data")
    s3.delete_bucket(Bucket="short-lived")
    for call in (s3.delete_bucket, s3.list_objects_v2):
        with pytest.raises(ClientError, match="NoSuchBucket"):
            call(Bucket="short-lived")
