"""AWS's MXNet images: their URIs, and what is to run where one of them is named."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from sm_core import imagechoice
from sm_core.containerspec import ContainerSpec, Device
from sm_core.errors import ImageError
from sm_core.images import ImageOrigin, ImageRequest, chip_of
from sm_core.imagetables import ImageTable

__all__ = ["container_spec", "image_for", "image_table", "origin_of_image", "version_of_image"]

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
#: Name of an image of this project's own, which stands for a version that AWS has no image of.
_OWN = "sm-mxnet"
_OWN_NAME = re.compile(rf"{_OWN}:(?P<version>\d+(?:\.\d+)+)-(?:cpu|gpu|graviton)")


@cache
def image_table() -> ImageTable:
    """The table of AWS's MXNet images."""
    return ImageTable.from_json(files("sm_mxnet").joinpath("images.json").read_bytes())


def image_for(request: ImageRequest) -> str:
    """The URI of AWS's image for `request`.

    Where containers are made rather than fetched, versions can be named that AWS has no image of.

    Raises:
        ImageError: there is none.
    """
    asked = request.version
    if request.own_container and asked in _known() and asked not in _versions(request.scope):
        return f"{_OWN}:{asked}-{chip_of(request.instance_type)}"
    return imagechoice.image_uri(image_table(), request)


def container_spec(version: str | None, device: Device) -> ContainerSpec:
    """How to build and start a container for scripts of any MXNet version.

    Raises:
        ImageError: there never was such a version.
    """
    known = sorted(_known())
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
    """What an image of AWS's, of any generation, or of ours is; None if it is no MXNet image."""
    first = _FIRST_GENERATION.fullmatch(image)
    if first is not None:
        return ImageOrigin(framework="mxnet", version="0.12.1", py_version=first["python"])
    own = _OWN_NAME.fullmatch(image)
    if own is not None:
        return ImageOrigin(framework="mxnet", version=own["version"])
    return imagechoice.origin_of_image(image_table(), image)


def version_of_image(image: str) -> str | None:
    """The MXNet version of an image of AWS's, of any generation; None if it is no MXNet image."""
    origin = origin_of_image(image)
    return origin.version if origin is not None and origin.framework == "mxnet" else None


def _known() -> set[str]:
    return {RUNS}.union(*map(_versions, image_table().frameworks["mxnet"]))


def _versions(scope: str) -> set[str]:
    """The versions of which there are images, in the user's own table too."""
    return image_table().with_users().frameworks["mxnet"][scope].versions()
