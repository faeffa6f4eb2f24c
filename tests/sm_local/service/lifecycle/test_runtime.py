"""InvokeEndpoint."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError

from sm_core.errors import ModelError
from sm_core.formats import csv_serializer
from sm_core.limits import PAYLOAD_LIMIT
from sm_core.predictor import Predictor
from sm_core.session import Session

pytestmark = pytest.mark.integ


@pytest.fixture(scope="module")
def endpoint(shared: Any) -> str:
    shared.deploy("runtime")
    assert shared.endpoint("runtime")["EndpointStatus"] == "InService"
    return "runtime"


def invoke(shared: Any, endpoint: str, body: bytes, **members: Any) -> dict[str, Any]:
    answer: dict[str, Any] = shared.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=endpoint, Body=body, **members
    )
    return answer


def test_headers_go_both_ways(shared: Any, endpoint: str) -> None:
    members = {"ContentType": "text/csv", "Accept": "a/b", "CustomAttributes": "c=1"}
    seen = shared.invoke(endpoint, b"1,2", **members)
    assert seen["body"] == "1,2"
    headers = seen["headers"]
    assert headers.pop("content-length") == "3"
    assert headers.pop("host") == "localhost"
    assert headers == {
        "content-type": "text/csv",
        "accept": "a/b",
        "x-amzn-sagemaker-custom-attributes": "c=1",
    }
    answer = invoke(shared, endpoint, b"attributes")
    assert answer["ContentType"] == "application/json"
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    assert answer["CustomAttributes"] == "back"
    assert "CustomAttributes" not in invoke(shared, endpoint, b"nothing about attributes")


@pytest.mark.parametrize(("status", "side"), [(400, "client"), (500, "server"), (302, "server")])
def test_errors_of_the_container(shared: Any, endpoint: str, status: int, side: str) -> None:
    with pytest.raises(ClientError) as caught:
        invoke(shared, endpoint, str(status).encode())
    response = caught.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert response["Error"]["Code"] == "ModelError"
    assert response["Error"]["Message"] == (
        f'Received {side} error ({status}) from primary with message "{{"problem": "yours"}}". See '
        "https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1"
        f"#logEventViewer:group=/aws/sagemaker/Endpoints/{endpoint} in account 000000000000 for "
        "more information."
    )
    members: Any = response
    assert members["OriginalStatusCode"] == status
    assert members["OriginalMessage"] == '{"problem": "yours"}'
    stream = f"log-group:/aws/sagemaker/Endpoints/{endpoint}:log-stream:AllTraffic/i-"
    assert stream in members["LogStreamArn"]


def test_predictors_send_values_and_quote_the_container(shared: Any, endpoint: str) -> None:
    session = Session(sagemaker_runtime_client=shared.client("sagemaker-runtime"))
    predictor = Predictor(endpoint, session, serializer=csv_serializer, deserializer="auto")
    seen = predictor.predict(np.array([[0.5, 2], [3, 4]], dtype="f4"), custom_attributes="c=1")
    assert seen["body"] == "0.5,2.0\n3.0,4.0"
    assert seen["headers"]["content-type"] == "text/csv"
    assert seen["headers"]["x-amzn-sagemaker-custom-attributes"] == "c=1"
    for status, log in ((400, ""), (500, f" (its log: /aws/sagemaker/Endpoints/{endpoint})")):
        with pytest.raises(ModelError) as caught:
            predictor.predict(str(status))
        said = '{"problem": "yours"}'
        assert str(caught.value) == (
            f"endpoint {endpoint}: the container answered {status}: {said}{log}"
        )
        assert (caught.value.status, caught.value.container_message) == (status, said)


def test_a_connection_that_breaks(shared: Any, endpoint: str) -> None:
    with pytest.raises(ClientError, match=r"server error \(0\) .* broke off without an answer"):
        invoke(shared, endpoint, b"hang up")
    assert shared.invoke(endpoint)["body"] == "hello"


def test_the_largest_body(shared: Any, endpoint: str) -> None:
    seen = shared.invoke(endpoint, b"x" * PAYLOAD_LIMIT)
    assert len(seen["body"]) == PAYLOAD_LIMIT


def test_a_body_that_is_too_large(shared: Any, endpoint: str) -> None:
    with pytest.raises(ClientError, match="HTTP content length exceeded 6291456 bytes") as caught:
        invoke(shared, endpoint, b"x" * (PAYLOAD_LIMIT + 1))
    assert caught.value.response["Error"]["Code"] == "413"


@pytest.mark.parametrize(
    ("name", "members", "message"),
    [
        ("nobody", {}, "Endpoint nobody of account 000000000000 not found"),
        ("runtime", {"TargetVariant": "B"}, "Variant B not found for Request"),
        ("runtime", {"TargetModel": "m"}, "TargetModel is not available"),
    ],
)
def test_requests_that_are_refused(
    shared: Any, endpoint: str, name: str, members: dict[str, Any], message: str
) -> None:
    with pytest.raises(ClientError, match=message) as caught:
        invoke(shared, name, b"x", **members)
    assert caught.value.response["Error"]["Code"] == "ValidationError"
