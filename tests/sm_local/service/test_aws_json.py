"""The JSON protocol, as boto3 speaks it over HTTP."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from sm_local.service.aws_json import JsonService
from sm_local.service.errors import ServiceError
from sm_local.service.wire import Caller

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sm_local.service.conftest import Served

pytestmark = pytest.mark.integ

ARN = "arn:aws:sagemaker:us-east-1:000000000000:endpoint/e"
MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=timezone.utc)


class Endpoints:
    """A few of SageMaker's operations."""

    def __init__(self) -> None:
        self.seen: list[tuple[dict[str, Any], str]] = []
        self.operations = {
            "DescribeEndpoint": self.describe,
            "DeleteEndpoint": self.delete,
            "CreateEndpoint": self.create,
            "StopTrainingJob": self.fail,
        }

    async def describe(self, given: dict[str, Any], caller: Caller) -> dict[str, Any]:
        self.seen.append((given, caller.owner))
        return {
            "EndpointName": given["EndpointName"],
            "EndpointArn": ARN,
            "EndpointStatus": "InService",
            "CreationTime": MOMENT,
            "LastModifiedTime": MOMENT,
            "FailureReason": None,
            "ProductionVariants": [{"VariantName": "v", "CurrentWeight": 1.5}],
        }

    async def delete(self, given: dict[str, Any], caller: Caller) -> dict[str, Any]:
        return {}

    async def create(self, given: dict[str, Any], caller: Caller) -> dict[str, Any]:
        raise ServiceError("ResourceLimitExceeded", "no more")

    async def fail(self, given: dict[str, Any], caller: Caller) -> dict[str, Any]:
        raise RuntimeError("out of order")


@pytest.fixture
def endpoints() -> Endpoints:
    return Endpoints()


@pytest.fixture
def sagemaker(serve: Callable[..., Served], endpoints: Endpoints) -> Any:
    served = serve({"sagemaker": JsonService("sagemaker", endpoints.operations)})
    return served.client("sagemaker", parameter_validation=False)


def test_an_answer(sagemaker: Any, endpoints: Endpoints) -> None:
    answer = sagemaker.describe_endpoint(EndpointName="e")
    assert endpoints.seen == [({"EndpointName": "e"}, "user")]
    assert answer["CreationTime"] == MOMENT
    assert answer["ProductionVariants"] == [{"VariantName": "v", "CurrentWeight": 1.5}]
    assert "FailureReason" not in answer
    metadata = answer["ResponseMetadata"]
    assert metadata["RequestId"] == metadata["HTTPHeaders"]["x-amzn-requestid"]
    assert metadata["HTTPHeaders"]["content-type"] == "application/x-amz-json-1.1"


def test_an_empty_answer(sagemaker: Any) -> None:
    metadata = sagemaker.delete_endpoint(EndpointName="e")["ResponseMetadata"]
    assert metadata["HTTPStatusCode"] == 200
    assert metadata["HTTPHeaders"]["content-length"] == "0"


def refusal(call: Callable[[], object]) -> ClientError:
    with pytest.raises(ClientError) as refused:
        call()
    return refused.value


def test_a_bad_request_is_refused_in_aws_s_words(sagemaker: Any, endpoints: Endpoints) -> None:
    error = refusal(lambda: sagemaker.describe_endpoint(EndpointName="a_b"))
    assert error.response["Error"]["Code"] == "ValidationException"
    assert error.response["Error"]["Message"] == (
        "1 validation error detected: Value 'a_b' at 'endpointName' failed to satisfy constraint:"
        " Member must satisfy regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"
    )
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert endpoints.seen == []


def test_a_service_has_its_own_name_for_that(serve: Callable[..., Served]) -> None:
    async def describe(given: dict[str, Any], caller: Caller) -> dict[str, Any]:
        return {}

    service = JsonService("logs", {"GetLogEvents": describe}, invalid="InvalidParameterException")
    logs = serve({"logs": service}).client("logs", parameter_validation=False)
    error = refusal(lambda: logs.get_log_events(logGroupName="a b", logStreamName="c"))
    assert error.response["Error"]["Code"] == "InvalidParameterException"


def test_a_modelled_error(sagemaker: Any) -> None:
    with pytest.raises(sagemaker.exceptions.ResourceLimitExceeded, match="no more"):
        sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="c")


def test_an_operation_that_is_not_there(sagemaker: Any) -> None:
    error = refusal(lambda: sagemaker.list_models())
    assert error.response["Error"]["Code"] == "UnknownOperationException"
    assert "does not have SageMaker's operation ListModels; it has Create" in str(error)


def test_a_fault_of_the_service(sagemaker: Any) -> None:
    error = refusal(lambda: sagemaker.stop_training_job(TrainingJobName="j"))
    assert error.response["Error"]["Code"] == "InternalFailure"
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert "RuntimeError: out of order" in str(error)
    assert "service.log" in str(error)


def test_an_answer_that_the_model_does_not_know(sagemaker: Any, endpoints: Endpoints) -> None:
    async def describe(given: dict[str, Any], caller: Caller) -> dict[str, Any]:
        return {"EndpointColour": "red"}

    endpoints.operations["DescribeEndpoint"] = describe
    error = refusal(lambda: sagemaker.describe_endpoint(EndpointName="e"))
    assert "TypeError: DescribeEndpointOutput has no member EndpointColour" in str(error)
