"""Tags of S3's objects, as boto3 sees them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.integ

WHERE = {"Bucket": "bucket", "Key": "key"}
TAGS = [{"Key": "a", "Value": "1"}, {"Key": "\u00fc &=", "Value": ""}]


def refusal(call: Callable[[], object]) -> str:
    """The code of the error that `call` raises."""
    with pytest.raises(ClientError) as refused:
        call()
    code: str = refused.value.response["Error"]["Code"]
    return code


def tags(s3: Any, key: str = "key") -> list[dict[str, str]]:
    found: list[dict[str, str]] = s3.get_object_tagging(Bucket="bucket", Key=key)["TagSet"]
    return found


def test_they_are_put_counted_replaced_and_deleted(s3: Any) -> None:
    before = s3.put_object(**WHERE, Body=b"data", Metadata={"m": "n"})
    assert tags(s3) == []
    assert "TagCount" not in s3.head_object(**WHERE)
    s3.put_object_tagging(**WHERE, Tagging={"TagSet": TAGS})
    assert tags(s3) == TAGS
    found = s3.head_object(**WHERE)
    assert (found["TagCount"], found["ETag"], found["Metadata"]) == (2, before["ETag"], {"m": "n"})
    s3.put_object_tagging(**WHERE, Tagging={"TagSet": TAGS[:1]})
    assert tags(s3) == TAGS[:1]
    s3.delete_object_tagging(**WHERE)
    assert tags(s3) == []


def test_they_come_with_the_object(s3: Any) -> None:
    s3.put_object(**WHERE, Body=b"data", Tagging="a=1&%C3%BC+%26%3D=")
    assert tags(s3) == TAGS
    upload = s3.create_multipart_upload(Bucket="bucket", Key="parts", Tagging="b=2")
    which = {"Bucket": "bucket", "Key": "parts", "UploadId": upload["UploadId"]}
    part = {"PartNumber": 1, "ETag": s3.upload_part(**which, PartNumber=1, Body=b"")["ETag"]}
    s3.complete_multipart_upload(**which, MultipartUpload={"Parts": [part]})
    assert tags(s3, "parts") == [{"Key": "b", "Value": "2"}]


def test_a_copy_has_them_or_others(s3: Any) -> None:
    s3.put_object(**WHERE, Body=b"data", Tagging="a=1")
    copy = partial(s3.copy_object, Bucket="bucket", CopySource="bucket/key")
    copy(Key="same")
    copy(Key="replaced", TaggingDirective="REPLACE", Tagging="b=2")
    copy(Key="none", TaggingDirective="REPLACE")
    copy(Key="renamed", MetadataDirective="REPLACE", Metadata={"m": "n"})
    assert tags(s3, "same") == tags(s3, "renamed") == [{"Key": "a", "Value": "1"}]
    assert tags(s3, "replaced") == [{"Key": "b", "Value": "2"}]
    assert tags(s3, "none") == []


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("a=1&a=2", "InvalidArgument"),
        ("a", "InvalidArgument"),
        ("a=%ff", "InvalidArgument"),
        ("&".join(f"k{number}=v" for number in range(11)), "BadRequest"),
        (f"{'k' * 129}=v", "InvalidTag"),
        (f"k={'v' * 257}", "InvalidTag"),
        ("aws:k=v", "InvalidTag"),
    ],
)
def test_what_are_none(s3: Any, header: str, code: str) -> None:
    assert refusal(partial(s3.put_object, **WHERE, Body=b"data", Tagging=header)) == code
    assert refusal(partial(s3.head_object, **WHERE)) == "404"


def test_of_what_is_not_there(s3: Any) -> None:
    assert refusal(partial(s3.get_object_tagging, **WHERE)) == "NoSuchKey"
    twice = {"TagSet": [TAGS[0], TAGS[0]]}
    assert refusal(partial(s3.put_object_tagging, **WHERE, Tagging={"TagSet": []})) == "NoSuchKey"
    s3.put_object(**WHERE, Body=b"")
    assert refusal(partial(s3.put_object_tagging, **WHERE, Tagging=twice)) == "InvalidTag"
