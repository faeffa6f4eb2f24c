"""The whole client against moto's server: another opinion, over real HTTP, through a proxy.

The server plays every AWS host as an HTTP proxy would, so that what is tested is the ordinary boto3
chain: addresses, proxy and credentials come from variables alone.
"""

from __future__ import annotations

import io
import json
import socket
import subprocess
import sys
import tarfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from sm_amazon_algos import KMeans, KMeansModel, records_to_numpy
from sm_core import (
    Checkpoints,
    ConfigurationError,
    Estimator,
    Model,
    Network,
    Predictor,
    Session,
    Spot,
    TrainingInput,
    container_def,
    json_serializer,
    production_variant,
)
from sm_core.backends import Polling
from sm_core.cli import main
from sm_core.plugins import client_plugins, hookimpl
from sm_mxnet import MXNet, MXNetPredictor

pytestmark = pytest.mark.integ

PATIENCE = 60.0
ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
#: Region, and the domain of its partition.
REGIONS = [
    ("us-east-1", "amazonaws.com"),
    ("eu-west-1", "amazonaws.com"),
    ("cn-north-1", "amazonaws.com.cn"),
    ("us-gov-west-1", "amazonaws.com"),
]


@pytest.fixture(scope="module")
def proxy() -> Iterator[str]:
    """Address of moto's server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = f"from moto.proxy import main; main(['-H', '127.0.0.1', '-p', '{port}'])"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, "moto does not start"
            assert time.monotonic() < deadline, "moto does not answer"
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(params=REGIONS, ids=lambda region: region[0])
def session(
    request: pytest.FixtureRequest,
    proxy: str,
    no_installed_plugins: None,
    monkeypatch: pytest.MonkeyPatch,
) -> Session:
    """A Session that only variables lead to the server."""
    lead_to(proxy, monkeypatch, *request.param)
    return Session()


def lead_to(proxy: str, monkeypatch: pytest.MonkeyPatch, region: str, domain: str) -> None:
    """Set the variables by which boto3 finds the server."""
    hosts = {
        "SAGEMAKER": f"api.sagemaker.{region}.{domain}",
        "SAGEMAKER_RUNTIME": f"runtime.sagemaker.{region}.{domain}",
        "CLOUDWATCH": f"monitoring.{region}.{domain}",
        "S3": f"s3.{region}.{domain}",
        "STS": f"sts.{region}.{domain}",
        "IAM": f"iam.{domain}",
        "CLOUDWATCH_LOGS": f"logs.{region}.{domain}",
    }
    for service, host in hosts.items():
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", f"http://{host}")
    for name, value in {
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "HTTP_PROXY": proxy,
        "NO_PROXY": "",
    }.items():
        monkeypatch.setenv(name, value)


def test_every_call_of_a_session(session: Session, tmp_path: Path) -> None:
    region = session.region
    assert session.default_bucket() == f"sagemaker-{region}-123456789012"
    client = session.client("s3")
    place = client.get_bucket_location(Bucket=session.default_bucket())["LocationConstraint"]
    assert place == (None if region == "us-east-1" else region)
    session.client("iam").create_role(RoleName=f"R-{region}", AssumeRolePolicyDocument="{}")
    role = session.expand_role(f"R-{region}")
    assert role.endswith(f":iam::123456789012:role/R-{region}")
    assert ":sts::123456789012:" in session.get_caller_identity_arn()
    data = tmp_path / "data.csv"
    data.write_text("1,2\n", encoding="utf-8")
    assert session.upload_data(data) == f"s3://{session.default_bucket()}/data/data.csv"
    job_arn = session.train(
        "image:1",
        "File",
        input_config=None,
        role=role,
        job_name="job",
        output_config={"S3OutputPath": f"s3://{session.default_bucket()}/"},
        resource_config={
            "InstanceType": "ml.c5.xlarge",
            "InstanceCount": 1,
            "VolumeSizeInGB": 30,
        },
        hyperparameters={"k": "10"},
        stop_condition={"MaxRuntimeInSeconds": 3600},
    )
    assert job_arn.endswith(f":sagemaker:{region}:123456789012:training-job/job")
    assert session.wait_for_job("job", 0)["TrainingJobStatus"] == "Completed"
    session.logs_for_job("job")
    host(session)


def host(session: Session) -> None:
    """Make models and endpoints in every way that there is, and delete the endpoints."""
    session.create_model("one", ROLE, primary_container=container_def("image:1", "s3://b/m.tar.gz"))
    session.create_model_from_job("job", "two")
    session.create_endpoint_config(
        "config", "one", initial_instance_count=1, instance_type="ml.m5.large"
    )
    session.create_endpoint("endpoint", "config")
    assert session.wait_for_endpoint("endpoint", 0)["EndpointStatus"] == "InService"
    session.endpoint_from_job("job", 1, instance_type="ml.c5.xlarge")
    session.endpoint_from_model_data(
        "s3://b/m.tar.gz",
        "image:1",
        name="data",
        role=ROLE,
        initial_instance_count=1,
        instance_type="ml.c5.xlarge",
    )
    variants = [
        production_variant(model, "ml.c5.xlarge", variant_name=model) for model in ("one", "two")
    ]
    session.endpoint_from_production_variants("both", variants)
    for name in ("endpoint", "job", "data", "both"):
        session.delete_endpoint(name)
    assert session.sagemaker_client.list_endpoints()["Endpoints"] == []


# The three things that a user holds

#: Where the rest of the client is tested; its plugins are those that are installed.
HERE = "eu-west-1"
GROUP = "/aws/sagemaker/TrainingJobs"


@pytest.fixture
def here(proxy: str, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A Session in an account where nothing has been done, and nothing is to be waited for."""
    at_once = Polling(first=0, factor=1, ceiling=0)
    monkeypatch.setattr("sm_core.builtin.Polling", lambda **_: at_once)
    lead_to(proxy, monkeypatch, HERE, "amazonaws.com")
    post(proxy, "reset")
    return Session()


def post(proxy: str, path: str, **body: Any) -> None:
    """Tell the server what no client can."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": proxy}))
    address = f"http://motoapi.amazonaws.com/moto-api/{path}"
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(address, json.dumps(body).encode(), headers, method="POST")
    with opener.open(request) as answer:
        answer.read()


def answers(proxy: str, *bodies: str, content_type: str = "application/json") -> None:
    """Queue what the next new questions to endpoints are answered."""
    results = [{"Body": body, "ContentType": content_type} for body in bodies]
    post(proxy, "static/sagemaker/endpoint-results", region=HERE, results=results)


def log(session: Session, job: str, *lines: str) -> None:
    """Write log lines of two hosts of a job that is still to come."""
    client = session.client("logs")
    client.create_log_group(logGroupName=GROUP)
    now = time.time_ns() // 1_000_000
    for host in ("algo-1", "algo-2"):
        stream = f"{job}/{host}-{now // 1000}"
        client.create_log_stream(logGroupName=GROUP, logStreamName=stream)
        events = [{"timestamp": now + i, "message": line} for i, line in enumerate(lines)]
        client.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=events)


def job_of(session: Session, name: str) -> Mapping[str, Any]:
    """The training job as the server has it."""
    answer: Mapping[str, Any] = session.sagemaker_client.describe_training_job(TrainingJobName=name)
    return answer


def left(session: Session) -> list[Any]:
    """The endpoints, configurations and models that there are."""
    client = session.sagemaker_client
    return [
        *client.list_endpoints()["Endpoints"],
        *client.list_endpoint_configs()["EndpointConfigs"],
        *client.list_models()["Models"],
    ]


def content(session: Session, uri: str) -> bytes:
    """An object in S3."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    body: bytes = session.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return body


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_container_of_one_s_own(
    here: Session, proxy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log(here, "own", "loss=0.5", "loss=0.25")
    estimator = Estimator(
        "image:1",
        ROLE,
        2,
        "ml.m5.large",
        hyperparameters={"k": 3, "name": "x"},
        network=Network(subnets="subnet-1", security_groups="sg-1", encrypt_traffic=True),
        spot=Spot(max_wait=90_000),
        checkpoints=Checkpoints("s3://bucket/checkpoints"),
        metrics={"loss": "loss=(\\S+)"},
        tags={"team": "vision"},
        environment={"MODE": "quick"},
        train_max_run=3600,
        sagemaker_session=here,
    )
    data = written(tmp_path, "data.csv", "1,2\n")
    inputs: dict[str, str | TrainingInput] = {
        "here": f"file://{data}",
        "there": TrainingInput("s3://b/p", content_type="text/csv"),
    }
    estimator.fit(inputs, job_name="own")
    shown = capsys.readouterr().out
    assert "algo-1 | loss=0.25" in shown
    assert "algo-2 | loss=0.25" in shown
    job = job_of(here, "own")
    assert job["HyperParameters"] == {"k": "3", "name": "x"}
    assert job["VpcConfig"] == {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}
    assert job["EnableInterContainerTrafficEncryption"] is True
    assert job["EnableManagedSpotTraining"] is True
    assert job["StoppingCondition"] == {
        "MaxRuntimeInSeconds": 3600,
        "MaxWaitTimeInSeconds": 90_000,
    }
    assert job["CheckpointConfig"] == {"S3Uri": "s3://bucket/checkpoints"}
    tags = here.sagemaker_client.list_tags(ResourceArn=job["TrainingJobArn"])["Tags"]
    assert tags == [{"Key": "team", "Value": "vision"}]
    first, second = (each["DataSource"]["S3DataSource"] for each in job["InputDataConfig"])
    assert content(here, first["S3Uri"]) == b"1,2\n"
    assert second["S3Uri"] == "s3://b/p"
    attached = Estimator.attach("own", here)
    assert type(attached) is Estimator
    assert attached.model_data == estimator.model_data
    assert attached.network == estimator.network
    answers(proxy, '{"answer": 1}', '{"answer": 2}')
    with attached.deploy(
        1, "ml.m5.large", serializer=json_serializer, deserializer="auto"
    ) as predictor:
        assert predictor.predict([1]) == {"answer": 1}
        assert Predictor(predictor.name, here, content_type="text/csv").predict(b"1,2") == (
            b'{"answer": 2}'
        )
        assert len(left(here)) == 3
    assert left(here) == []


def test_a_framework_with_a_script(here: Session, proxy: str, tmp_path: Path) -> None:
    script = written(tmp_path, "train.py", "if __name__ == '__main__':\n    print('training')\n")
    data = written(tmp_path, "data.csv", "1,2\n")
    estimator = MXNet(
        str(script),
        ROLE,
        1,
        "ml.m5.large",
        hyperparameters={"layers": [1, 2], "rate": 0.5},
        sagemaker_session=here,
    )
    estimator.fit({"train": f"file://{data}", "test": "s3://bucket/test"}, job_name="mx")
    job = job_of(here, "mx")
    assert (
        f".dkr.ecr.{HERE}.amazonaws.com/mxnet-training:1.9.0-cpu"
        in (job["AlgorithmSpecification"]["TrainingImage"])
    )
    sent = {name: json.loads(text) for name, text in job["HyperParameters"].items()}
    assert (sent["layers"], sent["rate"]) == ([1, 2], 0.5)
    assert content(here, sent["sagemaker_submit_directory"]).startswith(b"\x1f\x8b")
    attached = Estimator.attach("mx", here)
    assert isinstance(attached, MXNet)
    model = attached.create_model()
    assert model.model_data == job["ModelArtifacts"]["S3ModelArtifacts"]
    # No job runs there: it is given what it would have left, into a copy of which the code goes.
    folder = written(tmp_path, "model-0000.params", "parameters").parent
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as tar:
        tar.add(folder / "model-0000.params", "model-0000.params")
    bucket, _, key = model.model_data.removeprefix("s3://").partition("/")
    here.client("s3").upload_file(str(tmp_path / "model.tar.gz"), bucket, key)
    answers(proxy, "[[0.25, 0.75]]")
    predictor: MXNetPredictor = estimator.deploy(1, "ml.m5.large", endpoint_name="mx")
    assert isinstance(predictor, MXNetPredictor)
    assert np.array_equal(predictor.predict(np.ones((1, 2))), [[0.25, 0.75]])
    predictor.delete()
    assert left(here) == []


def test_a_model_by_itself(here: Session, proxy: str) -> None:
    answers(proxy, "any text", content_type="text/plain")
    model = Model("s3://bucket/model.tar.gz", ROLE, image="image:1", sagemaker_session=here)
    predictor = model.deploy(2, "ml.m5.large", endpoint_name="alone")
    assert predictor.predict("1,2", content_type="text/csv") == b"any text"
    predictor.delete()
    assert left(here) == []


def test_an_algorithm_with_records(here: Session, proxy: str) -> None:
    # More than S3 takes in one part.
    rows = np.arange(8 * 200_000, dtype=np.float32).reshape(-1, 8)
    estimator = KMeans(ROLE, 1, "ml.m5.large", k=4, sagemaker_session=here)
    records = estimator.record_set(rows)
    estimator.fit(records, job_name="clusters")
    job = job_of(here, "clusters")
    assert job["HyperParameters"]["feature_dim"] == "8"
    (channel,) = job["InputDataConfig"]
    prefix, *names = json.loads(content(here, channel["DataSource"]["S3DataSource"]["S3Uri"]))
    assert len(names) == 1
    found = records_to_numpy(io.BytesIO(content(here, prefix["prefix"] + names[0])))
    assert np.array_equal(found.features["values"], rows)
    assert isinstance(estimator.create_model(), KMeansModel)
    answers(proxy, '{"predictions": [{"closest_cluster": 3.0}]}')
    with estimator.deploy(1, "ml.m5.large") as predictor:
        # The server takes text alone.
        found = predictor.predict(rows[0], content_type="text/csv", accept="application/json")
        assert found["predictions"][0]["closest_cluster"] == 3
    assert left(here) == []


def test_a_tree_with_a_large_file(here: Session, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "below").mkdir(parents=True)
    large = bytes(range(256)) * (1 << 16)
    (folder / "large").write_bytes(large)
    written(folder / "below", "a name + more, ü", "small")
    uri = here.upload_data(folder, key_prefix="tree")
    assert content(here, f"{uri}/large") == large
    assert content(here, f"{uri}/below/a name + more, ü") == b"small"


def test_a_policy(here: Session) -> None:
    def sm_request(context: Any, request: Mapping[str, Any]) -> dict[str, Any] | None:
        if context.operation not in ("CreateTrainingJob", "CreateModel"):
            return None
        return {**request, "VpcConfig": {"Subnets": ["subnet-9"], "SecurityGroupIds": ["sg-9"]}}

    def sm_check_request(context: Any, request: Mapping[str, Any]) -> None:
        if context.operation == "CreateEndpointConfig":
            raise ConfigurationError("no endpoints on Mondays")

    policy = ModuleType("policy")
    for hook in (sm_request, sm_check_request):
        setattr(policy, hook.__name__, hookimpl(hook))
    client_plugins().register(policy)
    estimator = Estimator("image:1", ROLE, 1, "ml.m5.large", sagemaker_session=here)
    estimator.fit(job_name="ruled")
    assert job_of(here, "ruled")["VpcConfig"]["Subnets"] == ["subnet-9"]
    here.create_model("ruled", ROLE, primary_container="image:1")
    vpc = here.sagemaker_client.describe_model(ModelName="ruled")["VpcConfig"]
    assert vpc == {"Subnets": ["subnet-9"], "SecurityGroupIds": ["sg-9"]}
    with pytest.raises(ConfigurationError, match="no endpoints on Mondays"):
        estimator.deploy(1, "ml.m5.large")
    assert [each["ModelName"] for each in left(here)] == ["ruled"]


@pytest.fixture
def sm(here: Session, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run ``sm`` where the region is known by its option alone."""
    monkeypatch.setattr(main, "_asked", False)
    monkeypatch.setattr(main, "commands", dict(main.commands))

    def run(*arguments: str, **settings: Any) -> Result:
        runner = CliRunner(env={"AWS_DEFAULT_REGION": None})
        return runner.invoke(main, ["--region", HERE, *arguments], **settings)

    return run


def test_the_command(here: Session, proxy: str, sm: Callable[..., Result]) -> None:
    log(here, "done", "loss=0.5", "loss=0.25")

    def output(*arguments: str, **settings: Any) -> str:
        result = sm(*arguments, **settings)
        assert result.exit_code == 0, result.output
        return result.stdout

    instances = ("--instance-type", "ml.m5.large")
    own = ("--image-name", "image:1", "--role", ROLE, *instances)
    assert output("train", *own, "--job-name", "done") == "done\n"
    (job,) = json.loads(output("jobs", "list", "--json"))
    assert job["TrainingJobName"] == "done"
    assert "ml.m5.large" in output("jobs", "describe", "done")
    assert "algo-2 | loss=0.25" in output("jobs", "logs", "done")
    assert "algo-1 | loss=0.5" in output("jobs", "logs", "done", "--follow")
    assert "train:progress" in output("jobs", "metrics", "done")
    assert output("deploy", "done", *instances, "--endpoint-name", "e") == "e\n"
    (endpoint,) = json.loads(output("endpoints", "list", "--json"))
    assert (endpoint["EndpointName"], endpoint["EndpointStatus"]) == ("e", "InService")
    assert f":sagemaker:{HERE}:" in endpoint["EndpointArn"]
    assert "instances 1, weight 1" in output("endpoints", "describe", "e")
    answers(proxy, "[1]")
    assert output("predict", "e", input="[0]") == "[1]"
    assert output("endpoints", "delete", "e", "--yes") == ""
    assert left(here) == []
    missing = sm("jobs", "describe", "unheard-of")
    assert missing.exit_code == 1
    assert "unheard-of" in missing.stderr
