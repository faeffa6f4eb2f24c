"""What the plugin promises to the core."""

from __future__ import annotations

import pytest

from sm_core.containerspec import ContainerSpec, Device
from sm_core.errors import ImageError
from sm_core.frameworks import get_framework
from sm_core.images import ImageRequest, image_origin, resolve_image
from sm_core.plugins import client_plugins
from sm_core.testing import FrameworkConformance


@pytest.mark.integ
class TestConformance(FrameworkConformance):
    """The suite for every framework plugin."""

    plugin = "sm_tensorflow.plugin"
    framework = "tensorflow"
    instance_types = ("ml.c5.xlarge", "ml.p3.2xlarge")


def test_the_framework() -> None:
    framework = get_framework("TensorFlow")
    assert framework.default_version == "2.14.1"
    assert framework.default_channel == "training"
    assert framework.hyperparameter_encoding == "json"


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


@pytest.mark.parametrize(
    ("version", "runs"),
    [
        (None, "2.14.1"),
        ("1.4.1", "2.14.1"),
        ("1.10", "2.14.1"),
        ("1.11", "2.8.0"),
        ("2.3", "2.8.0"),
        ("2.8", "2.8.0"),
        ("2.9", "2.9.2"),
        ("2.12.1", "2.12.1"),
        ("2.14", "2.14.1"),
        ("2.15", "2.15.1"),
        ("2.16.1", "2.16.1"),
        ("2.19.0", "2.19.0"),
        ("2.21.0", "2.21.0"),
    ],
)
def test_hook_sm_container(version: str | None, runs: str) -> None:
    spec = container(framework="tensorflow", version=version)
    assert spec is not None
    assert spec.version == runs
    assert f"tensorflow-cpu=={runs}" in spec.requirements


def test_an_unknown_version_is_named_with_the_known_ones() -> None:
    with pytest.raises(
        ImageError, match=r"no TensorFlow 3\.0; known versions: 1\.4\.1, .*2\.21\.0"
    ):
        container(framework="tensorflow", version="3.0")


@pytest.mark.parametrize(
    ("version", "function_mode", "runs", "asked"),
    [
        ("2.19.0", True, "2.14.1", "2.19.0"),
        ("2.15.1", True, "2.15.1", None),
        ("2.15", None, "2.15.1", None),
        ("1.12", True, "2.14.1", "1.12.0"),
        ("1.12", False, "2.8.0", "1.12.0"),
        ("1.4.1", None, "2.14.1", "1.4.1"),
        ("2.21.0", False, "2.21.0", None),
    ],
)
def test_functions_are_called_on_the_last_versions_that_have_estimators(
    version: str, function_mode: bool | None, runs: str, asked: str | None
) -> None:
    spec: ContainerSpec = client_plugins().hook.sm_container(
        framework="tensorflow",
        version=version,
        device="cpu",
        image=None,
        hosts=1,
        function_mode=function_mode,
    )
    assert spec.version == runs
    assert spec.environment.get("SMCORE_TENSORFLOW_ASKED") == asked


def request(version: str, *, own_container: bool) -> ImageRequest:
    return ImageRequest(
        framework="tensorflow",
        region="us-west-2",
        instance_type="ml.c5.xlarge",
        scope="training",
        version=version,
        own_container=own_container,
    )


def test_releases_that_aws_has_no_image_of_run_here_alone() -> None:
    image = resolve_image(request("2.21.0", own_container=True))
    assert image == "sm-tensorflow:2.21.0-cpu"
    origin = image_origin(image)
    assert origin is not None
    assert (origin.framework, origin.version) == ("tensorflow", "2.21.0")
    spec = container(image=image)
    assert spec is not None
    assert spec.version == "2.21.0"
    with pytest.raises(ImageError, match=r"no tensorflow 2\.21\.0 image"):
        resolve_image(request("2.21.0", own_container=False))
    with pytest.raises(ImageError, match=r"no TensorFlow 9\.9"):
        resolve_image(request("9.9", own_container=True))
