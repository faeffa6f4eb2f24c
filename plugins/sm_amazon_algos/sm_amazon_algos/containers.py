"""The algorithms' containers: what they are made of, and which algorithms have one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sm_core.containerspec import ContainerSpec, Device

__all__ = ["ALGORITHMS", "VARIABLE", "container_spec"]

#: Algorithms that have a container, and the classes that train and load them there.
ALGORITHMS = {
    "kmeans": "sm_amazon_algos.container.kmeans.algorithm:KMeans",
    "pca": "sm_amazon_algos.container.pca.algorithm:PCA",
    "linear-learner": "sm_amazon_algos.container.linear.algorithm:LinearLearner",
}
#: Tells a container which of them it is for.
VARIABLE = "SMCORE_ALGORITHM"
#: What computes on a GPU, and connects several hosts.
_TORCH = "torch>=2.4"
#: What builds of PyTorch for CPUs alone, a tenth of the size, do not need.
_OF_GPUS = ("nvidia-cudnn-cu12", "nvidia-cudnn-cu13", "triton")


def container_spec(name: str, device: Device, *, hosts: int = 1) -> ContainerSpec:
    """How to build and start the container of an algorithm.

    Args:
        name: of `ALGORITHMS`.
        device: ``cpu``, where NumPy computes, or ``gpu``, where PyTorch does.
        hosts: of the job; several are connected by PyTorch.
    """
    from sm_core.containerspec import ContainerSpec

    # A container for CPUs has no GPU, whatever the machine has.
    hidden = {"CUDA_VISIBLE_DEVICES": ""} if device == "cpu" else {}
    return ContainerSpec(
        framework=name,
        version="1",
        device=device,
        distributions=("sm-amazon-algos",),
        python=">=3.10",
        requirements=(_TORCH,) if device == "gpu" or hosts > 1 else (),
        avoid=_OF_GPUS if device == "cpu" and hosts > 1 else (),
        environment={VARIABLE: name, **hidden},
    )
