"""S3's uploads in parts, as boto3 and its transfer manager make them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sm_local.service.conftest import Served

pytestmark = pytest.mark.integ

PART = bytes(5 << 20)


@pytest.fixture
def s3(served: Served) -> Any:
    client = served.client("s3")
    client.create_bucket(Bucket="bucket")
    return client


def refusal(call: Callable[[], object]) -> str:
    """The code of the error that `call` raises."""
    with pytest.raises(ClientError) as refused:
        call()
    return refused.value.response["Error"]["Code"]


def test_a_large_file_there_and_back(s3: Any, served: Served, tmp_path: Path) -> None:
    data = bytes(range(251)) * 85_000
    (tmp_path / "source").write_bytes(data)
    extra = {"ContentType": "a/b", "Metadata": {"a": "b"}}
    s3.upload_file(str(tmp_path / "source"), "bucket", "dir/key", ExtraArgs=extra)
    found = s3.head_object(Bucket="bucket", Key="dir/key")
    assert found["ETag"].endswith('-3"')
    assert (found["ContentType"], found["Metadata"]) == ("a/b", {"a": "b"})
    s3.download_file("bucket", "dir/key", str(tmp_path / "target"))
    assert (tmp_path / "target").read_bytes() == data
    blobs = [path for path in served.context.home.blobs.rglob("*") if path.is_file()]
    assert len(blobs) == 1


def test_step_by_step(s3: Any) -> None:
    where = {"Bucket": "bucket", "Key": "a&b"}
    upload = s3.create_multipart_upload(**where)
    assert (upload["Bucket"], upload["Key"]) == ("bucket", "a&b")
    where["UploadId"] = upload["UploadId"]
    parts = []
    for number, body in ((1, PART), (2, b"end")):
        etag = s3.upload_part(**where, PartNumber=number, Body=body)["ETag"]
        assert etag == f'"{hashlib.md5(body).hexdigest()}"'
        parts.append({"PartNumber": number, "ETag": etag})
    done = s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
    assert done["Key"] == "a&b"
    found = s3.get_object(Bucket="bucket", Key="a&b")
    assert found["ETag"] == done["ETag"]
    assert found["Body"].read() == PART + b"end"


def test_an_aborted_one(s3: Any, served: Served) -> None:
    where = {"Bucket": "bucket", "Key": "key"}
    where["UploadId"] = s3.create_multipart_upload(**where)["UploadId"]
    s3.upload_part(**where, PartNumber=1, Body=PART)
    s3.abort_multipart_upload(**where)
    assert [path for path in served.context.home.blobs.rglob("*") if path.is_file()] == []
    assert refusal(lambda: s3.upload_part(**where, PartNumber=1, Body=PART)) == "NoSuchUpload"
    assert refusal(lambda: s3.abort_multipart_upload(**where)) == "NoSuchUpload"
    assert refusal(lambda: s3.get_object(Bucket="bucket", Key="key")) == "NoSuchKey"


def test_bad_requests(s3: Any) -> None:
    where = {"Bucket": "bucket", "Key": "key"}
    where["UploadId"] = s3.create_multipart_upload(**where)["UploadId"]
    etag = s3.upload_part(**where, PartNumber=1, Body=b"data")["ETag"]

    def complete(*parts: dict[str, Any]) -> Callable[[], object]:
        return lambda: s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})

    assert refusal(lambda: s3.upload_part(**where, PartNumber=0, Body=b"")) == "InvalidArgument"
    assert refusal(lambda: s3.upload_part(**where, PartNumber=10001, Body=b"")) == "InvalidArgument"
    assert refusal(complete()) == "MalformedXML"
    assert refusal(complete({"PartNumber": 1})) == "MalformedXML"
    assert refusal(complete({"PartNumber": 2, "ETag": etag})) == "InvalidPart"
    complete({"PartNumber": 1, "ETag": etag})()
    assert s3.get_object(Bucket="bucket", Key="key")["Body"].read() == b"data"
