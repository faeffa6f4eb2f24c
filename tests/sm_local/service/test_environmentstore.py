"""Environments: handed over by a client, or found by the service's own plugins."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sm_core.containerspec import ContainerSpec
from sm_core.errors import LocalServiceError
from sm_local.environmentspec import EnvironmentSpec, Wheel
from sm_local.home import ENVIRONMENT_TAG, RESERVED_BUCKET, Home
from sm_local.pruning import prune
from sm_local.service.context import Context
from sm_local.service.environmentstore import Environments
from sm_local.service.errors import ServiceError

PLAIN = ContainerSpec(framework="plain", version="1")


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    context = Context.open(Home(tmp_path / "home").create(), port=8123)
    yield context
    context.database.close()


def hand_over(context: Context, spec: EnvironmentSpec) -> str:
    key = f"specs/{spec.digest}.json"
    context.objects.put_bytes(RESERVED_BUCKET, key, spec.to_json())
    return spec.digest


def test_the_tag_names_what_was_handed_over(context: Context) -> None:
    digest = hand_over(context, EnvironmentSpec(container=PLAIN))
    assert Environments(context).resolve({ENVIRONMENT_TAG: digest}, "image") == digest


def test_a_tag_that_names_nothing(context: Context) -> None:
    with pytest.raises(
        ServiceError, match=r"names the environment '0+', which was never"
    ) as caught:
        Environments(context).resolve({ENVIRONMENT_TAG: "0" * 64}, "image")
    assert caught.value.code == "ValidationException"


def test_an_image_that_no_plugin_knows(context: Context) -> None:
    with pytest.raises(ServiceError, match=r"knows the image nobody/knows:1") as caught:
        Environments(context).resolve({}, "nobody/knows:1")
    assert caught.value.code == "ValidationException"
    message = str(caught.value)
    named = re.findall(r"[0-9]{12}\.dkr\.ecr\.us-east-1\.amazonaws\.com/([\w-]+):", message)
    assert named == ["kmeans", "linear-learner", "mxnet-training", "pca", "tensorflow-training"]
    for way_out in ("pip install sm-mxnet", "sm local down", "through sm_core", "on AWS"):
        assert way_out in message


def test_the_images_that_a_refusal_names_are_known(context: Context) -> None:
    environments = Environments(context)
    with pytest.raises(ServiceError) as caught:
        environments.resolve({}, "nobody/knows:1")
    named = re.findall(r"[\w.-]+\.amazonaws\.com/[\w.:-]+\w", str(caught.value))
    assert len(named) == 5
    assert len({environments.resolve({}, image) for image in named}) == 5


def ecr(account: str, name: str, region: str = "us-east-1", domain: str = "amazonaws.com") -> str:
    return f"{account}.dkr.ecr.{region}.{domain}/{name}"


@pytest.mark.parametrize(
    ("image", "framework"),
    [
        # 2017: Python and processor in the repository's name, the container's version as tag.
        (ecr("520713654638", "sagemaker-mxnet-py2-cpu:1.0", "us-west-2"), "mxnet"),
        (ecr("520713654638", "sagemaker-mxnet-py3-gpu:1.0", "eu-west-1"), "mxnet"),
        (ecr("520713654638", "sagemaker-tensorflow-py2-gpu:1.0", "us-east-2"), "tensorflow"),
        # One repository for training and hosting, short and full versions.
        (ecr("520713654638", "sagemaker-mxnet:0.12-cpu-py2"), "mxnet"),
        (ecr("520713654638", "sagemaker-mxnet:1.3.0-gpu-py3", "ap-northeast-1"), "mxnet"),
        (ecr("520713654638", "sagemaker-tensorflow:1.4.1-cpu-py2"), "tensorflow"),
        (ecr("246785580436", "sagemaker-tensorflow:1.10-gpu-py2", "us-gov-west-1"), "tensorflow"),
        # Repositories of their own for scripts and for serving.
        (ecr("520713654638", "sagemaker-mxnet-serving:1.4.0-cpu-py3"), "mxnet"),
        (ecr("520713654638", "sagemaker-tensorflow-scriptmode:1.12.0-gpu-py3"), "tensorflow"),
        (ecr("520713654638", "sagemaker-tensorflow-serving:1.12-cpu"), "tensorflow"),
        # With an accelerator for inference.
        (ecr("520713654638", "sagemaker-mxnet-serving-eia:1.4.0-cpu-py2"), "mxnet"),
        (ecr("520713654638", "sagemaker-tensorflow-serving-eia:1.11-cpu"), "tensorflow"),
        (ecr("763104351884", "mxnet-inference-eia:1.7.0-cpu-py3"), "mxnet"),
        (ecr("763104351884", "tensorflow-inference-eia:2.3.0-cpu"), "tensorflow"),
        # Deep learning containers, in all partitions.
        (ecr("763104351884", "mxnet-training:1.6-gpu-py2"), "mxnet"),
        (ecr("763104351884", "mxnet-training:1.8.0-gpu-py37-cu110-ubuntu16.04"), "mxnet"),
        (ecr("763104351884", "mxnet-inference:1.9.0-cpu-py38", "eu-central-1"), "mxnet"),
        (
            ecr("727897471807", "mxnet-training:1.9-cpu-py38", "cn-north-1", "amazonaws.com.cn"),
            "mxnet",
        ),
        (ecr("763104351884", "tensorflow-training:1.15.5-gpu-py37"), "tensorflow"),
        (
            ecr("763104351884", "tensorflow-training:2.3-gpu-py37-cu110-ubuntu18.04-v3"),
            "tensorflow",
        ),
        (ecr("763104351884", "tensorflow-training:2.19.0-cpu-py312"), "tensorflow"),
        (ecr("763104351884", "tensorflow-inference:2.19.0-gpu"), "tensorflow"),
        (
            ecr("886529160074", "tensorflow-inference:2.9.2-cpu", "us-iso-east-1", "c2s.ic.gov"),
            "tensorflow",
        ),
        (
            ecr(
                "763104351884", "tensorflow-inference-graviton:2.16-cpu-py310-ubuntu20.04-sagemaker"
            ),
            "tensorflow",
        ),
        # Algorithms: one image for all, in each region's own account.
        (ecr("382416733822", "kmeans:1"), "kmeans"),
        (ecr("174872318107", "pca:1", "us-west-2"), "pca"),
        (ecr("438346466558", "linear-learner:1", "eu-west-1"), "linear-learner"),
        (ecr("664544806723", "linear-learner:latest", "eu-central-1"), "linear-learner"),
    ],
)
def test_images_of_every_generation(context: Context, image: str, framework: str) -> None:
    digest = Environments(context).resolve({}, image)
    path = context.objects.path(RESERVED_BUCKET, f"specs/{digest}.json")
    assert path is not None
    assert EnvironmentSpec.from_json(path.read_bytes()).container.framework == framework


def test_an_image_of_the_services_own_plugins(context: Context) -> None:
    image = "763104351884.dkr.ecr.us-east-1.amazonaws.com/mxnet-training:1.9.0-cpu-py38"
    digest = Environments(context).resolve({"team": "a"}, image)
    path = context.objects.path(RESERVED_BUCKET, f"specs/{digest}.json")
    assert path is not None
    spec = EnvironmentSpec.from_json(path.read_bytes())
    assert spec.container.framework == "mxnet"
    assert [wheel.filename.partition("-")[0] for wheel in spec.wheels] == ["sm_core", "sm_mxnet"]
    for wheel in spec.wheels:
        stored = context.objects.path(RESERVED_BUCKET, f"wheels/{wheel.sha256}/{wheel.filename}")
        assert stored is not None
        assert hashlib.sha256(stored.read_bytes()).hexdigest() == wheel.sha256
    assert Environments(context).resolve({}, image) == digest


def test_what_was_deleted_meanwhile(context: Context) -> None:
    environments = Environments(context)
    with pytest.raises(LocalServiceError, match=r"specification 0+ was deleted"):
        environments.ensure("0" * 64, print)
    wheel = Wheel(filename="x-1-py3-none-any.whl", sha256="0" * 64)
    digest = hand_over(context, EnvironmentSpec(container=PLAIN, wheels=(wheel,)))
    with pytest.raises(LocalServiceError, match=r"the wheel x-1-py3-none-any\.whl was never"):
        environments.ensure(digest, print)


def test_passwords_stay_while_they_are_needed(context: Context) -> None:
    specs = [
        EnvironmentSpec(container=PLAIN, index={"UV_DEFAULT_INDEX": f"https://me:hush@{host}"})
        for host in ("a.example", "b.example")
    ]
    for spec in specs:
        key = f"secrets/{hand_over(context, spec)}.json"
        context.objects.put_bytes(RESERVED_BUCKET, key, json.dumps(spec.secrets).encode())
    environments = Environments(context)
    environments.forget_secrets(lambda: [specs[0].digest])
    left = [info.key for info in context.objects.list(RESERVED_BUCKET, "secrets/")]
    assert left == [f"secrets/{specs[0].digest}.json"]


@pytest.mark.integ
def test_a_container_knows_the_index_s_passwords(context: Context) -> None:
    spec = EnvironmentSpec(
        container=PLAIN, index={"UV_DEFAULT_INDEX": "https://me:hush@index.example"}
    )
    key = f"secrets/{hand_over(context, spec)}.json"
    context.objects.put_bytes(RESERVED_BUCKET, key, json.dumps(spec.secrets).encode())
    container = Environments(context).ensure(spec.digest, print)
    assert container.index == spec.index
    assert "hush" not in repr(container)


@pytest.mark.integ
def test_an_environment_is_built_once(context: Context) -> None:
    digest = hand_over(context, EnvironmentSpec(container=PLAIN))
    lines: list[str] = []
    container = Environments(context).ensure(digest, lines.append)
    assert Path(container.python).exists()
    assert container.spec == PLAIN
    assert lines
    again: list[str] = []
    with Environments(context).ensure(digest, again.append) as same:
        assert same == container
        assert not again
        container.__exit__()
        assert prune(context.home, unused_seconds=0) == []
    assert [each.folder for each in prune(context.home, unused_seconds=0)] == [container.folder]
