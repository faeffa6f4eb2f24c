"""The request of a training job: what the options beside the everyday ones put into it."""

from __future__ import annotations

import re
from typing import Any

import boto3
import pytest
from botocore.validate import ParamValidator

from sm_core.errors import ConfigurationError, InputError
from sm_core.estimator import Estimator
from sm_core.frameworks import Framework
from sm_core.session import Session
from sm_core.settings import Checkpoints, Network, Spot

ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
NETWORK = Network(subnets=["subnet-1"], security_groups=["sg-1"], encrypt_traffic=True)

pytestmark = pytest.mark.usefixtures("no_installed_plugins")


def request(inputs: Any = None, **options: Any) -> dict[str, Any]:
    """A valid request of a container of the user's own."""
    session = Session(boto3.Session(region_name="us-east-1"))
    defaults = {"image_name": "registry.example/own:1", "train_instance_type": "ml.c5.xlarge"}
    estimator = Estimator(sagemaker_session=session, role=ROLE, **{**defaults, **options})
    made = estimator.training_request(inputs, job_name="job")
    model = session.sagemaker_client.meta.service_model.operation_model("CreateTrainingJob")
    report = ParamValidator().validate(made, model.input_shape)
    assert not report.has_errors(), report.generate_report()
    return made


def test_nothing_is_sent_that_was_not_asked_for() -> None:
    assert set(request()) == {
        "AlgorithmSpecification",
        "HyperParameters",
        "OutputDataConfig",
        "ResourceConfig",
        "RoleArn",
        "StoppingCondition",
        "TrainingJobName",
    }


def test_network() -> None:
    made = request(network=NETWORK)
    assert made["VpcConfig"] == {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
    assert made["EnableInterContainerTrafficEncryption"] is True
    assert "EnableNetworkIsolation" not in made
    assert request(network=Network(isolation=True))["EnableNetworkIsolation"] is True


def test_code_comes_by_a_channel_where_there_is_no_network(script: str) -> None:
    made = request(
        {"train": "s3://b/train"},
        entry_point=script,
        code_location="s3://code/p",
        input_mode="Pipe",
        network=Network(isolation=True),
    )
    train, code = made["InputDataConfig"]
    assert train["ChannelName"] == "train"
    uri = code["DataSource"]["S3DataSource"].pop("S3Uri")
    assert re.fullmatch(r"s3://code/p/[0-9a-f]{64}/sourcedir\.tar\.gz", uri)
    assert code == {
        "ChannelName": "code",
        "DataSource": {
            "S3DataSource": {
                "S3DataType": "S3Prefix",
                "S3DataDistributionType": "FullyReplicated",
            }
        },
        "InputMode": "File",
    }
    submitted = made["HyperParameters"]["sagemaker_submit_directory"]
    assert submitted == '"/opt/ml/input/data/code/sourcedir.tar.gz"'


def test_the_channel_of_the_code_is_nobody_else_s(script: str) -> None:
    with pytest.raises(InputError, match="channel 'code': with network isolation the script"):
        request({"code": "s3://b/p"}, entry_point=script, network=Network(isolation=True))


def test_spot_and_checkpoints() -> None:
    made = request(
        spot=Spot(max_wait=7200),
        train_max_run=3600,
        checkpoints=Checkpoints(local_path="/opt/ml/kept"),
        output_path="s3://b/results",
    )
    assert made["EnableManagedSpotTraining"] is True
    assert made["StoppingCondition"] == {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 7200}
    assert made["CheckpointConfig"] == {
        "S3Uri": "s3://b/results/job/checkpoints",
        "LocalPath": "/opt/ml/kept",
    }


def test_metrics_environment_and_keys() -> None:
    made = request(
        metrics={"loss": "loss=([0-9.]+)"},
        environment={"MODE": "fast"},
        train_volume_kms_key="alias/volume",
        output_kms_key="alias/output",
    )
    assert made["AlgorithmSpecification"]["MetricDefinitions"] == [
        {"Name": "loss", "Regex": "loss=([0-9.]+)"}
    ]
    assert made["Environment"] == {"MODE": "fast"}
    assert made["ResourceConfig"]["VolumeKmsKeyId"] == "alias/volume"
    assert made["OutputDataConfig"]["KmsKeyId"] == "alias/output"
    assert request(volume_kms_key="k")["ResourceConfig"]["VolumeKmsKeyId"] == "k"


def test_the_choice_between_script_and_functions_reaches_the_container(script: str) -> None:
    for chosen, sent in ((True, "true"), (False, "false"), (None, None)):
        made = request(entry_point=script, script_mode=chosen)
        assert made["HyperParameters"].get("sagemaker_script_mode") == sent


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"network": {"subnets": []}}, r"network is .*; give sm_core\.Network\(…\)"),
        ({"spot": True}, r"spot is True; give sm_core\.Spot\(…\), as in spot=Spot\(max_wait=172"),
        ({"spot": Spot(max_wait=60)}, "max_wait is 60 seconds, less than train_max_run, 86400"),
        ({"checkpoints": "s3://b/p"}, r"checkpoints is 's3://b/p'; give sm_core\.Checkpoints"),
        ({"metrics": {"loss": "loss"}}, "metrics: loss: 'loss' has no group"),
        ({"environment": {"A": 1}}, "environment: A is a int; give text"),
        ({"tags": {"aws:a": "b"}}, "tags: 'aws:a'"),
        ({"script_mode": "yes"}, "script_mode is 'yes'; give True, False, or None"),
    ],
)
def test_what_cannot_be_is_found_at_construction(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Estimator(image_name="image:1", train_instance_type="ml.c5.xlarge", **options)


def test_variables_are_not_shown() -> None:
    made = Estimator(
        image_name="image:1", train_instance_type="m", environment={"PASSWORD": "hidden"}
    )
    assert "hidden" not in repr(made)


def test_algorithms_take_them_too(cut: Framework) -> None:
    made = Estimator(
        framework="cut",
        role=ROLE,
        train_instance_type="ml.c5.xlarge",
        pieces=2,
        network=NETWORK,
        spot=Spot(max_wait=90_000),
    )
    assert made.network is NETWORK
    with pytest.raises(TypeError, match="Cut has no option 'script_mode'"):
        Estimator(framework="cut", train_instance_type="m", pieces=2, script_mode=True)
