"""Routes, inputs and outputs of S3, against the requests that botocore makes and reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timezone
from typing import Any

import pytest
from botocore.awsrequest import HeadersDict
from botocore.loaders import Loader
from botocore.model import ListShape, OperationModel, Shape, StructureShape
from botocore.model import ServiceModel as BotocoreModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

from sm_local.service.errors import ServiceError
from sm_local.service.models import load_model
from sm_local.service.rest_xml import Routes, error_response, read_input, write_output
from sm_local.service.wire import Request

OURS = load_model("s3")
THEIRS = BotocoreModel(Loader().load_service_model("s3", "service-2"))
ROUTES = Routes(OURS)

#: Deprecated twins and names for one thing on two hosts: the same request, so either will do.
TWINS = {
    "GetBucketLifecycle": "GetBucketLifecycleConfiguration",
    "GetBucketNotification": "GetBucketNotificationConfiguration",
    "ListDirectoryBuckets": "ListBuckets",
    "PutBucketLifecycle": "PutBucketLifecycleConfiguration",
    "PutBucketNotification": "PutBucketNotificationConfiguration",
}
#: Goes to a host of its own.
ELSEWHERE = {"WriteGetObjectResponse"}


def sample(shape: Shape) -> Any:
    """A value of `shape` with all that is required."""
    if isinstance(shape, StructureShape):
        return {name: sample(shape.members[name]) for name in shape.required_members}
    if isinstance(shape, ListShape):
        return [sample(shape.member)]
    return {
        "integer": 1,
        "long": 1,
        "boolean": True,
        "timestamp": datetime(2026, 1, 2, tzinfo=timezone.utc),
        "map": {},
        "blob": b"",
    }.get(shape.type_name, "text")


def request_for(operation: OperationModel, values: dict[str, Any]) -> Request:
    """What botocore sends."""
    made = create_serializer("rest-xml", include_validation=False).serialize_to_request(
        values, operation
    )
    path, _, inline = made["url_path"].partition("?")
    query = [pair for pair in inline.split("&") if pair]
    query += [f"{name}={value}" for name, value in made["query_string"].items()]

    async def stream() -> AsyncIterator[bytes]:
        yield made["body"]

    return Request.from_asgi(
        {
            "method": made["method"],
            "raw_path": path.encode(),
            "query_string": "&".join(query).encode(),
            "headers": [(k.encode(), str(v).encode()) for k, v in made["headers"].items()],
        },
        stream(),
    )


@pytest.mark.parametrize("name", sorted(set(THEIRS.operation_names) - ELSEWHERE))
def test_every_operation_is_recognised(name: str) -> None:
    operation = THEIRS.operation_model(name)
    values = sample(operation.input_shape) if operation.input_shape else {}
    values |= {member: "text" for member in ("Bucket", "Key") if member in values}
    level = len({"Bucket", "Key"} & values.keys())
    found = ROUTES.find(request_for(operation, values), level)
    assert found is not None
    assert TWINS.get(found.name, found.name) == TWINS.get(name, name)


def test_what_is_no_operation() -> None:
    request = request_for(THEIRS.operation_model("HeadBucket"), {"Bucket": "bucket"})
    request.method = "PATCH"
    assert ROUTES.find(request, 1) is None


def gathered(name: str, **values: Any) -> dict[str, Any]:
    request = request_for(THEIRS.operation_model(name), values)
    path: dict[str, str] = {part: values[part] for part in ("Bucket", "Key") if part in values}
    return asyncio.run(read_input(OURS, OURS.operations[name], request, path))


def test_an_input_from_path_query_headers_and_body() -> None:
    assert gathered("ListObjectsV2", Bucket="bucket", MaxKeys=7, FetchOwner=True, Prefix="") == {
        "Bucket": "bucket",
        "MaxKeys": 7,
        "FetchOwner": True,
        "Prefix": "",
    }
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    assert gathered("GetObject", Bucket="b", Key="k", IfModifiedSince=moment) == {
        "Bucket": "b",
        "Key": "k",
        "IfModifiedSince": moment,
    }
    configuration = {"LocationConstraint": "eu-west-1"}
    found = gathered("CreateBucket", Bucket="b", CreateBucketConfiguration=configuration)
    assert found == {"Bucket": "b", "CreateBucketConfiguration": configuration}
    assert gathered("CreateBucket", Bucket="b") == {"Bucket": "b"}


def test_a_streaming_body_is_not_read() -> None:
    found = gathered("PutObject", Bucket="b", Key="k", Body=b"data", Metadata={"A": "1"})
    body = found.pop("Body")
    assert found == {"Bucket": "b", "Key": "k", "Metadata": {"a": "1"}}

    async def read() -> bytes:
        return b"".join([chunk async for chunk in body.stream])

    assert asyncio.run(read()) == b"data"


def test_a_value_of_another_type() -> None:
    request = request_for(THEIRS.operation_model("ListObjectsV2"), {"Bucket": "b"})
    request.query.append(("max-keys", "many"))
    with pytest.raises(ServiceError, match="max-keys not valid") as refused:
        asyncio.run(read_input(OURS, OURS.operations["ListObjectsV2"], request, {"Bucket": "b"}))
    assert refused.value.code == "InvalidArgument"
    assert refused.value.members == {"ArgumentName": "max-keys", "ArgumentValue": "many"}


def test_an_output_is_what_botocore_reads() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    output: dict[str, Any] = {
        "ETag": '"e"',
        "LastModified": moment,
        "Metadata": {"a": "1"},
        "ContentLength": 3,
        "ContentType": None,
    }
    response = write_output(OURS, OURS.operations["HeadObject"], output, root=None)
    assert response.headers["last-modified"] == "Fri, 02 Jan 2026 03:04:05 GMT"
    parsed = read_by_botocore("HeadObject", response.status, response.headers, b"")
    del output["ContentType"]
    assert parsed == output


def test_an_xml_output_is_what_botocore_reads() -> None:
    output = {"Bucket": "b", "Key": "a&b", "UploadId": "id"}
    operation = OURS.operations["CreateMultipartUpload"]
    response = write_output(OURS, operation, output, root="InitiateMultipartUploadResult")
    body = response.body
    assert isinstance(body, bytes)
    assert b"<InitiateMultipartUploadResult xmlns=" in body
    assert read_by_botocore(operation.name, 200, response.headers, body) == output


def read_by_botocore(
    name: str, status: int, headers: dict[str, str], body: bytes
) -> dict[str, Any]:
    shape: Any = THEIRS.operation_model(name).output_shape
    parsed: dict[str, Any] = create_parser("rest-xml").parse(
        {"status_code": status, "headers": HeadersDict(headers), "body": body}, shape
    )
    del parsed["ResponseMetadata"]
    return parsed


def test_an_output_with_a_member_that_there_is_not() -> None:
    with pytest.raises(TypeError, match="HeadObjectOutput has no member Colour"):
        write_output(OURS, OURS.operations["HeadObject"], {"Colour": "red"}, root=None)


def test_a_text_that_is_no_header() -> None:
    with pytest.raises(ServiceError, match="can not be a header") as refused:
        write_output(
            OURS, OURS.operations["GetObject"], {"ContentType": "a\r\nSet-Cookie: b"}, root=None
        )
    assert refused.value.code == "InvalidArgument"


def test_errors() -> None:
    error = ServiceError("NoSuchKey", "not <there>", status=404, members={"Key": "a&b"})
    response = error_response(error, request_id="id")
    assert response.status == 404
    assert response.body == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code>'
        b"<Message>not &lt;there&gt;</Message><Key>a&amp;b</Key><RequestId>id</RequestId></Error>"
    )
    assert error_response(ServiceError("NotModified", "", status=304), request_id="").body == b""
