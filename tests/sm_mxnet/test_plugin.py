"""What the plugin promises to the core."""

from __future__ import annotations

import attrs
import pytest

from sm_core.containerspec import ContainerSpec, Device
from sm_core.errors import ImageError
from sm_core.frameworks import get_framework
from sm_core.images import ImageRequest, Scope, resolve_image
from sm_core.plugins import client_plugins
from sm_core.testing import FrameworkConformance

DLC = "763104351884.dkr.ecr.us-west-2.amazonaws.com"
LEGACY = "520713654638.dkr.ecr.us-west-2.amazonaws.com"


@pytest.mark.integ
class TestConformance(FrameworkConformance):
    """The suite for every framework plugin."""

    plugin = "sm_mxnet.plugin"
    framework = "mxnet"
    instance_types = ("ml.c5.xlarge", "ml.p3.2xlarge")


def test_the_framework() -> None:
    framework = get_framework("MXNet")
    assert framework.default_version == "1.9.0"
    assert framework.default_channel == "train"
    assert framework.hyperparameter_encoding == "json"


@pytest.mark.parametrize(
    ("version", "py_version", "instance_type", "scope", "uri"),
    [
        (
            None,
            None,
            "ml.c4.xlarge",
            "training",
            DLC + "/mxnet-training:1.9.0-cpu-py38",
        ),
        (
            "1.9",
            "py3",
            "ml.p3.2xlarge",
            "inference",
            DLC + "/mxnet-inference:1.9-gpu-py38",
        ),
        (
            "0.12.1",
            None,
            "ml.p2.xlarge",
            "training",
            LEGACY + "/sagemaker-mxnet:0.12.1-gpu-py2",
        ),
        (
            "1.4",
            "py3",
            "ml.c5.xlarge",
            "inference",
            DLC + "/mxnet-inference:1.4-cpu-py3",
        ),
        (
            "1.4.1",
            "py2",
            "ml.c5.xlarge",
            "inference",
            LEGACY + "/sagemaker-mxnet-serving:1.4.1-cpu-py2",
        ),
        (
            "1.8.0",
            None,
            "ml.p4d.24xlarge",
            "training",
            DLC + "/mxnet-training:1.8.0-gpu-py37-cu110-ubuntu16.04",
        ),
    ],
)
def test_hook_sm_image(
    version: str | None, py_version: str | None, instance_type: str, scope: Scope, uri: str
) -> None:
    request = ImageRequest(
        framework="mxnet",
        region="us-west-2",
        instance_type=instance_type,
        scope=scope,
        version=version,
        default_version="1.9.0",
        py_version=py_version,
    )
    assert resolve_image(request) == uri
    spec = container(image=uri)
    assert spec is not None
    assert spec.version == "1.9.1"


@pytest.mark.parametrize("scope", ["training", "inference"])
@pytest.mark.parametrize("version", ["1.9.1", "1.5.1", "1.5"])
def test_versions_that_aws_has_no_image_of_run_here_alone(version: str, scope: Scope) -> None:
    there = ImageRequest(
        framework="mxnet",
        region="us-west-2",
        instance_type="ml.p3.2xlarge",
        scope=scope,
        version=version,
    )
    image = resolve_image(attrs.evolve(there, own_container=True))
    assert image == f"sm-mxnet:{version}-gpu"
    spec = container(image=image)
    assert spec is not None
    assert spec.version == "1.9.1"
    with pytest.raises(ImageError, match=f"there is no mxnet {version} image for {scope}"):
        resolve_image(there)
    known = attrs.evolve(there, own_container=True, version="1.4")
    assert resolve_image(known) == resolve_image(attrs.evolve(known, own_container=False))


def test_an_image_of_another_framework_is_left_alone() -> None:
    request = ImageRequest(
        framework="caffe", region="us-west-2", instance_type="ml.c5.xlarge", scope="training"
    )
    with pytest.raises(ImageError, match="no plugin has an image of 'caffe'"):
        resolve_image(request)


def container(
    *,
    framework: str | None = None,
    version: str | None = None,
    device: Device = "cpu",
    image: str | None = None,
) -> ContainerSpec | None:
    spec: ContainerSpec | None = client_plugins().hook.sm_container(
        framework=framework,
        version=version,
        device=device,
        image=image,
        hosts=1,
        function_mode=None,
    )
    return spec


def test_hook_sm_container() -> None:
    cpu = container(framework="mxnet", version="0.12.1")
    assert cpu == ContainerSpec(
        framework="mxnet",
        version="1.9.1",
        device="cpu",
        distributions=("sm-mxnet",),
        python=">=3.10,<3.12",
        requirements=("mxnet==1.9.1", "numpy<1.24"),
        platforms=("linux-x86_64", "linux-aarch64", "macosx-x86_64"),
        environment={"CUDA_VISIBLE_DEVICES": ""},
    )
    gpu = container(framework="mxnet", device="gpu")
    assert gpu is not None
    assert gpu.requirements == ("mxnet-cu112==1.9.1", "numpy<1.24")
    assert gpu.environment == {}


@pytest.mark.parametrize("version", ["1.9.1", "1.9.0", "1.9", "1.5.1", "0.12"])
def test_every_version_there_ever_was_runs_on_the_last(version: str) -> None:
    spec = container(framework="mxnet", version=version)
    assert spec is not None
    assert spec.version == "1.9.1"


@pytest.mark.parametrize(
    "asked",
    [
        {"framework": "mxnet", "version": "2.0"},
        {"image": "763104351884.dkr.ecr.us-east-1.amazonaws.com/mxnet-training:2.0-cpu-py39"},
    ],
)
def test_an_unknown_version_is_named_with_the_known_ones(asked: dict[str, str]) -> None:
    with pytest.raises(
        ImageError, match=r"there is no MXNet 2\.0; known versions: 0\.12, .*1\.9\.1"
    ):
        container(**asked)  # type: ignore[arg-type]  # two kinds of arguments


@pytest.mark.parametrize(
    "image",
    [
        "520713654638.dkr.ecr.us-east-1.amazonaws.com/sagemaker-mxnet-py2-cpu:1.0",
        "520713654638.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-mxnet-py3-gpu:1.0",
        "520713654638.dkr.ecr.us-east-1.amazonaws.com/sagemaker-mxnet:1.3-gpu-py3",
        "520713654638.dkr.ecr.us-east-1.amazonaws.com/sagemaker-mxnet-serving-eia:1.4.0-cpu-py3",
        "727897471807.dkr.ecr.cn-north-1.amazonaws.com.cn/mxnet-inference-eia:1.5.1-cpu-py3",
        "763104351884.dkr.ecr.us-east-1.amazonaws.com/mxnet-training:1.9.0-cpu-py38",
    ],
)
def test_images_of_every_generation_are_recognised(image: str) -> None:
    assert container(image=image) is not None


@pytest.mark.parametrize(
    "image",
    [
        "mxnet-training:1.9.0-cpu-py38",
        "000000000000.dkr.ecr.us-east-1.amazonaws.com/mxnet-training:1.9.0-cpu-py38",
        "763104351884.dkr.ecr.us-east-1.amazonaws.com/other-training:2.1-cpu-py38",
        "763104351884.dkr.ecr.us-east-1.evil.com/mxnet-training:1.9.0-cpu-py38",
        "evil.com/763104351884.dkr.ecr.us-east-1.amazonaws.com/mxnet-training:1.9.0-cpu-py38",
    ],
)
def test_other_images_are_left_alone(image: str) -> None:
    assert container(image=image) is None


def test_another_framework_s_container_is_left_alone() -> None:
    image = "763104351884.dkr.ecr.us-east-1.amazonaws.com/mxnet-training:1.9.0-cpu-py38"
    assert container(framework="caffe", image=image) is None
    # The user's own image for our framework: its code runs here all the same.
    assert container(framework="mxnet", image="registry.example/mine:1") is not None
