"""AWS's images of the algorithms: one each for training and serving, CPU and GPU."""

from __future__ import annotations

import difflib
import json
from functools import cache
from importlib.resources import files
from typing import Any

from sm_core.errors import ImageError
from sm_core.images import ImageRequest, processor

__all__ = ["image_uri"]


def image_uri(request: ImageRequest) -> str:
    """The URI of the algorithm's image in the request's region.

    Raises:
        ImageError: AWS has none in the region, or none that the instance type can run.
    """
    table = _table()
    family = request.instance_type.split(".")[1] if processor(request.instance_type) else ""
    for kind, families in table["families_without_image"].items():
        if family in families:
            raise ImageError(
                f"AWS's image of {request.framework} does not run on {request.instance_type}, "
                f"whose processor is a {kind.capitalize()}; take another instance type, such as "
                "ml.m5.xlarge"
            )
    accounts = table["accounts"]
    if request.region not in accounts:
        near = difflib.get_close_matches(request.region, accounts, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ImageError(
            f"AWS publishes no image of {request.framework} in region {request.region!r}{hint}; "
            f"regions: {', '.join(accounts)}. Elsewhere, give your own copy with image_name="
        )
    domain = table["ecr_domain"].get(request.region, table["ecr_domain"]["default"])
    registry = f"{accounts[request.region]}.dkr.ecr.{request.region}.{domain}"
    return f"{registry}/{table['repositories'][request.framework]}"


@cache
def _table() -> dict[str, Any]:
    text = files("sm_amazon_algos").joinpath("images.json").read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)
    return table
