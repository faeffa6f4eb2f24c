"""Requests: their shapes are botocore's, and hooks see every call that changes something."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

import attrs
import boto3
import pytest
from botocore.model import OperationModel, StructureShape
from botocore.validate import ParamValidator

from sm_core import requests
from sm_core.errors import ConfigurationError, PluginError
from sm_core.plugins import client_plugins
from sm_core.requests import (
    AlgorithmSpecification,
    Channel,
    CheckpointConfig,
    ContainerDefinition,
    DataSource,
    EndpointConfigRequest,
    EndpointRequest,
    MetricDefinition,
    ModelRequest,
    OutputDataConfig,
    ProductionVariant,
    RequestContext,
    ResourceConfig,
    S3DataSource,
    ShuffleConfig,
    StoppingCondition,
    Tag,
    TrainingJobRequest,
    VpcConfig,
    framework_of_calls,
    shape_request,
    shown_request,
    tags_of,
    to_aws,
)

AddPlugin = Callable[..., ModuleType]

TAGS = (Tag(key="team", value="vision"),)
VPC = VpcConfig(subnets=("subnet-1",), security_group_ids=("sg-1",))
TRAINING = TrainingJobRequest(
    training_job_name="job",
    algorithm_specification=AlgorithmSpecification(
        training_image="image:1", metric_definitions=(MetricDefinition(name="l", regex="(.)"),)
    ),
    role_arn="arn:aws:iam::123456789012:role/Role",
    output_data_config=OutputDataConfig(s3_output_path="s3://b/", kms_key_id="key"),
    resource_config=ResourceConfig(
        instance_type="ml.c5.xlarge", instance_count=2, volume_size_in_gb=30, volume_kms_key_id="k"
    ),
    stopping_condition=StoppingCondition(
        max_runtime_in_seconds=3600, max_wait_time_in_seconds=3600
    ),
    hyper_parameters={"under_score": "1"},
    input_data_config=(
        Channel(
            channel_name="train",
            data_source=DataSource(
                s3_data_source=S3DataSource(s3_uri="s3://b/p", attribute_names=("a",))
            ),
            content_type="text/csv",
            compression_type="Gzip",
            record_wrapper_type="RecordIO",
            input_mode="Pipe",
            shuffle_config=ShuffleConfig(seed=1),
        ),
    ),
    vpc_config=VPC,
    enable_network_isolation=True,
    enable_inter_container_traffic_encryption=True,
    enable_managed_spot_training=True,
    checkpoint_config=CheckpointConfig(s3_uri="s3://b/c", local_path="/opt/ml/checkpoints"),
    environment={"LOWER_case": "1"},
    tags=TAGS,
)
MODEL = ModelRequest(
    model_name="model",
    primary_container=ContainerDefinition(
        image="image:1", model_data_url="s3://b/m.tar.gz", environment={"LOWER_case": "1"}
    ),
    execution_role_arn="arn:aws:iam::123456789012:role/Role",
    vpc_config=VPC,
    enable_network_isolation=True,
    tags=TAGS,
)
CONFIG = EndpointConfigRequest(
    endpoint_config_name="config",
    production_variants=(
        ProductionVariant(
            variant_name="All",
            model_name="model",
            instance_type="ml.c5.xlarge",
            initial_instance_count=1,
        ),
    ),
    kms_key_id="key",
    tags=TAGS,
)
ENDPOINT = EndpointRequest(endpoint_name="endpoint", endpoint_config_name="config", tags=TAGS)
FULL = {
    "CreateTrainingJob": TRAINING,
    "CreateModel": MODEL,
    "CreateEndpointConfig": CONFIG,
    "CreateEndpoint": ENDPOINT,
}


def input_shape(operation: str) -> StructureShape:
    client = boto3.Session(region_name="us-east-1").client("sagemaker")
    model: OperationModel = client.meta.service_model.operation_model(operation)
    shape = model.input_shape
    assert isinstance(shape, StructureShape)
    return shape


@pytest.mark.parametrize("operation", FULL)
def test_requests_have_the_shape_that_botocore_knows(operation: str) -> None:
    shape = input_shape(operation)
    request = to_aws(FULL[operation])
    report = ParamValidator().validate(request, shape)
    assert not report.has_errors(), report.generate_report()
    assert set(unknown(request, shape)) == set()


def unknown(value: Any, shape: Any, path: str = "") -> Iterator[str]:
    """Members that the service does not know; botocore's validation passes some over."""
    if shape.type_name == "structure":
        for name, member in value.items():
            if name not in shape.members:
                yield f"{path}.{name}"
            else:
                yield from unknown(member, shape.members[name], f"{path}.{name}")
    elif shape.type_name == "list":
        for item in value:
            yield from unknown(item, shape.member, f"{path}[]")


def test_what_is_none_is_left_out_at_every_depth() -> None:
    plain = TrainingJobRequest(
        training_job_name="job",
        algorithm_specification=AlgorithmSpecification(training_image="image:1"),
        role_arn="arn:aws:iam::123456789012:role/Role",
        output_data_config=OutputDataConfig(s3_output_path="s3://b/"),
        resource_config=ResourceConfig(
            instance_type="ml.c5.xlarge", instance_count=2, volume_size_in_gb=30
        ),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=3600),
        hyper_parameters={},
    )
    assert to_aws(plain) == {
        "TrainingJobName": "job",
        "AlgorithmSpecification": {"TrainingImage": "image:1", "TrainingInputMode": "File"},
        "RoleArn": "arn:aws:iam::123456789012:role/Role",
        "OutputDataConfig": {"S3OutputPath": "s3://b/"},
        "ResourceConfig": {
            "InstanceType": "ml.c5.xlarge",
            "InstanceCount": 2,
            "VolumeSizeInGB": 30,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        "HyperParameters": {},
    }


def test_names_in_a_map_are_the_user_s_and_stay() -> None:
    assert to_aws(TRAINING)["HyperParameters"] == {"under_score": "1"}
    assert to_aws(MODEL)["PrimaryContainer"]["Environment"] == {"LOWER_case": "1"}


def test_tags() -> None:
    assert tags_of({"team": "vision"}) == TAGS
    assert tags_of([{"Key": "team", "Value": "vision"}]) == TAGS
    assert tags_of({}) is None
    assert tags_of(None) is None


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ("team", "tags is 'team'; give {'key': 'value'}"),
        ([{"key": "team"}], "tags is "),
        ({"aws:team": "vision"}, "'aws:team': names that begin with 'aws:' are AWS's own"),
        ({"": "vision"}, "'': a key has 1 to 128 characters"),
        ({"k" * 129: "vision"}, "a key has 1 to 128 characters"),
        ({"team": "v" * 257}, "'team': a value has up to 256 characters"),
        ({"team": 3}, "'team': a value has up to 256 characters"),
        ({"team": "a;b"}, "'team': 'a;b' has characters that AWS does not take"),
        ([{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}], "'a' is given twice"),
        ({str(number): "" for number in range(51)}, "51 are given, AWS takes 50"),
    ],
)
def test_tags_that_aws_would_refuse(tags: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^(?=tags).*{re.escape(message)}"):
        tags_of(tags)


def test_every_request_is_tried_here() -> None:
    made = {cls for cls in vars(requests).values() if isinstance(cls, type) and attrs.has(cls)}
    assert {cls.__name__ for cls in made if cls.__name__.endswith("Request")} == {
        type(value).__name__ for value in FULL.values()
    }


# Hooks


class Watch:
    """A plugin's ``sm_request`` that notes what it sees."""

    def __init__(self) -> None:
        self.seen: list[tuple[RequestContext, Mapping[str, Any]]] = []

    def __call__(self, context: RequestContext, request: Mapping[str, Any]) -> None:
        self.seen.append((context, request))


def shape(operation: str, request: Mapping[str, Any], **others: Any) -> dict[str, Any] | None:
    return shape_request(request, service="sagemaker", operation=operation, backend="aws", **others)


def sees(watch: Watch) -> Callable[..., None]:
    def sm_request(context: RequestContext, request: Mapping[str, Any]) -> None:
        watch(context, request)

    return sm_request


def test_hook_sm_request_sees_context_and_request(add_plugin: AddPlugin) -> None:
    watch = Watch()
    add_plugin(sm_request=sees(watch))
    with framework_of_calls("paper"):
        assert shape("CreateModel", {"ModelName": "m"}) is None
    assert watch.seen == [
        (
            RequestContext(
                service="sagemaker", operation="CreateModel", framework="paper", backend="aws"
            ),
            {"ModelName": "m"},
        )
    ]


def test_hook_sm_request_each_sees_what_the_one_before_made(add_plugin: AddPlugin) -> None:
    watch = Watch()
    add_plugin(sm_request=lambda request: {**request, "Tags": [1]})
    add_plugin(sm_request=sees(watch))
    add_plugin(sm_request=lambda request: {**request, "Tags": [*request["Tags"], 2]})
    assert shape("CreateModel", {"ModelName": "m"}) == {"ModelName": "m", "Tags": [1, 2]}
    assert watch.seen[0][1] == {"ModelName": "m", "Tags": [1]}


@pytest.mark.parametrize(
    ("operation", "shown"),
    [
        ("CreateTrainingJob", True),
        ("StopTrainingJob", True),
        ("DeleteEndpoint", True),
        ("PutObject", True),
        ("UploadPart", True),
        ("BatchDeleteClusterNodes", True),
        ("AddTags", True),
        ("DescribeTrainingJob", False),
        ("ListModels", False),
        ("GetObject", False),
        ("HeadBucket", False),
        ("InvokeEndpoint", False),
        ("BatchDescribeModelPackage", False),
        ("AssumeRole", False),
    ],
)
def test_hook_sm_request_is_asked_about_changes_only(
    add_plugin: AddPlugin, operation: str, shown: bool
) -> None:
    watch = Watch()
    add_plugin(sm_request=sees(watch))
    shape(operation, {})
    assert bool(watch.seen) == shown


def test_a_request_that_is_only_shown_says_so(add_plugin: AddPlugin) -> None:
    watch = Watch()
    add_plugin(sm_request=sees(watch))
    assert shown_request(ENDPOINT, operation="CreateEndpoint", backend="aws") == to_aws(ENDPOINT)
    assert [context.sending for context, _ in watch.seen] == [False]
    add_plugin(sm_request=lambda request: {**request, "more": 1})
    shown = shown_request(ENDPOINT, operation="CreateEndpoint", backend="aws")
    assert shown == {**to_aws(ENDPOINT), "more": 1}


def test_the_framework_is_the_caller_s_own(add_plugin: AddPlugin) -> None:
    watch = Watch()
    add_plugin(sm_request=sees(watch))
    with framework_of_calls("outer"):
        with framework_of_calls(None):
            shape("CreateModel", {})
        thread = threading.Thread(target=shape, args=("CreateModel", {}))
        thread.start()
        thread.join()
        shape("CreateModel", {})
    shape("CreateModel", {})
    frameworks = [context.framework for context, _ in watch.seen]
    assert frameworks == [None, None, "outer", None]


def test_without_plugins_nothing_changes(no_installed_plugins: None) -> None:
    assert client_plugins().hook.sm_request.get_hookimpls() == []
    assert shape("CreateModel", {"ModelName": "m"}) is None


def test_hook_sm_check_request_sees_the_finished_request(add_plugin: AddPlugin) -> None:
    checked = Watch()
    add_plugin("a", sm_check_request=sees(checked))
    add_plugin("b", sm_request=lambda request: {**request, "Tags": []})
    amended = shape("CreateTrainingJob", {"TrainingJobName": "job"})
    assert amended == {"TrainingJobName": "job", "Tags": []}
    ((context, request),) = checked.seen
    assert (context.operation, request) == ("CreateTrainingJob", amended)
    assert shape("DescribeTrainingJob", {}) is None
    assert len(checked.seen) == 1


def test_a_check_refuses_by_raising(add_plugin: AddPlugin) -> None:
    def sm_check_request(request: Mapping[str, Any]) -> None:
        if "Tags" not in request:
            raise PermissionError("no tags")

    add_plugin(sm_check_request=sm_check_request)
    assert shape("CreateModel", {"Tags": []}) is None
    with pytest.raises(PermissionError, match="no tags"):
        shape("CreateModel", {})
    with pytest.raises(PermissionError, match="no tags"):
        shown_request(attrs.evolve(MODEL, tags=None), operation="CreateModel", backend="aws")


def test_without_a_policy_that_was_set_aside_nothing_is_sent(install_plugin: Any) -> None:
    install_plugin("policy", "def sm_request(request): ...\nraise ImportError('gone')")
    with pytest.raises(PluginError, match=r"plugin 'policy' of policy 1\.2 was set aside"):
        shape("CreateModel", {})
    assert shape("DescribeModel", {}) is None
