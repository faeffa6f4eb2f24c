"""The specification's section "AWS SageMaker Estimators": its sample as printed, on moto's AWS."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import boto3
import numpy as np
import pytest
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber
from moto import mock_aws

from sm_amazon_algos import (
    PCA,
    KMeans,
    LinearLearner,
    PCAPredictor,
    Record,
    numpy_to_record_serializer,
    records_to_numpy,
)

#: As printed, but for the name of the package.
SAMPLE = """
from sm_amazon_algos import PCA
pca_estimator = PCA(role='SageMakerRole', train_instance_count=1, train_instance_type='ml.m4.xlarge', num_components=3)

import numpy as np
records = pca_estimator.record_set(np.arange(10).reshape(2,5))

pca_estimator.fit(records)
"""  # noqa: E501 - as printed
RECORDS = "application/x-recordio-protobuf"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """AWS, as moto plays it in this process, with the role of the samples."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    with mock_aws():
        boto3.client("iam").create_role(RoleName="SageMakerRole", AssumeRolePolicyDocument="{}")
        yield


def run(text: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(text, "sample", "exec"), names)
    return names


def test_the_sample_of_pca(aws: None) -> None:
    names = run(SAMPLE)
    estimator, records = names["pca_estimator"], names["records"]
    assert (records.num_records, records.feature_dim, records.channel) == (2, 5, "train")
    job = estimator.latest_training_job.describe()
    assert job["AlgorithmSpecification"]["TrainingImage"] == (
        "174872318107.dkr.ecr.us-west-2.amazonaws.com/pca:1"
    )
    assert job["HyperParameters"] == {
        "num_components": "3",
        "feature_dim": "5",
        "mini_batch_size": "2",
    }
    assert job["RoleArn"] == "arn:aws:iam::123456789012:role/SageMakerRole"
    (channel,) = job["InputDataConfig"]
    source = channel["DataSource"]["S3DataSource"]
    assert (source["S3DataType"], source["S3Uri"]) == ("ManifestFile", records.s3_data)
    s3 = boto3.client("s3")
    bucket, _, key = records.s3_data.removeprefix("s3://").partition("/")
    (prefix, name) = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    shard = f"{prefix['prefix']}{name}".removeprefix(f"s3://{bucket}/")
    rows = records_to_numpy(s3.get_object(Bucket=bucket, Key=shard)["Body"].read())
    np.testing.assert_array_equal(rows.features["values"], np.arange(10).reshape(2, 5))
    assert not rows.label


@pytest.mark.integ
def test_the_sample_of_pca_runs_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMCORE_BACKEND", "local")
    try:
        estimator = run(SAMPLE)["pca_estimator"]
        with estimator.deploy(initial_instance_count=1, instance_type="ml.m4.xlarge") as predictor:
            first, second = predictor.predict(np.arange(10).reshape(2, 5))
    finally:
        subprocess.run([sys.executable, "-m", "sm_core.cli", "local", "down"], check=True)
    projections = [list(each.label["projection"].float32_tensor.values) for each in (first, second)]
    # Two rows have one direction between them: the last component, the strongest.
    np.testing.assert_allclose(np.abs(projections), [[0, 0, 31.25**0.5]] * 2, atol=1e-5)


def test_what_is_required() -> None:
    options = {"role": "SageMakerRole", "train_instance_type": "ml.m4.xlarge"}
    with pytest.raises(TypeError, match="KMeans needs k"):
        KMeans(**options)  # type: ignore[arg-type]  # that is the point
    with pytest.raises(TypeError, match="PCA needs num_components"):
        PCA(**options)  # type: ignore[arg-type]  # that is the point
    LinearLearner(**options)  # type: ignore[arg-type]  # mypy takes them for all options


def test_channels_and_labels_may_be_specified(aws: None) -> None:
    learner = LinearLearner("SageMakerRole", 1, "ml.m4.xlarge", predictor_type="regressor")
    rows = np.arange(10).reshape(2, 5)
    found = [
        learner.record_set(rows, labels=np.array([0.5, 1.5])),
        learner.record_set(rows, labels=np.array([0.5, 1.5]), channel="test"),
    ]
    assert [each.channel for each in found] == ["train", "test"]
    learner.fit(found)
    assert learner.latest_training_job is not None
    channels = learner.latest_training_job.describe()["InputDataConfig"]
    assert [channel["ChannelName"] for channel in channels] == ["train", "test"]


def test_a_predictor_takes_numpy_data_and_returns_records(aws: None) -> None:
    answer = Record()
    answer.label["projection"].float32_tensor.values.extend([1, 2, 3])
    body = numpy_to_record_serializer(answer)
    predictor = PCAPredictor("endpoint")
    client = predictor.sagemaker_session.sagemaker_runtime_client
    with Stubber(client) as stubber:
        stubber.add_response(
            "invoke_endpoint",
            {"Body": StreamingBody(io.BytesIO(body), len(body)), "ContentType": RECORDS},
            {"EndpointName": "endpoint", "Body": ANY, "ContentType": RECORDS, "Accept": RECORDS},
        )
        (found,) = predictor.predict(np.arange(5))
    assert list(found.label["projection"].float32_tensor.values) == [1, 2, 3]
