"""Models, endpoint configurations, and what the control plane refuses."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.integ

ARN = "arn:aws:sagemaker:us-east-1:000000000000"
ROLE = "arn:aws:iam::000000000000:role/SageMakerRole"
VARIANT = {
    "VariantName": "AllTraffic",
    "ModelName": "described",
    "InitialInstanceCount": 1,
    "InstanceType": "ml.c4.xlarge",
}


@pytest.fixture(scope="module", autouse=True)
def _described(shared: Any) -> None:
    shared.model("described", Environment={"A": "1"})


def test_a_model(shared: Any) -> None:
    client = shared.client("sagemaker")
    described = client.describe_model(ModelName="described")
    assert described["ModelArn"] == f"{ARN}:model/described"
    assert described["PrimaryContainer"] == {"Image": "test", "Environment": {"A": "1"}}
    assert described["ExecutionRoleArn"] == ROLE
    shared.model("Deleted")
    client.delete_model(ModelName="Deleted")
    for operation in (client.describe_model, client.delete_model):
        with pytest.raises(ClientError, match=f'Could not find model "{ARN}:model/deleted"'):
            operation(ModelName="Deleted")


def test_an_endpoint_configuration(shared: Any) -> None:
    client = shared.client("sagemaker")
    client.create_endpoint_config(EndpointConfigName="config", ProductionVariants=[VARIANT])
    described = client.describe_endpoint_config(EndpointConfigName="config")
    assert described["EndpointConfigArn"] == f"{ARN}:endpoint-config/config"
    assert described["ProductionVariants"] == [{**VARIANT, "InitialVariantWeight": 1.0}]
    with pytest.raises(ClientError, match="already existing endpoint configuration"):
        client.create_endpoint_config(EndpointConfigName="config", ProductionVariants=[VARIANT])
    client.delete_endpoint_config(EndpointConfigName="config")
    for operation in (client.describe_endpoint_config, client.delete_endpoint_config):
        with pytest.raises(
            ClientError,
            match=f'Could not find endpoint configuration "{ARN}:endpoint-config/config"',
        ):
            operation(EndpointConfigName="config")


@pytest.mark.parametrize(
    ("container", "message"),
    [
        ({"ModelDataUrl": "s3://models/no.tar.gz"}, "Could not find model data at s3://models/no"),
        ({"Mode": "MultiModel"}, "PrimaryContainer.Mode MultiModel is not available"),
    ],
)
def test_models_that_are_refused(shared: Any, container: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError, match=message):
        shared.model("refused", **container)


def test_a_model_needs_container_and_role(shared: Any) -> None:
    with pytest.raises(ClientError, match=r"2 validation errors .* at 'executionRoleArn'"):
        shared.client("sagemaker").create_model(ModelName="refused")


def test_a_model_that_exists(shared: Any) -> None:
    message = f'Cannot create already existing model "{ARN}:model/described"'
    with pytest.raises(ClientError, match=message):
        shared.model("described")


@pytest.mark.parametrize(
    ("variants", "message"),
    [
        ([{**VARIANT, "ModelName": "nobody"}], f'Could not find model "{ARN}:model/nobody"'),
        (
            [{**VARIANT, "InitialInstanceCount": 17}],
            "InitialInstanceCount of variant AllTraffic is 17; it must be 1 to 16",
        ),
        ([VARIANT, VARIANT], "Two production variants have the name AllTraffic"),
        ([{"VariantName": "A"}], "3 validation errors detected: Value null at 'modelName'"),
    ],
)
def test_configurations_that_are_refused(
    shared: Any, variants: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(ClientError, match=message):
        shared.client("sagemaker").create_endpoint_config(
            EndpointConfigName="refused", ProductionVariants=variants
        )


def test_endpoints_that_are_not_there(shared: Any) -> None:
    client = shared.client("sagemaker")
    with pytest.raises(ClientError, match="Could not find endpoint configuration"):
        client.create_endpoint(EndpointName="refused", EndpointConfigName="nobody")
    for operation in (client.describe_endpoint, client.delete_endpoint):
        with pytest.raises(ClientError, match=f'Could not find endpoint "{ARN}:endpoint/nobody"'):
            operation(EndpointName="nobody")


def test_an_operation_that_is_not_there_is_named(shared: Any) -> None:
    with pytest.raises(ClientError, match="ListCompilationJobs"):
        shared.client("sagemaker").list_compilation_jobs()


def test_what_the_sdk_asks_for_in_every_job_is_accepted(shared: Any) -> None:
    asked: dict[str, Any] = {
        "AlgorithmSpecification": {
            "TrainingImage": "test",
            "TrainingInputMode": "File",
            "EnableSageMakerMetricsTimeSeries": True,
        },
        "DebugHookConfig": {"S3OutputPath": "s3://models/", "CollectionConfigurations": []},
        "ProfilerConfig": {"S3OutputPath": "s3://models/", "DisableProfiler": False},
    }
    shared.train("as-the-sdk-asks", **asked)
    described = shared.ended("as-the-sdk-asks")
    assert described["TrainingJobStatus"] == "Completed"
    assert {name: described[name] for name in asked} == asked


@pytest.mark.parametrize(
    ("changes", "member"),
    [
        (
            {
                "DebugHookConfig": {
                    "S3OutputPath": "s3://models/",
                    "CollectionConfigurations": [{"CollectionName": "losses"}],
                }
            },
            "DebugHookConfig.CollectionConfigurations",
        ),
        (
            {"ProfilerConfig": {"ProfilingParameters": {"DataloaderProfilingConfig": "{}"}}},
            "ProfilerConfig.ProfilingParameters",
        ),
    ],
)
def test_what_a_debugger_would_do_is_refused(
    shared: Any, changes: dict[str, Any], member: str
) -> None:
    with pytest.raises(ClientError, match=rf"ValidationException.*: {member} is not available"):
        shared.train("debugged", **changes)
