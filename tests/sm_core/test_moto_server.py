"""The Session's calls against moto's server: another opinion, over real HTTP, through a proxy.

The server plays every AWS host as an HTTP proxy would, so that what is tested is the ordinary boto3
chain: addresses, proxy and credentials come from variables alone.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sm_core.model import container_def, production_variant
from sm_core.session import Session

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
    region, domain = request.param
    hosts = {
        "SAGEMAKER": f"api.sagemaker.{region}.{domain}",
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
    return Session()


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
