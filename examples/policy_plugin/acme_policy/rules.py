"""The rules themselves: plain functions of an operation's name and its request."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

#: Operations that make something that is paid for, and take tags.
TAGGED = frozenset({"CreateTrainingJob", "CreateModel", "CreateEndpointConfig", "CreateEndpoint"})
#: Operations whose containers run in a VPC.
IN_VPC = frozenset({"CreateTrainingJob", "CreateModel"})

COST_CENTRE = "cost-centre"
COST_CENTRE_VARIABLE = "ACME_COST_CENTRE"

VPC = {
    "Subnets": ["subnet-0acme0a", "subnet-0acme0b"],
    "SecurityGroupIds": ["sg-0acme00"],
}

#: The company's registry, which mirrors the repositories of AWS under their own names.
MIRROR = "111122223333.dkr.ecr.eu-central-1.amazonaws.com"
#: Accounts in which AWS publishes the images of MXNet and TensorFlow.
_AWS = re.compile(r"(?:763104351884|520713654638)\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com/")


def completed(operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """`request` with what the company adds; what the user said already stays."""
    amended = _with_images(request, lambda image: _AWS.sub(f"{MIRROR}/", image))
    if operation in TAGGED:
        tags = list(amended.get("Tags", ()))
        known = {tag["Key"] for tag in tags}
        added = {"managed-by": "acme-policy"}
        if os.environ.get(COST_CENTRE_VARIABLE):
            added[COST_CENTRE] = os.environ[COST_CENTRE_VARIABLE]
        tags += [{"Key": key, "Value": value} for key, value in added.items() if key not in known]
        amended["Tags"] = tags
    if operation in IN_VPC:
        amended.setdefault("VpcConfig", VPC)
    return amended


def violations(operation: str, request: Mapping[str, Any]) -> Iterator[str]:
    """What the company does not allow in a finished request."""
    if operation in TAGGED and COST_CENTRE not in {tag["Key"] for tag in request.get("Tags", ())}:
        yield f"the tag {COST_CENTRE!r} is missing: set {COST_CENTRE_VARIABLE}, or give tags="
    if operation in IN_VPC:
        foreign = set(request.get("VpcConfig", {}).get("Subnets", ())) - set(VPC["Subnets"])
        if foreign or "VpcConfig" not in request:
            yield f"it must run in {', '.join(VPC['Subnets'])}: leave network= out"
    for image in _images(request):
        if not image.startswith(f"{MIRROR}/"):
            yield f"the image {image} is not from {MIRROR}: push it there first"


def _images(request: Mapping[str, Any]) -> list[str]:
    """The images that a request names, wherever they stand."""
    found: list[str] = []

    def note(image: str) -> str:
        found.append(image)
        return image

    _with_images(request, note)
    return found


def _with_images(request: Mapping[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    """A copy of `request` with every image changed; nothing of the original is touched."""
    return {name: _changed(name, value, change) for name, value in request.items()}


def _changed(name: str, value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, Mapping):
        # Variables and hyperparameters are the user's own, whatever they are called.
        own = name in ("Environment", "HyperParameters")
        return dict(value) if own else _with_images(value, change)
    if isinstance(value, list):
        return [_changed(name, item, change) for item in value]
    return change(value) if name in ("Image", "TrainingImage") and isinstance(value, str) else value
