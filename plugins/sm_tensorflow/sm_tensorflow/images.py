"""AWS's TensorFlow images: their URIs, and what is to run where one of them is named."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from sm_core import imagechoice
from sm_core.containerspec import ContainerSpec, Device
from sm_core.errors import ImageError
from sm_core.images import ImageOrigin, ImageRequest, chip_of
from sm_core.imagetables import ImageTable, in_order
from sm_tensorflow.functions import ASKED_VARIABLE

__all__ = [
    "container_spec",
    "image_for",
    "image_table",
    "is_legacy",
    "origin_of_image",
    "version_of_image",
]

#: The last version with ``tf.estimator``, and the last one of AWS's images that has it: what runs
#: wherever the functions of a script are called.
FUNCTION_MODE = ("2.14.1", "2.15.1")
#: The last version whose images call functions only.
_LEGACY = "1.10.0"
#: Releases with builds for Python 3.10 or later: minor version → patches, and the Python before
#: which there are builds.
_RELEASES: dict[str, tuple[tuple[int, ...], str]] = {
    "2.8": ((0, 1, 2, 3, 4), "3.11"),
    "2.9": ((0, 1, 2, 3), "3.11"),
    "2.10": ((0, 1), "3.11"),
    "2.11": ((0, 1), "3.11"),
    "2.12": ((0, 1), "3.12"),
    "2.13": ((0, 1), "3.12"),
    "2.14": ((0, 1), "3.12"),
    "2.15": ((0, 1), "3.12"),
    "2.16": ((1, 2), "3.13"),
    "2.17": ((0, 1), "3.13"),
    "2.18": ((0, 1), "3.13"),
    "2.19": ((0, 1), "3.13"),
    "2.20": ((0,), "3.14"),
    "2.21": ((0,), "3.14"),
}
RELEASES = tuple(
    f"{minor}.{patch}" for minor, (patches, _) in _RELEASES.items() for patch in patches
)
#: What scripts find beside TensorFlow, in versions that fit it.
LIBRARIES = (
    "boto3",
    "grpcio",
    "numpy",
    "pandas",
    "protobuf",
    "requests",
    "scikit-learn",
    "scipy",
    "six",
    "tensorboard",
)
#: What older releases do not say that they cannot do without.
_OLD = ("numpy<1.24", "protobuf<3.21")
_LIMITS = {"2.8": _OLD, "2.9": _OLD, "2.10": _OLD, "2.11": _OLD, "2.12": ("numpy<1.24",)}
#: Repository of images that exist in name only.
_OWN = "sm-tensorflow"
_OWN_NAME = re.compile(rf"{_OWN}:(?P<version>\d+(?:\.\d+)+)-(?:cpu|gpu|graviton)")
_PLATFORMS: dict[Device, tuple[str, ...]] = {
    "cpu": ("linux-x86_64", "linux-aarch64", "macosx-"),
    "gpu": ("linux-x86_64",),
}
#: Images of 2017 had Python and processor in the repository's name, and a container version as tag.
_FIRST_GENERATION = re.compile(
    r"520713654638\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com"
    r"/sagemaker-tensorflow-(?P<python>py[23])-(?:cpu|gpu):[\w.]+"
)


@cache
def image_table() -> ImageTable:
    """The table of AWS's TensorFlow images."""
    return ImageTable.from_json(files("sm_tensorflow").joinpath("images.json").read_bytes())


def image_for(request: ImageRequest) -> str:
    """The URI of AWS's image for `request`.

    Where containers are made rather than fetched, more releases run than AWS has images of: those
    have names of this project's own.

    Raises:
        ImageError: there is none.
    """
    asked = request.version
    if not request.own_container or asked is None or asked in _versions_of_images(request.scope):
        return imagechoice.image_uri(image_table(), request)
    return f"{_OWN}:{_full(asked)}-{chip_of(request.instance_type)}"


def container_spec(
    version: str | None, device: Device, *, function_mode: bool | None = None
) -> ContainerSpec:
    """How to build and start a container for scripts of a TensorFlow version.

    Args:
        version: the one that was asked for; None for the default.
        device: what it computes on.
        function_mode: whether the functions of a training script are called; None if unknown.

    Raises:
        ImageError: there never was such a version.
    """
    asked = FUNCTION_MODE[0] if version is None else _full(version)
    runs = _runtime(asked, function_mode=function_mode)
    # A container for CPUs has no GPU, whatever the machine has.
    environment = {"CUDA_VISIBLE_DEVICES": ""} if device == "cpu" else {}
    if runs != asked:
        environment[ASKED_VARIABLE] = asked
    minor = runs.rpartition(".")[0]
    package = "tensorflow-cpu" if device == "cpu" else "tensorflow[and-cuda]"
    return ContainerSpec(
        framework="tensorflow",
        version=runs,
        device=device,
        distributions=("sm-tensorflow",),
        python=f">=3.10,<{_RELEASES[minor][1]}",
        requirements=(f"{package}=={runs}", *LIBRARIES, *_LIMITS.get(minor, ())),
        platforms=_PLATFORMS[device],
        environment=environment,
    )


def origin_of_image(image: str) -> ImageOrigin | None:
    """What an image of AWS's is, of any generation; None if it is no TensorFlow image."""
    own = _OWN_NAME.fullmatch(image)
    if own is not None:
        return ImageOrigin(framework="tensorflow", version=own["version"])
    first = _FIRST_GENERATION.fullmatch(image)
    if first is not None:
        return ImageOrigin(framework="tensorflow", version="1.4.1", py_version=first["python"])
    return imagechoice.origin_of_image(image_table(), image)


def version_of_image(image: str) -> str | None:
    """The TensorFlow version of an image of AWS's; None if it is no TensorFlow image."""
    origin = origin_of_image(image)
    return origin.version if origin is not None and origin.framework == "tensorflow" else None


def is_legacy(version: str) -> bool:
    """Whether AWS's images of that version, full or short, call the functions of scripts only."""
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    return bool(numbers) and numbers <= in_order(_LEGACY)[:2]


def _runtime(asked: str, *, function_mode: bool | None) -> str:
    """The release that runs what was written for the version `asked`, a full one."""
    if function_mode or is_legacy(asked):
        return FUNCTION_MODE[1] if asked.startswith("2.15.") else FUNCTION_MODE[0]
    return next(each for each in RELEASES if in_order(each) >= in_order(asked))


def _versions_of_images(scope: str) -> set[str]:
    return image_table().with_users().frameworks["tensorflow"][scope].versions()


def _full(version: str) -> str:
    """The full version that `version` stands for.

    Raises:
        ImageError: there never was such a version.
    """
    scopes = image_table().with_users().frameworks["tensorflow"]
    short = {release.rpartition(".")[0]: release for release in RELEASES}
    for scope in scopes.values():
        short |= scope.short_to_full
    short |= scopes["training"].short_to_full
    images = {image.version for scope in scopes.values() for image in scope.images}
    full = short.get(version, version)
    if full not in {*short.values(), *RELEASES, *images}:
        known = sorted({*short.values(), *RELEASES, *images}, key=in_order)
        raise ImageError(f"there is no TensorFlow {version}; known versions: {', '.join(known)}")
    return full
