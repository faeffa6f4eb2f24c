"""Where a serving container finds the user's code: in S3, or in the model's archive."""

from __future__ import annotations

import re

import attrs

from sm_core.errors import ConfigurationError
from sm_core.frameworks import CodeInModel, Framework
from sm_core.images import image_origin
from sm_core.preparation import Preparation
from sm_core.source import Source

__all__ = ["Placed", "place_code"]

#: What the archive's folder for code is called in the container.
_FOLDER = "/opt/ml/model/code"


@attrs.frozen
class Placed:
    """A model whose code is in place.

    Attributes:
        model_data: S3 URI of the archive that the container gets.
        variables: that tell the container where the code is.
    """

    model_data: str
    variables: dict[str, str]


def place_code(
    preparation: Preparation,
    source: Source,
    *,
    model_data: str,
    image: str,
    framework: Framework | None,
    location: str | None,
    isolated: bool,
) -> Placed:
    """Put the code where the image looks for it.

    Args:
        preparation: of the request.
        source: the code.
        model_data: S3 URI of the model's archive.
        image: that serves.
        framework: whose model it is; None for a container of the user's own.
        location: where the user's code is to be uploaded; None for the default bucket.
        isolated: whether the container is cut off from the network.

    Raises:
        ConfigurationError: the container cannot fetch the code.
    """
    convention = _convention(framework, image)
    if preparation.session.backend.runs_own_containers:
        # The plugins' own containers know both ways; without a network there is only one.
        convention = CodeInModel(since="") if isolated else None
    if convention is None:
        if isolated:
            raise ConfigurationError(
                "with network isolation the container cannot fetch the script: put it into the "
                "model's archive, as code/, and leave entry_point out; or deploy without "
                "isolation, by another network="
            )
        place = preparation.code_uri(source, location=location)
        return Placed(model_data, _variables(source.program, place))
    copy = preparation.model_uri(model_data, source, location=location, program=convention.program)
    return Placed(copy, _variables(convention.program or source.program, _FOLDER))


def _variables(program: str, place: str) -> dict[str, str]:
    return {"SAGEMAKER_PROGRAM": program, "SAGEMAKER_SUBMIT_DIRECTORY": place}


def _convention(framework: Framework | None, image: str) -> CodeInModel | None:
    """How `image` finds code in the model's archive; None if it does not, or nobody knows it."""
    if framework is None or framework.code_in_model is None:
        return None
    origin = image_origin(image)
    if origin is None or origin.framework != framework.name or origin.version is None:
        return None
    is_one = _numbers(origin.version) >= _numbers(framework.code_in_model.since)
    return framework.code_in_model if is_one else None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
