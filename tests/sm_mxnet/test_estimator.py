"""The three classes, as users make them."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import boto3
import pytest

import sm_mxnet
from sm_core import ConfigurationError, Estimator, Session
from sm_mxnet import MXNet, MXNetModel, MXNetPredictor


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "train.py"
    path.write_text("def train(hyperparameters): ...\n", encoding="utf-8")
    return str(path)


def test_by_position_as_specified(script: str) -> None:
    estimator = MXNet(script, "SageMakerRole", 2, "ml.c4.xlarge")
    assert estimator.entry_point == script
    assert estimator.role == "SageMakerRole"
    assert estimator.train_instance_count == 2
    assert estimator.train_instance_type == "ml.c4.xlarge"


def test_by_the_framework_s_name(script: str) -> None:
    estimator = Estimator(framework="mxnet", entry_point=script, train_instance_type="ml.c4.xlarge")
    assert isinstance(estimator, MXNet)
    assert estimator.framework is not None
    assert estimator.framework.model_class() is MXNetModel
    assert estimator.framework.predictor_class() is MXNetPredictor


@pytest.mark.parametrize(
    ("partition", "region", "domain"),
    [
        ("aws", "us-east-1", "amazonaws.com"),
        ("aws-cn", "cn-northwest-1", "amazonaws.com.cn"),
        ("aws-us-gov", "us-gov-east-1", "amazonaws.com"),
        ("aws-iso", "us-iso-east-1", "c2s.ic.gov"),
        ("aws-iso-b", "us-isob-east-1", "sc2s.sgov.gov"),
    ],
)
def test_requests_in_each_partition(
    tmp_path: Path, partition: str, region: str, domain: str
) -> None:
    script = tmp_path / "train.py"
    script.write_text("if __name__ == '__main__':\n    print('training')\n", encoding="utf-8")
    role = f"arn:{partition}:iam::123456789012:role/SageMakerRole"
    session = Session(boto3.Session(region_name=region))
    estimator = MXNet(
        str(script), role, train_instance_type="ml.m5.xlarge", sagemaker_session=session
    )
    request = estimator.training_request("s3://bucket/data")
    assert request["RoleArn"] == role
    bucket = request["OutputDataConfig"]["S3OutputPath"]
    assert bucket == f"s3://sagemaker-{region}-123456789012/"
    registry = request["AlgorithmSpecification"]["TrainingImage"].partition("/")[0]
    assert registry.endswith(f".dkr.ecr.{region}.{domain}")


@pytest.mark.parametrize("option", [{"framework_version": 1.9}, {"py_version": 3}])
def test_a_version_is_text(script: str, option: dict[str, Any]) -> None:
    ((name, value),) = option.items()
    reason = rf"{name} is {value}; give it as text: {name}='{value}'"
    with pytest.raises(ConfigurationError, match=reason):
        MXNet(script, "SageMakerRole", 1, "ml.c4.xlarge", **option)
    with pytest.raises(ConfigurationError, match=reason):
        MXNetModel("s3://b/model.tar.gz", "SageMakerRole", **option)


def test_signatures_name_the_options() -> None:
    assert list(inspect.signature(MXNet).parameters)[:4] == [
        "entry_point",
        "role",
        "train_instance_count",
        "train_instance_type",
    ]
    assert list(inspect.signature(MXNetModel).parameters)[:2] == ["model_data", "role"]


def test_public_names_are_importable_and_no_others() -> None:
    assert dir(sm_mxnet) == sm_mxnet.__all__
    for name in sm_mxnet.__all__:
        assert getattr(sm_mxnet, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'MXNett'"):
        sm_mxnet.MXNett  # type: ignore[attr-defined]  # that is what is tested  # noqa: B018


def request(script: str, backend: str = "aws", **options: Any) -> dict[str, Any]:
    estimator = MXNet(
        script,
        "arn:aws:iam::123456789012:role/SageMakerRole",
        1,
        "ml.c4.xlarge",
        sagemaker_session=Session(boto3.Session(region_name="us-east-1"), backend=backend),
        **options,
    )
    return estimator.training_request("s3://b/digits")


def test_a_script_with_functions_is_refused_where_aws_would_not_call_them(script: str) -> None:
    for options in ({}, {"framework_version": "1.3.0"}, {"framework_version": "1.4.1"}):
        with pytest.raises(ConfigurationError, match=r"train\.py would not train .*'1\.2\.1'"):
            request(script, py_version="py3" if options else None, **options)
    assert request(script, framework_version="1.2.1", py_version="py3")
    assert request(script, image_name="own:1")
    forced = request(script, script_mode=True)["HyperParameters"]
    assert forced["sagemaker_script_mode"] == "true"


def test_a_script_that_runs_by_itself_is_not_refused(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text("if __name__ == '__main__':\n    print('training')\n", encoding="utf-8")
    assert request(str(path))


def test_a_gluon_model_fn_alone_serves_on_any_image(tmp_path: Path) -> None:
    path = tmp_path / "serve.py"
    path.write_text("def model_fn(model_dir): ...\ndef input_fn(a, b): ...\n", encoding="utf-8")
    model = MXNetModel(
        "s3://b/model.tar.gz",
        "arn:aws:iam::123456789012:role/SageMakerRole",
        entry_point=str(path),
        sagemaker_session=Session(boto3.Session(region_name="us-east-1")),
    )
    assert model.model_request("ml.c4.xlarge")


#: AWS's own images, and whether they read the code from the model's archive.
SERVING = [
    *((version, "py3", False) for version in ("0.12.1", "1.0", "1.1.0", "1.2.1", "1.3.0")),
    *((version, "py2", True) for version in ("1.4.0", "1.4", "1.4.1", "1.6")),
    *((version, "py3", True) for version in ("1.4.1", "1.6.0", "1.7", "1.8.0", "1.9", "1.9.0")),
    (None, None, True),
]


@pytest.mark.parametrize(("version", "python", "in_model"), SERVING)
def test_each_version_of_aws_finds_the_code(
    script: str, version: str | None, python: str | None, in_model: bool
) -> None:
    model = MXNetModel(
        "s3://b/model.tar.gz",
        "arn:aws:iam::123456789012:role/SageMakerRole",
        entry_point=script,
        framework_version=version,
        py_version=python,
        sagemaker_session=Session(boto3.Session(region_name="us-east-1")),
    )
    container = model.model_request("ml.c4.xlarge")["PrimaryContainer"]
    assert container["Environment"]["SAGEMAKER_PROGRAM"] == "train.py"
    place = container["Environment"]["SAGEMAKER_SUBMIT_DIRECTORY"]
    bucket = "s3://sagemaker-us-east-1-123456789012/code/"
    if in_model:
        assert place == "/opt/ml/model/code"
        assert container["ModelDataUrl"].startswith(bucket)
    else:
        assert place.startswith(bucket)
        assert container["ModelDataUrl"] == "s3://b/model.tar.gz"
    # The same image, named by its URI.
    named = MXNetModel(
        "s3://b/model.tar.gz",
        "arn:aws:iam::123456789012:role/SageMakerRole",
        entry_point=script,
        image=container["Image"],
        name="named",
        sagemaker_session=Session(boto3.Session(region_name="us-east-1")),
    )
    assert named.model_request("ml.c4.xlarge")["PrimaryContainer"] == container


def test_the_first_images_find_the_code_in_s3(script: str) -> None:
    model = MXNetModel(
        "s3://b/model.tar.gz",
        "arn:aws:iam::123456789012:role/SageMakerRole",
        entry_point=script,
        image="520713654638.dkr.ecr.us-east-1.amazonaws.com/sagemaker-mxnet-py2-cpu:1.0",
        sagemaker_session=Session(boto3.Session(region_name="us-east-1")),
    )
    container = model.model_request("ml.c4.xlarge")["PrimaryContainer"]
    assert container["Environment"]["SAGEMAKER_SUBMIT_DIRECTORY"].startswith("s3://")
