"""Image URIs: the request that plugins answer, and what an instance type needs of an image."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import attrs

from sm_core.errors import ConfigurationError, ImageError

__all__ = [
    "Chip",
    "ImageOrigin",
    "ImageRequest",
    "Scope",
    "check_image",
    "chip_of",
    "family_of",
    "image_origin",
    "resolve_image",
]

Scope = Literal["training", "inference"]
Chip = Literal["cpu", "gpu", "graviton", "inferentia", "trainium"]

_ACCELERATORS: Mapping[str, Chip] = {"inf": "inferentia", "trn": "trainium"}
#: Characters that AWS takes in an image's URI.
MAX_URI = 255
_GRAVITON = re.compile(r"[a-z]+\d+g(d|n|en)?")


@attrs.frozen(kw_only=True)
class ImageRequest:
    """What an image is wanted for.

    Attributes:
        framework: the framework's name.
        version: the version the user named, full or short (``1.9``); None for `default_version`.
        default_version: the framework's default.
        py_version: ``py2``, ``py3`` or an exact one (``py38``); None for the version's own.
        region: AWS region.
        instance_type: ``ml.<family>.<size>``.
        scope: ``training`` or ``inference``.
        accelerator_type: ``ml.eia2.<size>``, attached to the instance for inference; None for none.
        smdistributed: whether SageMaker's distributed training library is used.
        own_container: whether the image will not be fetched, but only tells what to run: the back
            end makes containers itself, of what ``sm_container`` says.
    """

    framework: str
    region: str
    instance_type: str
    scope: Scope
    version: str | None = None
    default_version: str | None = None
    py_version: str | None = None
    accelerator_type: str | None = None
    smdistributed: bool = False
    own_container: bool = False


@attrs.frozen(kw_only=True)
class ImageOrigin:
    """What an image is that a plugin knows.

    Attributes:
        framework: the framework's name.
        version: its version; None where the image does not tell.
        py_version: Python version as `ImageRequest` names it; None where the image does not tell.
    """

    framework: str
    version: str | None = None
    py_version: str | None = None


def check_image(option: str, image: str) -> str:
    """`image`, if it can be the URI of one.

    Raises:
        ImageError: it cannot; names the `option` by which to give another.
    """
    if isinstance(image, str) and re.fullmatch(rf"\S{{1,{MAX_URI}}}", image):
        return image
    raise ImageError(
        f"{option} {image!r} is no URI of an image: 1 to {MAX_URI} characters without spaces, such "
        "as '111122223333.dkr.ecr.us-east-1.amazonaws.com/own:1'"
    )


def image_origin(image: str) -> ImageOrigin | None:
    """What `image` is, from the first plugin that knows it; None for an image of the user's own."""
    from sm_core.plugins import client_plugins

    return client_plugins().first("sm_image_origin", ImageOrigin, image=image)


def resolve_image(request: ImageRequest) -> str:
    """The image URI for `request`, from the first plugin that knows it.

    Raises:
        ImageError: no plugin has an image for it.
        PluginError: a plugin failed to answer.
    """
    from sm_core.plugins import client_plugins

    uri = client_plugins().first("sm_image", str, request=request)
    if uri is None:
        raise ImageError(
            f"no plugin has an image of {request.framework!r} for {request.scope}; "
            "name one with image_name=, or list it in the file that SMCORE_IMAGES names"
        )
    return uri


def family_of(instance_type: str) -> str:
    """The family of an instance type: ``ml.c5.xlarge`` → ``c5``.

    Raises:
        ConfigurationError: `instance_type` is not of the form ``ml.<family>.<size>``.
    """
    parts = instance_type.split(".")
    if len(parts) != 3 or parts[0] != "ml" or not all(parts):
        is_ec2 = len(parts) == 2 and parts[0] != "ml" and all(parts)
        meant = f"; did you mean 'ml.{instance_type}'?" if is_ec2 else ""
        raise ConfigurationError(
            f"{instance_type!r} is not an instance type; one looks like 'ml.c5.xlarge'{meant}"
        )
    return parts[1]


def chip_of(instance_type: str) -> Chip:
    """What an image must be made for to run there: the families tell.

    Those with g or p in front have GPUs; ``inf`` and ``trn`` AWS's own accelerators; a g behind
    the generation (``c7g``, ``m6gd``) means AWS's own CPU, which runs no image for others.

    Raises:
        ConfigurationError: `instance_type` is not of the form ``ml.<family>.<size>``.
    """
    family = family_of(instance_type)
    if family[0] in "gp":
        return "gpu"
    for beginning, chip in _ACCELERATORS.items():
        if re.match(rf"{beginning}\d", family):
            return chip
    return "graviton" if _GRAVITON.fullmatch(family) else "cpu"
