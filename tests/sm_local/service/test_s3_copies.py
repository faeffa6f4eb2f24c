"""CopyObject and UploadPartCopy, over HTTP."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from sm_local.home import RESERVED_BUCKET

if TYPE_CHECKING:
    from tests.sm_local.service.conftest import Served

pytestmark = pytest.mark.integ


def refusal(s3: Any, **members: Any) -> str:
    with pytest.raises(ClientError) as refused:
        s3.copy_object(**{"Bucket": "bucket", "Key": "copy"} | members)
    code: str = refused.value.response["Error"]["Code"]
    return code


@pytest.mark.parametrize("key", ["a", "a/b", "../a", "ü ?#%+&=", "a//b/./.."])
def test_a_copy_has_bytes_and_attributes_of_its_source(s3: Any, key: str) -> None:
    s3.put_object(
        Bucket="bucket", Key=key, Body=b"data", ContentType="text/x", Metadata={"mine": "1"}
    )
    source = {"Bucket": "bucket", "Key": key}
    copied = s3.copy_object(Bucket="bucket", Key="copy", CopySource=source)["CopyObjectResult"]
    found = s3.get_object(Bucket="bucket", Key="copy")
    assert found["Body"].read() == b"data"
    assert (found["ContentType"], found["Metadata"]) == ("text/x", {"mine": "1"})
    assert copied["ETag"] == found["ETag"]
    assert copied["LastModified"].tzinfo is not None
    s3.delete_object(**source)
    assert s3.get_object(Bucket="bucket", Key="copy")["Body"].read() == b"data"


def test_new_attributes_for_the_object_itself(s3: Any) -> None:
    s3.put_object(Bucket="bucket", Key="a", Body=b"data", Metadata={"mine": "1"})
    members = {"Key": "a", "CopySource": "bucket/a"}
    assert refusal(s3, **members) == "InvalidRequest"
    s3.copy_object(Bucket="bucket", **members, MetadataDirective="REPLACE", Metadata={"mine": "2"})
    found = s3.get_object(Bucket="bucket", Key="a")
    assert (found["Body"].read(), found["Metadata"]) == (b"data", {"mine": "2"})


def test_conditions_on_the_source(s3: Any) -> None:
    etag = s3.put_object(Bucket="bucket", Key="a", Body=b"data")["ETag"]
    past = dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc)
    for condition in (
        {"CopySourceIfMatch": '"other"'},
        {"CopySourceIfNoneMatch": etag},
        {"CopySourceIfUnmodifiedSince": past},
        {"CopySourceIfModifiedSince": past + dt.timedelta(days=36500)},
    ):
        assert refusal(s3, CopySource="bucket/a", **condition) == "PreconditionFailed"
    s3.copy_object(
        Bucket="bucket",
        Key="copy",
        CopySource="bucket/a",
        CopySourceIfMatch=etag,
        CopySourceIfModifiedSince=past,
    )
    assert s3.head_object(Bucket="bucket", Key="copy")["ETag"] == etag


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("bucket/nothing", "NoSuchKey"),
        ("nowhere-at-all/a", "NoSuchBucket"),
        ("bucket", "InvalidArgument"),
        ("bucket/a?versionId=v", "NotImplemented"),
    ],
)
def test_sources_that_are_not_there(s3: Any, source: str, code: str) -> None:
    s3.put_object(Bucket="bucket", Key="a", Body=b"data")
    assert refusal(s3, CopySource=source) == code


def test_a_job_may_not_copy_what_clients_handed_over(s3: Any, shared: Served) -> None:
    s3.put_object(Bucket=RESERVED_BUCKET, Key="secret", Body=b"data")
    job = shared.client("s3", shared.context.keys.issue("training-job a"))
    for source in (f"{RESERVED_BUCKET}/secret", f"/{RESERVED_BUCKET}/secret", "%73m-local/secret"):
        with pytest.raises(ClientError) as refused:
            job.copy_object(Bucket="bucket", Key="copy", CopySource=source)
        assert refused.value.response["Error"]["Code"] in ("AccessDenied", "NoSuchBucket")
    s3.delete_object(Bucket=RESERVED_BUCKET, Key="secret")


def test_parts_that_are_copied(s3: Any) -> None:
    data = bytes(range(256)) * (6 << 12)
    s3.put_object(Bucket="bucket", Key="a", Body=data)
    where = {"Bucket": "bucket", "Key": "joined"}
    upload = s3.create_multipart_upload(**where)["UploadId"]
    ranges = [f"bytes=0-{(5 << 20) - 1}", f"bytes={5 << 20}-{len(data) - 1}"]
    parts = [
        {
            "PartNumber": number,
            "ETag": s3.upload_part_copy(
                **where,
                UploadId=upload,
                PartNumber=number,
                CopySource="bucket/a",
                CopySourceRange=wanted,
            )["CopyPartResult"]["ETag"],
        }
        for number, wanted in enumerate(ranges, start=1)
    ]
    with pytest.raises(ClientError, match="source has"):
        s3.upload_part_copy(
            **where,
            UploadId=upload,
            PartNumber=3,
            CopySource="bucket/a",
            CopySourceRange=f"bytes=0-{len(data)}",
        )
    s3.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": parts})
    assert s3.get_object(**where)["Body"].read() == data
