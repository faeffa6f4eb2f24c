"""AWS's MXNet images: their URIs, and what is to run where one of them is named."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from sm_core import imagechoice
from sm_core.containerspec import ContainerSpec, Device
from sm_core.errors import ImageError
from sm_core.images import ImageOrigin
from sm_core.imagetables import ImageTable

__all__ = ["container_spec", "image_table", "origin_of_image", "version_of_image"]

#: The version that runs wherever this project's own container runs: the last one there is.
RUNS = "1.9.1"
_REQUIREMENTS: dict[Device, tuple[str, ...]] = {
    # MXNet 1.9.1 uses names that numpy 1.24 removed.
    "cpu": (f"mxnet=={RUNS}", "numpy<1.24"),
    "gpu": (f"mxnet-cu112=={RUNS}", "numpy<1.24"),
}
_PLATFORMS: dict[Device, tuple[str, ...]] = {
    "cpu": ("linux-x86_64", "linux-aarch64", "macosx-x86_64"),
    "gpu": ("linux-x86_64",),
}
#: Images of 2017 had Python and processor in the repository's name, and a container version as tag.
_FIRST_GENERATION = re.compile(
    r"520713654638\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com"
    r"/sagemaker-mxnet-(?P<python>py[23])-(?:cpu|gpu):[\w.]+"
)


@cache
def image_table() -> ImageTable:
    """The table of AWS's MXNet images."""
    return ImageTable.from_json(files("sm_mxnet").joinpath("images.json").read_bytes())


def container_spec(version: str | None, device: Device) -> ContainerSpec:
    """How to build and start a container for scripts of any MXNet version.

    Raises:
        ImageError: there never was such a version.
    """
    known = sorted({*_versions(), RUNS})
    if version is not None and version not in known:
        raise ImageError(f"there is no MXNet {version}; known versions: {', '.join(known)}")
    # A container for CPUs has no GPU, whatever the machine has.
    environment = {"CUDA_VISIBLE_DEVICES": ""} if device == "cpu" else {}
    return ContainerSpec(
        framework="mxnet",
        version=RUNS,
        device=device,
        distributions=("sm-mxnet",),
        python=">=3.10,<3.12",
        requirements=_REQUIREMENTS[device],
        platforms=_PLATFORMS[device],
        environment=environment,
    )


def origin_of_image(image: str) -> ImageOrigin | None:
    """What an image of AWS's is, of any generation; None if it is no MXNet image."""
    first = _FIRST_GENERATION.fullmatch(image)
    if first is not None:
        return ImageOrigin(framework="mxnet", version="0.12.1", py_version=first["python"])
    return imagechoice.origin_of_image(image_table(), image)


def version_of_image(image: str) -> str | None:
    """The MXNet version of an image of AWS's, of any generation; None if it is no MXNet image."""
    origin = origin_of_image(image)
    return origin.version if origin is not None and origin.framework == "mxnet" else None


def _versions() -> set[str]:
    scopes = image_table().with_users().frameworks["mxnet"].values()
    short = {name for scope in scopes for name in scope.short_to_full}
    return short | {image.version for scope in scopes for image in scope.images}
