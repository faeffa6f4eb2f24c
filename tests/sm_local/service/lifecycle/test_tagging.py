"""Tags, and lists of what may have some."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.integ

TAGS = [{"Key": "team", "Value": "a"}, {"Key": "cost", "Value": "1"}]


def tags(service: Any, arn: str) -> dict[str, str]:
    pages = service.client("sagemaker").get_paginator("list_tags").paginate(ResourceArn=arn)
    return {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}


@pytest.fixture(scope="module")
def arns(shared: Any) -> dict[str, str]:
    """The ARNs of one resource of each kind, by kind."""
    shared.train("Tagged-Job", Tags=TAGS)
    shared.deploy("tagged")
    shared.endpoint("tagged")
    shared.ended("Tagged-Job")
    client = shared.client("sagemaker")
    return {
        "job": client.describe_training_job(TrainingJobName="Tagged-Job")["TrainingJobArn"],
        "model": client.describe_model(ModelName="tagged")["ModelArn"],
        "config": client.describe_endpoint_config(EndpointConfigName="tagged")["EndpointConfigArn"],
        "endpoint": client.describe_endpoint(EndpointName="tagged")["EndpointArn"],
    }


@pytest.mark.parametrize("kind", ["job", "model", "config", "endpoint"])
def test_tags_are_added_and_deleted(shared: Any, arns: dict[str, str], kind: str) -> None:
    client = shared.client("sagemaker")
    before = {"team": "a", "cost": "1"} if kind == "job" else {}
    assert tags(shared, arns[kind]) == before
    added = [{"Key": "team", "Value": "b"}, {"Key": "new", "Value": ""}]
    client.add_tags(ResourceArn=arns[kind], Tags=added)
    assert tags(shared, arns[kind]) == {**before, "team": "b", "new": ""}
    client.delete_tags(ResourceArn=arns[kind], TagKeys=["new", "never"])
    assert tags(shared, arns[kind]) == {**before, "team": "b"}


def test_what_is_refused(shared: Any, arns: dict[str, str]) -> None:
    client = shared.client("sagemaker")
    missing = "arn:aws:sagemaker:us-east-1:000000000000:model/nobody"
    with pytest.raises(ClientError, match="Could not find resource with ARN"):
        client.list_tags(ResourceArn=missing)
    many = [{"Key": str(number), "Value": ""} for number in range(50)]
    with pytest.raises(ClientError, match="50 tags at most"):
        client.add_tags(ResourceArn=arns["job"], Tags=many)
    reserved = [{"Key": "AWS:team", "Value": "a"}]
    words = "not allowed for external use: AWS:team"
    with pytest.raises(ClientError, match=words):
        client.add_tags(ResourceArn=arns["job"], Tags=reserved)
    with pytest.raises(ClientError, match=words):
        shared.train("reserved-tag", Tags=reserved)


def test_lists_of_models_and_configurations(shared: Any, arns: dict[str, str]) -> None:
    client = shared.client("sagemaker")
    (model,) = client.list_models(NameContains="tagged")["Models"]
    assert (model["ModelName"], model["ModelArn"]) == ("tagged", arns["model"])
    (config,) = client.list_endpoint_configs(NameContains="tagged")["EndpointConfigs"]
    assert config["EndpointConfigArn"] == arns["config"]
    assert client.list_models(NameContains="other")["Models"] == []


def test_events_of_all_streams(shared: Any, arns: dict[str, str]) -> None:
    logs = shared.client("logs")
    found = logs.filter_log_events(
        logGroupName="/aws/sagemaker/TrainingJobs",
        logStreamNamePrefix="Tagged-Job/",
        filterPattern="training",
    )["events"]
    assert [event["message"] for event in found] == ["training: complete"]
    groups = logs.describe_log_groups(logGroupNamePrefix="/aws/sagemaker/")["logGroups"]
    names = [group["logGroupName"] for group in groups]
    assert names == ["/aws/sagemaker/Endpoints/tagged", "/aws/sagemaker/TrainingJobs"]
    with pytest.raises(ClientError, match="log stream does not exist: nothing"):
        logs.filter_log_events(
            logGroupName="/aws/sagemaker/TrainingJobs", logStreamNames=["nothing"]
        )
