"""S3's table of operations, over HTTP: what is there, what is refused, and who may write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from sm_local.home import RESERVED_BUCKET

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sm_local.service.conftest import Served

pytestmark = pytest.mark.integ


def refusal(call: Callable[[], object]) -> tuple[str, int]:
    """(code, status) of the error that `call` raises."""
    with pytest.raises(ClientError) as refused:
        call()
    response = refused.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


class TestWhatIsNotThere:
    @pytest.mark.parametrize(
        ("operation", "arguments"),
        [
            ("get_bucket_acl", {}),
            ("get_object_retention", {"Key": "a"}),
            ("list_object_versions", {}),
        ],
    )
    def test_an_operation(self, s3: Any, operation: str, arguments: dict[str, Any]) -> None:
        method = getattr(s3, operation)
        name = s3.meta.method_to_api_mapping[operation]
        with pytest.raises(
            ClientError, match=f"does not have S3's operation {name} yet"
        ) as refused:
            method(Bucket="bucket", **arguments)
        assert refused.value.response["Error"]["Code"] == "NotImplemented"
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501

    @pytest.mark.parametrize(
        ("operation", "arguments"),
        [
            ("put_object", {"ChecksumSHA512": "AAAA"}),
            ("put_object", {"IfNoneMatch": '"e"'}),
            ("put_object", {"ObjectLockMode": "GOVERNANCE"}),
            ("get_object", {"PartNumber": 1}),
            ("get_object", {"VersionId": "v"}),
            ("delete_object", {"VersionId": "v"}),
        ],
    )
    def test_a_member(self, s3: Any, operation: str, arguments: dict[str, Any]) -> None:
        s3.put_object(Bucket="bucket", Key="key", Body=b"data")
        method = getattr(s3, operation)
        assert refusal(lambda: method(Bucket="bucket", Key="key", **arguments)) == (
            "NotImplemented",
            501,
        )
        assert s3.get_object(Bucket="bucket", Key="key")["Body"].read() == b"data"

    def test_chunks_of_no_known_kind(self, s3: Any) -> None:
        with pytest.raises(ClientError, match="aws-chunked"):
            s3.put_object(Bucket="bucket", Key="a", Body=b"", ContentEncoding="aws-chunked")


class TestTheReservedBucket:
    def test_it_is_there_and_hidden(self, s3: Any) -> None:
        s3.head_bucket(Bucket=RESERVED_BUCKET)
        assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["bucket"]

    def test_the_user_may_write(self, s3: Any) -> None:
        s3.put_object(Bucket=RESERVED_BUCKET, Key="a", Body=b"data")
        s3.delete_object(Bucket=RESERVED_BUCKET, Key="a")

    def test_a_job_may_do_nothing(self, s3: Any, shared: Served) -> None:
        s3.put_object(Bucket=RESERVED_BUCKET, Key="a", Body=b"data")
        job = shared.client("s3", shared.context.keys.issue("training-job a"))
        where = {"Bucket": RESERVED_BUCKET, "Key": "a"}
        for call in (
            lambda: job.get_object(**where),
            lambda: job.list_objects_v2(Bucket=RESERVED_BUCKET),
            lambda: job.get_bucket_location(Bucket=RESERVED_BUCKET),
            lambda: job.put_object(**where, Body=b"other"),
            lambda: job.delete_object(**where),
            lambda: job.create_multipart_upload(**where),
            lambda: job.create_bucket(Bucket=RESERVED_BUCKET),
            lambda: job.delete_bucket(Bucket=RESERVED_BUCKET),
            lambda: job.copy_object(Bucket="bucket", Key="c", CopySource=f"{RESERVED_BUCKET}/a"),
        ):
            assert refusal(call) == ("AccessDenied", 403)
        for call in (
            lambda: job.head_object(**where),
            lambda: job.head_bucket(Bucket=RESERVED_BUCKET),
        ):
            assert refusal(call) == ("403", 403)
        assert s3.get_object(**where)["Body"].read() == b"data"

    def test_a_job_may_write_elsewhere(self, s3: Any, shared: Served) -> None:
        job = shared.client("s3", shared.context.keys.issue("training-job a"))
        job.put_object(Bucket="bucket", Key="a", Body=b"data")
        assert s3.get_object(Bucket="bucket", Key="a")["Body"].read() == b"data"


class TestRefusals:
    def test_an_unknown_key(self, shared: Served) -> None:
        pair = shared.context.keys.issue("job")
        shared.context.keys.revoke("job")
        client = shared.client("s3", pair)
        assert refusal(client.list_buckets) == ("InvalidAccessKeyId", 403)

    def test_a_wrong_secret(self, shared: Served) -> None:
        import attrs

        pair = attrs.evolve(shared.context.home.credentials(), secret_access_key="guess")
        client = shared.client("s3", pair)
        assert refusal(client.list_buckets) == ("SignatureDoesNotMatch", 403)

    def test_another_host(self, shared: Served) -> None:
        client = shared.client("s3")

        def rename(request: Any, **_: Any) -> None:
            request.headers["Host"] = "bucket.example.org"

        client.meta.events.register("before-sign.s3", rename)
        assert refusal(client.list_buckets) == ("AccessDenied", 403)

    def test_localhost_is_this_host(self, shared: Served) -> None:
        client = shared.client("s3")

        def rename(request: Any, **_: Any) -> None:
            request.headers["Host"] = f"localhost:{shared.port}"

        client.meta.events.register("before-sign.s3", rename)
        client.list_buckets()
