"""What a request hands over to the service, with the real service."""

from __future__ import annotations

import hashlib
import io
import types
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sm_core.containerspec import ContainerSpec, Device
from sm_core.plugins import client_plugins, hookimpl
from sm_core.requests import RequestContext
from sm_local import gpu
from sm_local.backend import local_boto_session
from sm_local.environmentspec import EnvironmentSpec
from sm_local.home import ENVIRONMENT_TAG, RESERVED_BUCKET, Home
from sm_local.plugin import sm_request
from sm_local.startup import probe

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/toy:1.0-cpu-py3"
TRAINING = {
    "TrainingJobName": "job",
    "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
}


@pytest.fixture(autouse=True)
def toy() -> Iterator[None]:
    """A plugin that knows images called ``toy``, and whose code is sm-local's."""
    module = types.ModuleType("toy_plugin")

    @hookimpl
    def sm_container(framework: str | None, device: Device, image: str) -> ContainerSpec | None:
        if framework != "toy" and "/toy:" not in image:
            return None
        return ContainerSpec(
            framework="toy", version="1.0", device=device, distributions=("sm-local",)
        )

    vars(module).update(sm_container=sm_container)
    client_plugins().register(module, name="toy")
    yield
    client_plugins().unregister(module)


def context(
    operation: str = "CreateTrainingJob",
    *,
    framework: str | None = None,
    backend: str = "local",
    sending: bool = False,
) -> RequestContext:
    return RequestContext(
        service="sagemaker",
        operation=operation,
        framework=framework,
        backend=backend,
        sending=sending,
    )


def tags(request: dict[str, Any] | None) -> dict[str, str]:
    assert request is not None
    return {tag["Key"]: tag["Value"] for tag in request["Tags"]}


@pytest.mark.parametrize(
    ("known", "request_"),
    [
        (context(backend="aws"), TRAINING),
        (context("CreateEndpoint"), {"EndpointName": "e"}),
        (context(), {"AlgorithmSpecification": {"TrainingImage": "my/own:1"}}),
        (context(), {"AlgorithmSpecification": {"AlgorithmName": "mine"}}),
        (context("CreateModel"), {"PrimaryContainer": {"Image": "my/own:1"}}),
        (context("CreateModel"), {"Containers": [{"Image": IMAGE}, {"Image": IMAGE}]}),
        (context("CreateModel"), {}),
    ],
)
def test_left_as_it_is(known: RequestContext, request_: dict[str, Any]) -> None:
    assert sm_request(known, request_) is None
    assert not Home.default().path.exists()


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("CreateTrainingJob", TRAINING),
        ("CreateModel", {"ModelName": "m", "PrimaryContainer": {"Image": IMAGE}}),
        ("CreateModel", {"ModelName": "m", "Containers": [{"Image": IMAGE}]}),
    ],
)
def test_shown_only(operation: str, request_: dict[str, Any]) -> None:
    amended = sm_request(context(operation), request_)
    assert amended is not None
    digest = tags(amended)[ENVIRONMENT_TAG]
    assert amended == {**request_, "Tags": [{"Key": ENVIRONMENT_TAG, "Value": digest}]}
    assert "Tags" not in request_
    assert probe(Home.default()) is None


def test_the_users_tags_stay_and_the_environments_is_renewed() -> None:
    given = [{"Key": "team", "Value": "a"}, {"Key": ENVIRONMENT_TAG, "Value": "old"}]
    amended = tags(sm_request(context(), {**TRAINING, "Tags": given}))
    assert list(amended) == ["team", ENVIRONMENT_TAG]
    assert len(amended[ENVIRONMENT_TAG]) == 64


def test_a_framework_is_known_whatever_the_image() -> None:
    request = {"AlgorithmSpecification": {"TrainingImage": "my/own:1"}}
    assert ENVIRONMENT_TAG in tags(sm_request(context(framework="toy"), request))


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize(
    ("tag", "instance_type", "wants"),
    [
        ("1.0-gpu-py3", "ml.c5.xlarge", True),
        ("1.0-cpu-py3", "ml.p3.2xlarge", False),
        ("1", "ml.p3.2xlarge", True),
        ("1", "ml.g5.xlarge", True),
        ("1", "ml.c5.xlarge", False),
        ("1", "ml.m6g.large", False),
    ],
)
def test_the_device(
    there: bool,
    tag: str,
    instance_type: str,
    wants: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    device = tmp_path / "nvidia0"
    if there:
        device.touch()
    monkeypatch.setattr(gpu, "DEVICE", device)
    asked: list[Device] = []

    class Listener:
        @hookimpl(tryfirst=True)
        def sm_container(self, device: Device) -> None:
            asked.append(device)

    listener = Listener()
    client_plugins().register(listener)
    image = f"registry:5000/toy:{tag}"
    request = {
        "AlgorithmSpecification": {"TrainingImage": image},
        "ResourceConfig": {"InstanceType": instance_type, "InstanceCount": 1},
    }
    sm_request(context(), request)
    client_plugins().unregister(listener)
    assert asked == ["gpu" if there and wants else "cpu"]


@pytest.mark.integ
def test_sent_once(service_home: Home) -> None:
    digest = tags(sm_request(context(sending=True), TRAINING))[ENVIRONMENT_TAG]
    client = local_boto_session(service_home).client("s3")

    def stored() -> dict[str, Any]:
        contents = client.list_objects_v2(Bucket=RESERVED_BUCKET)["Contents"]
        return {entry["Key"]: entry["LastModified"] for entry in contents}

    first = stored()
    document = client.get_object(Bucket=RESERVED_BUCKET, Key=f"specs/{digest}.json")["Body"].read()
    assert hashlib.sha256(document).hexdigest() == digest
    spec = EnvironmentSpec.from_json(document)
    assert spec.container.framework == "toy"
    assert [wheel.filename.split("-")[0] for wheel in spec.wheels] == ["sm_core", "sm_local"]
    for wheel in spec.wheels:
        key = f"wheels/{wheel.sha256}/{wheel.filename}"
        content = client.get_object(Bucket=RESERVED_BUCKET, Key=key)["Body"].read()
        assert hashlib.sha256(content).hexdigest() == wheel.sha256
        assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None
    assert len(first) == 3
    assert tags(sm_request(context(sending=True), TRAINING))[ENVIRONMENT_TAG] == digest
    assert stored() == first


@pytest.mark.integ
def test_passwords_of_the_index_are_apart(
    service_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://ann:hush1@index.example/simple")
    monkeypatch.setenv("UV_INDEX_MINE_PASSWORD", "hush2")
    digest = tags(sm_request(context(sending=True), TRAINING))[ENVIRONMENT_TAG]
    client = local_boto_session(service_home).client("s3")

    def stored(key: str) -> bytes:
        content: bytes = client.get_object(Bucket=RESERVED_BUCKET, Key=key)["Body"].read()
        return content

    spec = stored(f"specs/{digest}.json")
    assert b"https://index.example/simple" in spec
    assert b"ann" not in spec
    assert b"hush" not in spec
    assert b"hush1" in stored(f"secrets/{digest}.json")
    monkeypatch.setenv("UV_INDEX_MINE_PASSWORD", "hush3")
    assert tags(sm_request(context(sending=True), TRAINING))[ENVIRONMENT_TAG] == digest
    assert b"hush3" in stored(f"secrets/{digest}.json")
    holding = [path for path in service_home.path.rglob("*") if path.is_file()]
    holding = [path for path in holding if b"hush" in path.read_bytes()]
    assert [path.stat().st_mode & 0o777 for path in holding] == [0o600]
