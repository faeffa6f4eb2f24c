"""S3's operations that make or remove an object, as boto3 sees them."""

from __future__ import annotations

import base64
import hashlib
import io
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sm_local.service.conftest import Served

pytestmark = pytest.mark.integ

STRANGE = "~!'()*;:@&=$,?#[]"
KEYS = ["a/../b", "a b+c%20d", "ä/中\U0001f600", "/", "//x//", ".", "..", STRANGE, "a\nb"]


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

    def test_a_sha256_is_checked_kept_and_told_to_who_asks(self, s3: Any) -> None:
        data = b"code" * 1000
        sha256 = base64.b64encode(hashlib.sha256(data).digest()).decode()
        put = {"Bucket": "bucket", "Key": "key", "ChecksumSHA256": sha256}
        put |= {"ChecksumAlgorithm": "SHA256"}
        assert s3.put_object(Body=data, **put)["ChecksumSHA256"] == sha256
        asked = s3.head_object(Bucket="bucket", Key="key", ChecksumMode="ENABLED")
        assert asked["ChecksumSHA256"] == sha256
        assert "ChecksumSHA256" not in s3.head_object(Bucket="bucket", Key="key")
        assert get(s3, "key", ChecksumMode="ENABLED") == data
        assert get(s3, "key", ChecksumMode="ENABLED", Range="bytes=1-3") == data[1:4]
        wrong = lambda: s3.put_object(Body=b"other", **put)  # noqa: E731 - called by refusal
        assert refusal(wrong) == ("BadDigest", 400)
        assert get(s3, "key") == data
        s3.put_object(Bucket="bucket", Key="key", Body=b"other")
        asked = s3.head_object(Bucket="bucket", Key="key", ChecksumMode="ENABLED")
        assert "ChecksumSHA256" not in asked

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

    def test_a_key_may_have_1024_bytes(self, s3: Any) -> None:
        key = "ä" * 512
        s3.put_object(Bucket="bucket", Key=key, Body=b"")
        assert get(s3, key) == b""
        assert refusal(lambda: s3.put_object(Bucket="bucket", Key=key + "a", Body=b"")) == (
            "KeyTooLongError",
            400,
        )

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


class TestDeletingMany:
    def test_objects_of_any_key(self, s3: Any) -> None:
        keys = ["a", "a/b", "../a", "<&>\u00fc", "kept"]
        for key in keys:
            s3.put_object(Bucket="bucket", Key=key, Body=b"")
        gone = [{"Key": key} for key in [*keys[:-1], "never there"]]
        answer = s3.delete_objects(Bucket="bucket", Delete={"Objects": gone})
        assert answer["Deleted"] == gone
        assert "Errors" not in answer
        left = s3.list_objects_v2(Bucket="bucket")["Contents"]
        assert [each["Key"] for each in left] == ["kept"]

    def test_quietly_and_with_what_cannot_be(self, s3: Any) -> None:
        s3.put_object(Bucket="bucket", Key="a", Body=b"")
        wanted = [{"Key": "a", "VersionId": "v"}, {"Key": "b"}]
        answer = s3.delete_objects(Bucket="bucket", Delete={"Objects": wanted, "Quiet": True})
        assert "Deleted" not in answer
        ((error),) = answer["Errors"]
        assert (error["Key"], error["Code"]) == ("a", "NotImplemented")
        s3.head_object(Bucket="bucket", Key="a")

    def test_too_many(self, s3: Any) -> None:
        wanted = [{"Key": str(number)} for number in range(1001)]
        with pytest.raises(ClientError, match="1 to 1000 objects"):
            s3.delete_objects(Bucket="bucket", Delete={"Objects": wanted})
