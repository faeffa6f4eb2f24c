"""The real service's process, with an environment that the client has handed over."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import attrs
import boto3
import pytest
from botocore.config import Config

from sm_core.containerspec import ContainerSpec
from sm_local.backend import local_boto_session
from sm_local.environmentspec import EnvironmentSpec
from sm_local.home import ENVIRONMENT_TAG, REGION, RESERVED_BUCKET, Home

pytestmark = pytest.mark.integ

CONTAINER = str(Path(__file__).with_name("container.py"))
SPEC = EnvironmentSpec(
    container=ContainerSpec(
        framework="plain", version="1", train=(CONTAINER, "train"), serve=(CONTAINER, "serve")
    )
)
ROLE = "arn:aws:iam::000000000000:role/SageMakerRole"
RESOURCES: Any = {"InstanceType": "ml.c4.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}
TAGS = [{"Key": ENVIRONMENT_TAG, "Value": SPEC.digest}]


def until(describe: Any, member: str, moving: tuple[str, ...]) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while (answer := describe())[member] in moving:
        assert time.monotonic() < deadline, answer
        time.sleep(0.05)
    description: dict[str, Any] = answer
    return description


def train(home: Home, name: str, spec: EnvironmentSpec) -> dict[str, Any]:
    """DescribeTrainingJob of a job in an environment, once it has ended."""
    session = local_boto_session(home)
    s3, sagemaker = session.client("s3"), session.client("sagemaker")
    s3.put_object(Bucket=RESERVED_BUCKET, Key=f"specs/{spec.digest}.json", Body=spec.to_json())
    s3.create_bucket(Bucket="models")
    sagemaker.create_training_job(
        TrainingJobName=name,
        RoleArn=ROLE,
        AlgorithmSpecification={"TrainingImage": "any", "TrainingInputMode": "File"},
        OutputDataConfig={"S3OutputPath": "s3://models"},
        ResourceConfig=RESOURCES,
        StoppingCondition={"MaxRuntimeInSeconds": 60},
        Tags=[{"Key": ENVIRONMENT_TAG, "Value": spec.digest}],
    )
    return until(
        lambda: sagemaker.describe_training_job(TrainingJobName=name),
        "TrainingJobStatus",
        ("InProgress",),
    )


def test_train_deploy_invoke_delete(service_home: Home) -> None:
    session = local_boto_session(service_home)
    s3, sagemaker = session.client("s3"), session.client("sagemaker")
    job = train(service_home, "handed-over", SPEC)
    assert job["TrainingJobStatus"] == "Completed", job
    model = job["ModelArtifacts"]["S3ModelArtifacts"]
    sagemaker.create_model(
        ModelName="handed-over",
        PrimaryContainer={"Image": "any", "ModelDataUrl": model},
        ExecutionRoleArn=ROLE,
        Tags=TAGS,
    )
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": "handed-over",
        "InstanceType": "ml.c4.xlarge",
        "InitialInstanceCount": 1,
    }
    sagemaker.create_endpoint_config(EndpointConfigName="handed-over", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="handed-over", EndpointConfigName="handed-over")
    endpoint = until(
        lambda: sagemaker.describe_endpoint(EndpointName="handed-over"),
        "EndpointStatus",
        ("Creating",),
    )
    assert endpoint["EndpointStatus"] == "InService", endpoint
    answer = session.client("sagemaker-runtime").invoke_endpoint(
        EndpointName="handed-over", Body=b"hello"
    )
    seen = json.loads(answer["Body"].read())
    assert (seen["body"], seen["model"]) == ("hello", ["listing.json"])
    # The container's own key pair is good for objects, but not for what environments are made of.
    theirs = boto3.Session(seen["key"], seen["secret"], region_name=REGION).client(
        "s3", endpoint_url=s3.meta.endpoint_url, config=Config(s3={"addressing_style": "path"})
    )
    assert theirs.head_object(Bucket="models", Key="handed-over/output/model.tar.gz")
    with pytest.raises(theirs.exceptions.ClientError, match="AccessDenied"):
        theirs.put_object(Bucket=RESERVED_BUCKET, Key="specs/x.json", Body=b"")
    sagemaker.delete_endpoint(EndpointName="handed-over")


@pytest.mark.parametrize(
    ("requirements", "words"),
    [
        (("no-such-package>=3",), "Because no-such-package was not found"),
        (("one-package>=2", "one-package<2"), "you require one-package>=2 and one-package<2"),
    ],
)
def test_the_installer_s_own_words_are_the_reason(
    service_home: Home, requirements: tuple[str, ...], words: str
) -> None:
    container = attrs.evolve(SPEC.container, requirements=requirements)
    spec = EnvironmentSpec(container=container, index={"UV_NO_INDEX": "1"})
    job = train(service_home, "unbuildable", spec)
    assert job["TrainingJobStatus"] == "Failed"
    reason = job["FailureReason"]
    assert reason.startswith("ClientError: the environment of plain 1 cannot be built with ")
    assert words in reason
    events = (
        local_boto_session(service_home)
        .client("logs")
        .filter_log_events(logGroupName="/aws/sagemaker/TrainingJobs")["events"]
    )
    assert any(words in event["message"] for event in events)


def test_an_image_that_nobody_knows_is_refused_before_anything_starts(service_home: Home) -> None:
    sagemaker = local_boto_session(service_home).client("sagemaker")
    container: Any = {"Image": "my/own:1"}
    with pytest.raises(sagemaker.exceptions.ClientError) as model:
        sagemaker.create_model(ModelName="m", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    with pytest.raises(sagemaker.exceptions.ClientError) as job:
        sagemaker.create_training_job(
            TrainingJobName="own",
            RoleArn=ROLE,
            AlgorithmSpecification={"TrainingImage": "my/own:1", "TrainingInputMode": "File"},
            OutputDataConfig={"S3OutputPath": "s3://models"},
            ResourceConfig=RESOURCES,
            StoppingCondition={"MaxRuntimeInSeconds": 60},
        )
    for caught in (model, job):
        error = caught.value.response["Error"]
        assert error["Code"] == "ValidationException"
        for part in (
            "no plugin of the local service knows the image my/own:1",
            "amazonaws.com/mxnet-training:1.9.0-cpu-py38",
            "pip install sm-mxnet",
            "run the image on AWS",
        ):
            assert part in error["Message"]
    assert sagemaker.list_training_jobs()["TrainingJobSummaries"] == []
    assert sagemaker.list_models()["Models"] == []
