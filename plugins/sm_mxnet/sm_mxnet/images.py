"""AWS's MXNet images: their URIs, and what is to run where one of them is named."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from sm_core.containerspec import ContainerSpec, Device
from sm_core.errors import ImageError
from sm_core.images import ImageTable

__all__ = ["container_spec", "image_table", "version_of_image"]

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
_FIRST_GENERATION = re.compile(r"sagemaker-mxnet-py[23]-(?:cpu|gpu)")


@cache
def image_table() -> ImageTable:
    """The table of AWS's MXNet images."""
    return ImageTable.from_json(_text())


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


def version_of_image(image: str) -> str | None:
    """The MXNet version of an image of AWS's, of any generation; None if it is no MXNet image."""
    match = re.fullmatch(
        r"(?P<account>\d{12})\.dkr\.ecr\.[a-z0-9-]+\.(?P<domain>[a-z0-9.]+)"
        r"/(?P<repository>[a-z0-9-]+):(?P<tag>[\w.-]+)",
        image,
    )
    if match is None or match["account"] not in _accounts():
        return None
    if match["domain"] not in _table()["ecr_domain"].values():
        return None
    if _FIRST_GENERATION.fullmatch(match["repository"]):
        return "0.12.1"
    if match["repository"] not in {row["repository"] for row in _rows()}:
        return None
    return match["tag"].partition("-")[0]


@cache
def _text() -> str:
    return files("sm_mxnet").joinpath("images.json").read_text(encoding="utf-8")


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(_text())
    return table


def _rows() -> Iterator[dict[str, Any]]:
    for scope in _table()["frameworks"]["mxnet"].values():
        yield from scope["images"]


def _versions() -> set[str]:
    scopes = _table()["frameworks"]["mxnet"].values()
    short = {name for scope in scopes for name in scope["short_to_full"]}
    return short | {row["version"] for row in _rows()}


@cache
def _accounts() -> frozenset[str]:
    sets = _table()["accounts"].values()
    return frozenset({entry["main"] for entry in sets}).union(
        *(entry["other"].values() for entry in sets)
    )
