"""SageMaker's calls by hand: each request is valid, and what there is not is said so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sm_core.errors import (
    ConfigurationError,
    EndpointFailed,
    RequestError,
    TrainingJobFailed,
)
from sm_core.logs import TRAINING_GROUP
from sm_core.model import container_def, production_variant
from sm_core.session import Session

Refuse = Callable[..., None]
WriteLog = Callable[..., None]
LeftOver = Callable[[], list[str]]
Statuses = Callable[..., None]

ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
DATA = "s3://models/model.tar.gz"


def train(session: Session, **others: Any) -> str:
    arguments: dict[str, Any] = {
        "input_config": None,
        "role": ROLE,
        "job_name": "job",
        "output_config": {"S3OutputPath": "s3://out/"},
        "resource_config": {
            "InstanceType": "ml.c5.xlarge",
            "InstanceCount": 1,
            "VolumeSizeInGB": 30,
        },
        "hyperparameters": {"k": "10"},
        "stop_condition": {"MaxRuntimeInSeconds": 3600},
    }
    return session.train("image:1", "File", **{**arguments, **others})


@pytest.fixture
def job_status(session: Session) -> Callable[..., None]:
    """Set members of what DescribeTrainingJob answers; None takes one away."""

    def answer(**members: Any) -> None:
        def change(parsed: dict[str, Any], **_: object) -> None:
            parsed.update(members)
            for name in [name for name, value in parsed.items() if value is None]:
                del parsed[name]

        session.sagemaker_client.meta.events.register(
            "after-call.sagemaker.DescribeTrainingJob", change
        )

    return answer


# Training jobs


def test_a_job_is_started_of_the_request_s_own_parts(session: Session) -> None:
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://in/x"}}
    channels = [{"ChannelName": "train", "DataSource": source}]
    arn = train(session, input_config=channels, tags={"team": "vision"})
    assert arn == "arn:aws:sagemaker:us-east-1:123456789012:training-job/job"
    described = session.sagemaker_client.describe_training_job(TrainingJobName="job")
    assert described["AlgorithmSpecification"]["TrainingImage"] == "image:1"
    assert described["HyperParameters"] == {"k": "10"}
    assert described["InputDataConfig"][0]["ChannelName"] == "train"
    tags = session.sagemaker_client.list_tags(ResourceArn=arn)["Tags"]
    assert tags == [{"Key": "team", "Value": "vision"}]


def test_a_part_that_is_wrong_is_named(session: Session) -> None:
    with pytest.raises(ConfigurationError, match=r"Missing required parameter.*S3OutputPath"):
        train(session, output_config={})


def test_a_job_s_role_may_be_a_name(session: Session) -> None:
    session.client("iam").create_role(RoleName="Trainer", AssumeRolePolicyDocument="{}")
    train(session, role="Trainer")
    described = session.sagemaker_client.describe_training_job(TrainingJobName="job")
    assert described["RoleArn"] == "arn:aws:iam::123456789012:role/Trainer"


def test_a_job_is_waited_for_in_silence(
    session: Session, job_status: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    train(session)
    assert session.wait_for_job("job", 0)["TrainingJobStatus"] == "Completed"
    job_status(TrainingJobStatus="Failed", FailureReason="AlgorithmError: oh no")
    with pytest.raises(TrainingJobFailed, match="oh no"):
        session.wait_for_job("job")
    assert capsys.readouterr().out == ""


def test_a_job_s_log_lines_are_shown_as_far_as_they_go(
    session: Session,
    write_log: WriteLog,
    job_status: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    train(session)
    job_status(TrainingJobStatus="InProgress")
    write_log(TRAINING_GROUP, "job/algo-1-1511395200", "epoch 1")
    write_log(TRAINING_GROUP, "job/algo-2-1511395200", "epoch 1 too")
    session.logs_for_job("job")
    assert capsys.readouterr().out == "algo-1 | epoch 1\nalgo-2 | epoch 1 too\n"


def test_a_job_s_log_lines_are_followed_to_its_end(
    session: Session,
    write_log: WriteLog,
    job_status: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    train(session)
    write_log(TRAINING_GROUP, "job/algo-1-1511395200", "epoch 1")
    session.logs_for_job("job", wait=True, poll=0)
    assert "algo-1 | epoch 1\n" in capsys.readouterr().out
    job_status(TrainingJobStatus="Failed", FailureReason="oh no")
    with pytest.raises(TrainingJobFailed):
        session.logs_for_job("job", True)


# Models


def test_a_model_is_made_of_an_image_or_a_container(session: Session) -> None:
    assert session.create_model("plain", ROLE, primary_container="image:1") == "plain"
    container = container_def("image:2", DATA, env={"A": "1"})
    session.create_model("full", ROLE, primary_container=container, tags={"team": "vision"})
    client = session.sagemaker_client
    plain = client.describe_model(ModelName="plain")
    assert plain["PrimaryContainer"]["Image"] == "image:1"
    assert plain["ExecutionRoleArn"] == ROLE
    full = client.describe_model(ModelName="full")
    assert full["PrimaryContainer"]["ModelDataUrl"] == DATA
    assert full["PrimaryContainer"]["Environment"] == {"A": "1"}
    tags = client.list_tags(ResourceArn=full["ModelArn"])["Tags"]
    assert tags == [{"Key": "team", "Value": "vision"}]


def test_a_model_is_made_of_what_a_job_trained(session: Session) -> None:
    train(session)
    assert session.create_model_from_job("job") == "job"
    client = session.sagemaker_client
    model = client.describe_model(ModelName="job")
    job = client.describe_training_job(TrainingJobName="job")
    data = job["ModelArtifacts"]["S3ModelArtifacts"]
    assert model["PrimaryContainer"]["Image"] == "image:1"
    assert model["PrimaryContainer"]["ModelDataUrl"] == data
    assert model["ExecutionRoleArn"] == ROLE
    other = session.create_model_from_job(
        "job", "other", primary_container_image="serving:1", model_data_url=DATA, env={"A": "1"}
    )
    container = client.describe_model(ModelName=other)["PrimaryContainer"]
    assert (container["Image"], container["ModelDataUrl"]) == ("serving:1", DATA)


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"TrainingJobStatus": "InProgress"}, r"InProgress; Session.wait_for_job\('job'\) waits"),
        ({"TrainingJobStatus": "Failed"}, "Failed$"),
        ({"ModelArtifacts": None}, "Completed$"),
    ],
)
def test_a_job_without_a_model_makes_none(
    session: Session,
    job_status: Callable[..., None],
    members: dict[str, Any],
    reason: str,
) -> None:
    train(session)
    job_status(**members)
    with pytest.raises(ConfigurationError, match=f"has no model: its status is {reason}"):
        session.create_model_from_job("job")
    assert session.create_model_from_job("job", model_data_url=DATA) == "job"


def test_a_job_without_an_image_needs_one(
    session: Session, job_status: Callable[..., None]
) -> None:
    train(session)
    job_status(AlgorithmSpecification=None)
    with pytest.raises(ConfigurationError, match="training job job names no image: give one"):
        session.create_model_from_job("job")
    assert session.create_model_from_job("job", primary_container_image="serving:1") == "job"


def test_a_job_that_is_not_there_is_a_request_error(session: Session) -> None:
    with pytest.raises(RequestError) as caught:
        session.create_model_from_job("absent")
    assert caught.value.operation == "DescribeTrainingJob"


# Endpoints


def test_configuration_and_endpoint_one_by_one(session: Session, left_over: LeftOver) -> None:
    session.create_model("model", ROLE, primary_container="image:1")
    assert (
        session.create_endpoint_config(
            "config", "model", initial_instance_count=2, instance_type="quick"
        )
        == "config"
    )
    assert session.create_endpoint("endpoint", "config", tags={"a": "b"}) == "endpoint"
    client = session.sagemaker_client
    (variant,) = client.describe_endpoint_config(EndpointConfigName="config")["ProductionVariants"]
    assert variant["InstanceType"] == "ml.c5.xlarge"
    assert variant["InitialInstanceCount"] == 2
    assert variant["VariantName"] == "AllTraffic"
    assert session.wait_for_endpoint("endpoint", 0)["EndpointStatus"] == "InService"
    session.delete_endpoint("endpoint")
    assert left_over() == ["model", "config"]


def test_an_endpoint_need_not_be_waited_for(session: Session, endpoint_status: Statuses) -> None:
    session.create_model("model", ROLE, primary_container="image:1")
    session.create_endpoint_config(
        "config", "model", initial_instance_count=1, instance_type="ml.c5.xlarge"
    )
    endpoint_status("Creating", "Failed", reason="out of machines")
    session.create_endpoint("endpoint", "config", wait=False)
    with pytest.raises(EndpointFailed, match="out of machines"):
        session.wait_for_endpoint("endpoint")


def test_an_endpoint_of_a_job(session: Session, left_over: LeftOver) -> None:
    train(session)
    assert session.endpoint_from_job("job", 1, instance_type="quick") == "job"
    assert left_over() == ["job", "job", "job"]
    name = session.endpoint_from_job(
        "job", 1, instance_type="quick", deployment_image="serving:1", name="other", wait=False
    )
    model = session.sagemaker_client.describe_model(ModelName=name)
    assert model["PrimaryContainer"]["Image"] == "serving:1"


@pytest.mark.parametrize("operation", ["CreateModel", "CreateEndpointConfig", "CreateEndpoint"])
def test_an_old_one_of_that_name_is_never_taken_for_a_new_one(
    session: Session, refuse: Refuse, operation: str
) -> None:
    train(session)
    session.endpoint_from_job("job", 1, instance_type="quick")
    there = f"Cannot create already existing {operation.removeprefix('Create')}"
    refuse(session.sagemaker_client, operation, code="ValidationException", message=there)
    with pytest.raises(RequestError, match=there):
        session.endpoint_from_job("job", 1, instance_type="quick", deployment_image="new:1")


def test_an_endpoint_of_model_data(session: Session, left_over: LeftOver) -> None:
    name = session.endpoint_from_model_data(
        DATA,
        "registry.example/serving:1",
        initial_instance_count=1,
        instance_type="quick",
        role=ROLE,
        env={"A": "1"},
    )
    assert name.startswith("serving-20")
    assert left_over() == [name, name, name]
    container = session.sagemaker_client.describe_model(ModelName=name)["PrimaryContainer"]
    assert (container["ModelDataUrl"], container["Environment"]) == (DATA, {"A": "1"})


def test_an_endpoint_of_variants_by_weight(session: Session, left_over: LeftOver) -> None:
    for model in ("old", "new"):
        session.create_model(model, ROLE, primary_container="image:1")
    variants = [
        production_variant("old", "quick", variant_name="old", initial_weight=9),
        production_variant("new", "ml.c5.xlarge", variant_name="new", initial_weight=1),
    ]
    session.endpoint_from_production_variants("endpoint", variants, tags={"team": "vision"})
    sent = session.sagemaker_client.describe_endpoint_config(EndpointConfigName="endpoint")
    shares = {v["VariantName"]: v["InitialVariantWeight"] for v in sent["ProductionVariants"]}
    assert shares == {"old": 9.0, "new": 1.0}
    assert {v["InstanceType"] for v in sent["ProductionVariants"]} == {"ml.c5.xlarge"}
    assert sorted(left_over()) == ["endpoint", "endpoint", "new", "old"]


@pytest.mark.parametrize("operation", ["CreateModel", "CreateEndpointConfig", "CreateEndpoint"])
def test_hosting_is_all_or_nothing(
    session: Session, refuse: Refuse, left_over: LeftOver, operation: str
) -> None:
    train(session)
    refuse(session.sagemaker_client, operation, code="ResourceLimitExceeded", message="no more")
    with pytest.raises(RequestError, match="no more"):
        session.endpoint_from_job("job", 1, instance_type="quick")
    with pytest.raises(RequestError, match="no more"):
        session.endpoint_from_model_data(
            DATA, "image:1", initial_instance_count=1, instance_type="quick", role=ROLE
        )
    assert left_over() == []
