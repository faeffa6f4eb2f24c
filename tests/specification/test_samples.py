"""The samples of the specification that need no framework, run against a stand-in for AWS."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.loaders import Loader
from moto import mock_aws

from sm_core.backends import Backend, Polling
from sm_core.errors import ConfigurationError
from sm_core.plugins import client_plugins, hookimpl
from sm_core.scripts import runs_as_script
from sm_mxnet import MXNet, MXNetModel, MXNetPredictor
from sm_mxnet.functions import FUNCTIONS
from sm_tensorflow import TensorFlowPredictor

REGION = "us-east-1"
ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
SAMPLES = {
    title.strip(): code
    for title, code in re.findall(
        r"^## (.*?)\n.*?^```python\n(.*?)^```$",
        (Path(__file__).parent / "samples.md").read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )
}
TENSORFLOW_SCRIPT = """
def model_fn(features, labels, mode, hyperparameters): ...
def train_input_fn(training_dir, hyperparameters): ...
def eval_input_fn(training_dir, hyperparameters): ...
def serving_input_fn(hyperparameters): ...
"""
_loader = Loader()

Run = Callable[..., dict[str, Any]]


def _boto_session() -> boto3.Session:
    core = botocore.session.Session()
    core.register_component("data_loader", _loader)
    core.register("after-call.sagemaker.CreateTrainingJob", _train)
    return boto3.Session(botocore_session=core, region_name=REGION)


def put(uri: str) -> None:
    """Put a model's archive there."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("model-symbol.json"))
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    client: Any = _boto_session().client("s3")
    client.create_bucket(Bucket=bucket)
    client.put_object(Bucket=bucket, Key=key, Body=stream.getvalue())


def packed(uri: str) -> list[str]:
    """Names of what an archive holds."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    client: Any = _boto_session().client("s3")
    body = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        return tar.getnames()


def _train(**_: Any) -> None:
    """Leave models of the jobs that there are, which moto only names."""
    client: Any = _boto_session().client("sagemaker")
    for summary in client.list_training_jobs()["TrainingJobSummaries"]:
        job = client.describe_training_job(TrainingJobName=summary["TrainingJobName"])
        put(job["ModelArtifacts"]["S3ModelArtifacts"])


class _Quick:
    """A plugin with a back end that is AWS, without pauses between questions."""

    @hookimpl
    def sm_backends(self) -> list[Backend]:
        """The back end."""
        return [
            Backend(
                name="quick",
                boto_session=_boto_session,
                polling=Polling(first=0, factor=1, ceiling=0),
                default_role=self.role,
                runs_own_containers=self.runs_own_containers,
            )
        ]

    role: str | None = ROLE
    #: Whether it is like a back end that makes containers, of this project's plugins, itself.
    runs_own_containers = False


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Quick]:
    """The back end that samples find, whose default role a test may take away."""
    client_plugins.cache_clear()
    plugin = _Quick()
    client_plugins().register(plugin, name="quick")
    monkeypatch.setenv("SMCORE_BACKEND", "quick")
    with mock_aws():
        session = _boto_session()
        session.client("iam").create_role(RoleName="SageMakerRole", AssumeRolePolicyDocument="{}")
        yield plugin
    client_plugins.cache_clear()


@pytest.fixture
def run(quick: _Quick, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a sample, with names that it leaves to be imported, beside the scripts that it names."""
    for name in ("mxnet-train.py", "train.py", "trasform_script.py"):
        (tmp_path / name).write_text("print('training')\n", encoding="utf-8")
    (tmp_path / "tf-train.py").write_text(TENSORFLOW_SCRIPT, encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    def execute(title: str, **names: Any) -> dict[str, Any]:
        exec(compile(SAMPLES[title], title, "exec"), names)
        return names

    return execute


def only_job() -> dict[str, Any]:
    """The description of the one job that there is."""
    client: Any = _boto_session().client("sagemaker")
    (summary,) = client.list_training_jobs()["TrainingJobSummaries"]
    job: dict[str, Any] = client.describe_training_job(TrainingJobName=summary["TrainingJobName"])
    return job


def channels(job: dict[str, Any]) -> dict[str, str]:
    return {
        channel["ChannelName"]: channel["DataSource"]["S3DataSource"]["S3Uri"]
        for channel in job["InputDataConfig"]
    }


def test_training_with_mxnet(run: Run) -> None:
    run("Training with MXNet")
    job = only_job()
    assert channels(job) == {"train": "s3://bucket/path/to/training/data"}
    assert job["ResourceConfig"]["InstanceType"] == "ml.p2.xlarge"
    assert job["ResourceConfig"]["InstanceCount"] == 1
    assert "-gpu-" in job["AlgorithmSpecification"]["TrainingImage"]
    assert job["RoleArn"] == ROLE
    assert job["HyperParameters"]["sagemaker_program"] == '"mxnet-train.py"'


@pytest.mark.parametrize("title", ["All arguments of train", "Some arguments of train"])
def test_a_train_of_the_documented_arguments_is_called(title: str, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SAMPLES[title], encoding="utf-8")
    assert not runs_as_script(script, FUNCTIONS)


def test_running_an_mxnet_training_script(run: Run) -> None:
    run("Running an MXNet training script", MXNet=MXNet)
    assert channels(only_job()) == {"train": "s3://my_bucket/my_training_data/"}


def test_a_role_that_is_left_out_is_asked_for_on_aws(run: Run, quick: _Quick) -> None:
    quick.role = None
    with pytest.raises(ConfigurationError, match="role is missing: give the name or ARN"):
        run("Running an MXNet training script", MXNet=MXNet)


def test_channels(run: Run) -> None:
    inputs = eval(SAMPLES["Channels"])
    MXNet("train.py", train_instance_type="ml.p2.xlarge").fit(inputs)
    assert channels(only_job()) == inputs


def test_deploying_mxnet_models(run: Run) -> None:
    predictor = run("Deploying MXNet models", MXNet=MXNet)["predictor"]
    assert isinstance(predictor, MXNetPredictor)
    (variant,) = variants(predictor.name)
    assert (variant["InstanceType"], variant["InitialInstanceCount"]) == ("ml.p2.xlarge", 1)


def variants(endpoint: str) -> list[dict[str, Any]]:
    """The production variants that an endpoint's configuration names."""
    client: Any = _boto_session().client("sagemaker")
    description = client.describe_endpoint(EndpointName=endpoint)
    found: list[dict[str, Any]] = client.describe_endpoint_config(
        EndpointConfigName=description["EndpointConfigName"]
    )["ProductionVariants"]
    return found


def test_attaching_to_existing_training_jobs(run: Run) -> None:
    MXNet("train.py", train_instance_type="ml.p2.xlarge").fit(
        "s3://bucket/data", job_name="MyAwesomeMXNetTrainingJob"
    )
    estimator = run("Attaching to existing training jobs", MXNet=MXNet)["mxnet_estimator"]
    assert isinstance(estimator, MXNet)
    assert isinstance(estimator.deploy(1, "ml.c4.xlarge"), MXNetPredictor)


def test_deploying_endpoints_from_model_data(run: Run) -> None:
    put("s3://bucket/model.tar.gz")
    names = run("Deploying Endpoints from model data", MXNetModel=MXNetModel)
    assert isinstance(names["predictor"], MXNetPredictor)
    (variant,) = variants(names["predictor"].name)
    client: Any = _boto_session().client("sagemaker")
    container = client.describe_model(ModelName=variant["ModelName"])["PrimaryContainer"]
    # AWS's newest image reads the script from the model's archive: a copy has it.
    assert packed(container["ModelDataUrl"]) == ["model-symbol.json", "code/trasform_script.py"]
    assert packed("s3://bucket/model.tar.gz") == ["model-symbol.json"]
    assert container["Environment"]["SAGEMAKER_PROGRAM"] == "trasform_script.py"
    assert "-cpu-" in container["Image"]


def test_input_data_of_amazon_s_algorithms(run: Run) -> None:
    records = run("Input data of Amazon's algorithms")["records"]
    job = only_job()
    assert channels(job) == {"train": records.s3_data}
    assert job["HyperParameters"]["num_components"] == "3"
    assert job["HyperParameters"]["feature_dim"] == "5"
    assert records.num_records == 2


def test_every_sample_is_run() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    assert len(SAMPLES) == 12
    assert not [title for title in SAMPLES if f'"{title}"' not in source]


# TensorFlow


@pytest.mark.parametrize("sample", ["Training with TensorFlow", "Restoring from checkpoints"])
def test_a_tensorflow_job(run: Run, quick: _Quick, sample: str) -> None:
    # AWS's images of the default version call no functions, which is told before anything begins.
    with pytest.raises(ConfigurationError, match=r"framework_version='1\.10\.0'"):
        run(sample)
    client_plugins.cache_clear()
    quick.runs_own_containers = True
    client_plugins().register(quick, name="quick")
    estimator = run(sample)["tf_estimator"]
    told = estimator.latest_training_job.describe()["HyperParameters"]
    assert (told["training_steps"], told["evaluation_steps"]) == ("10000", "100")
    job = estimator.latest_training_job.name
    own = f"/{job}/checkpoints"
    place = json.loads(told["checkpoint_path"])
    assert place.endswith(own) or place == "s3://location/of/my/previous/generated/checkpoints"


def test_a_tensorflow_estimator_is_deployed(run: Run, quick: _Quick) -> None:
    quick.runs_own_containers = True
    names = run("Deploying a TensorFlow estimator", inputs="s3://bucket/path/to/training/data")
    assert isinstance(names["predictor"], TensorFlowPredictor)
    names["predictor"].delete()
