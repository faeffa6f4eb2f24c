"""Checksums of S3's objects over HTTP, as boto3 and other clients send them."""

from __future__ import annotations

import base64
import io
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import requests
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from sm_local.home import REGION
from sm_local.service.checksums import ALGORITHMS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.sm_local.service.conftest import Served

pytestmark = pytest.mark.integ

NAMES = list(ALGORITHMS)
WHERE = {"Bucket": "bucket", "Key": "key"}
PART = bytes(5 << 20)


def value(name: str, data: bytes) -> str:
    running = ALGORITHMS[name].start()
    running.update(data)
    return base64.b64encode(running.digest()).decode()


def refusal(call: Callable[[], object]) -> tuple[str, str]:
    """(code, message) of the error that `call` raises."""
    with pytest.raises(ClientError) as refused:
        call()
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def put(served: Served, body: bytes, headers: Mapping[str, str]) -> requests.Response:
    """PutObject with headers of one's own, signed."""
    pair = served.context.home.credentials()
    url = f"{served.url}/bucket/key"
    request = AWSRequest("PUT", url, headers=dict(headers), data=body)
    # So does botocore itself over https.
    request.context["checksum"] = {"request_algorithm": {"in": "trailer"}}
    credentials = Credentials(pair.access_key_id, pair.secret_access_key)
    S3SigV4Auth(credentials, "s3", REGION).add_auth(request)
    return requests.put(url, data=body, headers=dict(request.headers.items()), timeout=60)


class TestWholeObjects:
    @pytest.mark.parametrize("name", NAMES)
    def test_it_is_checked_kept_and_told_to_who_asks(self, s3: Any, name: str) -> None:
        member, right = f"Checksum{name}", value(name, b"data")
        answer = s3.put_object(**WHERE, Body=b"data", **{member: right})
        assert (answer[member], answer["ChecksumType"]) == (right, "FULL_OBJECT")
        for call in (s3.head_object, s3.get_object):
            found = call(**WHERE, ChecksumMode="ENABLED")
            assert (found[member], found["ChecksumType"]) == (right, "FULL_OBJECT")
        assert found["Body"].read() == b"data"
        assert member not in s3.head_object(**WHERE)
        wrong = value(name, b"other")
        assert refusal(lambda: s3.put_object(**WHERE, Body=b"data", **{member: wrong})) == (
            "BadDigest",
            f"The {name} you specified did not match the calculated checksum.",
        )
        assert s3.get_object(**WHERE)["Body"].read() == b"data"

    def test_one_that_boto3_reckons(self, shared: Served, s3: Any) -> None:
        client = shared.client("s3", request_checksum_calculation="when_supported")
        body = io.BytesIO(b"data" * 100_000)
        client.put_object(**WHERE, Body=body, ChecksumAlgorithm="SHA1")
        found = s3.head_object(**WHERE, ChecksumMode="ENABLED")
        assert found["ChecksumSHA1"] == value("SHA1", b"data" * 100_000)

    def test_several_and_none(self, s3: Any) -> None:
        two = {"ChecksumCRC32": value("CRC32", b""), "ChecksumSHA1": value("SHA1", b"")}
        code, message = refusal(lambda: s3.put_object(**WHERE, Body=b"", **two))
        assert (code, message[:9]) == ("InvalidRequest", "Expecting")
        code, message = refusal(lambda: s3.put_object(**WHERE, Body=b"", ChecksumCRC32="AAA"))
        assert message == "Value for x-amz-checksum-crc32 header is invalid."

    def test_a_copy_has_it_or_another(self, s3: Any) -> None:
        s3.put_object(**WHERE, Body=b"data", ChecksumSHA1=value("SHA1", b"data"))
        source = "bucket/key"
        copied = s3.copy_object(Bucket="bucket", Key="b", CopySource=source)["CopyObjectResult"]
        assert copied["ChecksumSHA1"] == value("SHA1", b"data")
        s3.copy_object(Bucket="bucket", Key="c", CopySource=source, ChecksumAlgorithm="CRC64NVME")
        found = s3.head_object(Bucket="bucket", Key="c", ChecksumMode="ENABLED")
        assert found["ChecksumCRC64NVME"] == value("CRC64NVME", b"data")
        assert "ChecksumSHA1" not in found

    def test_attributes(self, s3: Any) -> None:
        s3.put_object(**WHERE, Body=b"data", ChecksumCRC32C=value("CRC32C", b"data"))
        wanted = ["ETag", "Checksum", "ObjectSize", "StorageClass", "ObjectParts"]
        found = s3.get_object_attributes(**WHERE, ObjectAttributes=wanted)
        assert found["Checksum"]["ChecksumCRC32C"] == value("CRC32C", b"data")
        assert (found["ObjectSize"], found["StorageClass"]) == (4, "STANDARD")
        assert "ObjectParts" not in found
        found = s3.get_object_attributes(**WHERE, ObjectAttributes=["ObjectSize"])
        assert "ETag" not in found

    def test_a_document_is_checked_too(self, s3: Any) -> None:
        wanted = {"Objects": [{"Key": "a"}]}
        s3.delete_objects(Bucket="bucket", Delete=wanted, ChecksumAlgorithm="SHA1")

        def spoil(request: Any, **_: Any) -> None:
            request.headers.replace_header("x-amz-checksum-crc32", value("CRC32", b"other"))

        s3.meta.events.register("before-sign.s3.DeleteObjects", spoil)
        try:
            assert (
                refusal(partial(s3.delete_objects, Bucket="bucket", Delete=wanted))[0]
                == "BadDigest"
            )
        finally:
            s3.meta.events.unregister("before-sign.s3.DeleteObjects", spoil)

    @pytest.mark.parametrize("name", NAMES)
    def test_a_presigned_url(self, s3: Any, name: str) -> None:
        header = ALGORITHMS[name].header
        url = s3.generate_presigned_url(
            "put_object", Params={**WHERE, f"Checksum{name}": value(name, b"data")}
        )
        headers = {header: value(name, b"data")}
        assert requests.put(url, data=b"data", headers=headers, timeout=60).status_code == 200
        answer = requests.put(url, data=b"other", headers=headers, timeout=60)
        assert (answer.status_code, "BadDigest" in answer.text) == (400, True)


class TestTrailers:
    def headers(self, size: int, name: str = "CRC32") -> dict[str, str]:
        return {
            "Content-Encoding": "aws-chunked,gzip",
            "X-Amz-Decoded-Content-Length": str(size),
            "X-Amz-Trailer": f"x-amz-checksum-{name.lower()}",
        }

    @pytest.mark.parametrize("name", NAMES)
    def test_one_after_unsigned_chunks(self, served: Served, name: str) -> None:
        s3 = served.client("s3")
        s3.create_bucket(Bucket="bucket")
        line = f"x-amz-checksum-{name.lower()}:{value(name, b'data')}\r\n"
        body = b"3\r\ndat\r\n1\r\na\r\n0\r\n" + line.encode() + b"\r\n"
        answer = put(served, body, self.headers(4, name))
        assert answer.status_code == 200, answer.text
        found = s3.get_object(**WHERE, ChecksumMode="ENABLED")
        assert found["Body"].read() == b"data"
        assert found[f"Checksum{name}"] == value(name, b"data")
        assert found["ContentEncoding"] == "gzip"
        answer = put(served, body.replace(b"dat", b"tad"), self.headers(4, name))
        assert (answer.status_code, "BadDigest" in answer.text) == (400, True)
        assert s3.get_object(**WHERE)["Body"].read() == b"data"

    def test_what_is_missing(self, served: Served) -> None:
        served.client("s3").create_bucket(Bucket="bucket")
        body = b"4\r\ndata\r\n0\r\n\r\n"
        assert "MalformedTrailerError" in put(served, body, self.headers(4)).text
        assert "IncompleteBody" in put(served, body, self.headers(5)).text
        headers = self.headers(4)
        del headers["X-Amz-Decoded-Content-Length"]
        answer = put(served, body, headers)
        assert (answer.status_code, "MissingContentLength" in answer.text) == (411, True)
        other = self.headers(4) | {"X-Amz-Trailer": "x-other"}
        assert "x-amz-trailer" in put(served, body, other).text
        blobs = [path for path in served.context.home.blobs.rglob("*") if path.is_file()]
        assert blobs == []


class TestParts:
    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("CRC32", "COMPOSITE"),
            ("CRC32C", "FULL_OBJECT"),
            ("CRC64NVME", "FULL_OBJECT"),
            ("SHA1", "COMPOSITE"),
            ("SHA256", "COMPOSITE"),
        ],
    )
    def test_the_whole_has_one(self, s3: Any, name: str, kind: str) -> None:
        member = f"Checksum{name}"
        upload = s3.create_multipart_upload(**WHERE, ChecksumAlgorithm=name, ChecksumType=kind)
        assert (upload["ChecksumAlgorithm"], upload["ChecksumType"]) == (name, kind)
        which = {**WHERE, "UploadId": upload["UploadId"]}
        parts = []
        for number, body in ((1, PART), (2, b"end")):
            checksum = {member: value(name, body)}
            told = s3.upload_part(**which, PartNumber=number, Body=body, **checksum)
            assert told[member] == value(name, body)
            parts.append({"PartNumber": number, "ETag": told["ETag"], member: told[member]})
        listed = s3.list_parts(**which)
        assert [part[member] for part in listed["Parts"]] == [part[member] for part in parts]
        wrong = [{**parts[0], member: value(name, b"")}, parts[1]]
        finish = partial(s3.complete_multipart_upload, **which)
        assert refusal(partial(finish, MultipartUpload={"Parts": wrong}))[0] == "InvalidPart"
        done = s3.complete_multipart_upload(**which, MultipartUpload={"Parts": parts})
        found = s3.head_object(**WHERE, ChecksumMode="ENABLED")
        assert (done[member], done["ChecksumType"]) == (found[member], found["ChecksumType"])
        assert found["ChecksumType"] == kind
        if kind == "FULL_OBJECT":
            assert found[member] == value(name, PART + b"end")
        else:
            digests = b"".join(base64.b64decode(part[member]) for part in parts)
            assert found[member] == f"{value(name, digests)}-2"
        assert s3.get_object(**WHERE)["Body"].read() == PART + b"end"

    def test_what_does_not_agree(self, s3: Any) -> None:
        begin = s3.create_multipart_upload
        for name, kind in (("SHA256", "FULL_OBJECT"), ("CRC64NVME", "COMPOSITE")):
            plan = {**WHERE, "ChecksumAlgorithm": name, "ChecksumType": kind}
            code, message = refusal(partial(begin, **plan))
            assert f"{kind} checksum type cannot be used with the {name.lower()}" in message
        which = {**WHERE, "UploadId": begin(**WHERE, ChecksumAlgorithm="SHA1")["UploadId"]}
        code, message = refusal(lambda: s3.upload_part(**which, PartNumber=1, Body=b"data"))
        assert code == "InvalidRequest"
        assert "expected checksum Type: sha1, actual checksum Type: crc32" in message
        told = s3.upload_part(**which, PartNumber=1, Body=b"data", ChecksumAlgorithm="SHA1")
        bare: dict[str, Any] = {"Parts": [{"PartNumber": 1, "ETag": told["ETag"]}]}
        code, message = refusal(lambda: s3.complete_multipart_upload(**which, MultipartUpload=bare))
        assert "must include the checksum for each part" in message
        bare["Parts"][0]["ChecksumSHA1"] = told["ChecksumSHA1"]
        finish = partial(s3.complete_multipart_upload, **which, MultipartUpload=bare)
        assert refusal(lambda: finish(ChecksumSHA1=value("SHA1", b"other")))[0] == "BadDigest"
        assert refusal(lambda: finish(ChecksumType="FULL_OBJECT"))[0] == "InvalidRequest"
        assert refusal(lambda: finish(MpuObjectSize=5))[0] == "InvalidRequest"
        finish(MpuObjectSize=4, ChecksumType="COMPOSITE")

    @pytest.mark.parametrize("name", ["CRC32", "SHA1", "SHA256"])
    def test_the_transfer_manager(self, s3: Any, tmp_path: Path, name: str) -> None:
        data = bytes(range(251)) * 40_000
        (tmp_path / "source").write_bytes(data)
        extra = {"ChecksumAlgorithm": name}
        s3.upload_file(str(tmp_path / "source"), "bucket", "key", ExtraArgs=extra)
        assert f"Checksum{name}" in s3.head_object(**WHERE, ChecksumMode="ENABLED")
        s3.download_file("bucket", "key", str(tmp_path / "target"))
        assert (tmp_path / "target").read_bytes() == data

    def test_parts_that_are_copied(self, s3: Any) -> None:
        s3.put_object(Bucket="bucket", Key="source", Body=b"source")
        upload = s3.create_multipart_upload(**WHERE, ChecksumAlgorithm="CRC32C")
        which = {**WHERE, "UploadId": upload["UploadId"]}
        told = s3.upload_part_copy(**which, PartNumber=1, CopySource="bucket/source")
        crc = told["CopyPartResult"]["ChecksumCRC32C"]
        assert crc == value("CRC32C", b"source")
        part = {"PartNumber": 1, "ETag": told["CopyPartResult"]["ETag"], "ChecksumCRC32C": crc}
        s3.complete_multipart_upload(**which, MultipartUpload={"Parts": [part]})
        assert s3.get_object(**WHERE)["Body"].read() == b"source"
