"""What the algorithms' containers are made of."""

from __future__ import annotations

import pytest

from sm_core.containerspec import ContainerSpec, Device
from sm_core.images import ImageRequest
from sm_core.plugins import client_plugins


def container(
    framework: str | None = None,
    *,
    image: str | None = None,
    device: Device = "cpu",
    hosts: int = 1,
) -> ContainerSpec | None:
    found: ContainerSpec | None = client_plugins().hook.sm_container(
        framework=framework,
        version=None,
        device=device,
        image=image,
        hosts=hosts,
        function_mode=False,
    )
    return found


@pytest.mark.parametrize("name", ["kmeans", "pca"])
def test_hook_sm_container(name: str) -> None:
    assert container(name) == ContainerSpec(
        framework=name,
        version="1",
        device="cpu",
        distributions=("sm-amazon-algos",),
        environment={"SMCORE_ALGORITHM": name, "CUDA_VISIBLE_DEVICES": ""},
    )
    request = ImageRequest(
        framework=name, region="us-west-2", instance_type="ml.c5.xlarge", scope="training"
    )
    image = client_plugins().hook.sm_image(request=request)
    assert container(image=image) == container(name)
    assert container(image="registry.example/kmeans:1") is None


def test_pytorch_is_for_gpus_and_several_hosts_only() -> None:
    specs = {
        (device, hosts): container("pca", device=device, hosts=hosts)
        for device in ("cpu", "gpu")
        for hosts in (1, 2)
    }
    wanted = {key: bool(spec and spec.requirements) for key, spec in specs.items()}
    assert wanted == {
        ("cpu", 1): False,
        ("cpu", 2): True,
        ("gpu", 1): True,
        ("gpu", 2): True,
    }
    # A job's CPU container does without what only GPUs need, if there is such a build.
    assert {key for key, spec in specs.items() if spec and spec.avoid} == {("cpu", 2)}
    gpu = specs["gpu", 1]
    assert gpu is not None
    assert gpu.device == "gpu"
    assert "CUDA_VISIBLE_DEVICES" not in gpu.environment
