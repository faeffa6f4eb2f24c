"""Every hook that sm-mxnet implements; what they need is imported when they are called."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from sm_core.frameworks import CodeInModel, Framework
from sm_core.plugins import hookimpl
from sm_mxnet.functions import FUNCTIONS

if TYPE_CHECKING:
    from sm_core.container.environment import ServingEnvironment, TrainingEnvironment
    from sm_core.container.inference import InferenceHandler
    from sm_core.containerspec import ContainerSpec, Device
    from sm_core.images import ImageOrigin, ImageRequest

NAME = "mxnet"


@hookimpl
def sm_frameworks() -> Iterable[Framework]:
    """Apache MXNet."""
    return [
        Framework(
            name=NAME,
            estimator="sm_mxnet.estimator:MXNet",
            model="sm_mxnet.model:MXNetModel",
            predictor="sm_mxnet.predictor:MXNetPredictor",
            functions=FUNCTIONS,
            function_mode_until="1.2.1",
            code_in_model=CodeInModel(since="1.4"),
            default_version="1.9.0",
            default_channel="train",
        )
    ]


@hookimpl
def sm_image(request: ImageRequest) -> str | None:
    """The URI of one of AWS's images."""
    if request.framework != NAME:
        return None
    from sm_mxnet.images import image_for

    return image_for(request)


@hookimpl
def sm_image_origin(image: str) -> ImageOrigin | None:
    """Which MXNet version one of AWS's images has."""
    from sm_mxnet.images import origin_of_image

    return origin_of_image(image)


@hookimpl
def sm_container(
    framework: str | None, version: str | None, device: Device, image: str | None
) -> ContainerSpec | None:
    """MXNet 1.9.1, for scripts and images of every version."""
    from sm_mxnet.images import container_spec, version_of_image

    if framework not in (None, NAME):
        return None
    of_image = None if image is None else version_of_image(image)
    if framework is None and of_image is None:
        return None
    return container_spec(version or of_image, device)


@hookimpl
def sm_cluster(environment: TrainingEnvironment) -> AbstractContextManager[object] | None:
    """Run MXNet's distributed kvstore beside the training."""
    from sm_mxnet.container.training import cluster

    return cluster(environment)


@hookimpl
def sm_train(environment: TrainingEnvironment) -> bool | None:
    """Call the script's ``train`` and save what it returns; a script of its own is left alone."""
    from sm_mxnet.container.training import train

    return train(environment)


@hookimpl
def sm_inference(environment: ServingEnvironment) -> InferenceHandler | None:
    """Answer with the script's functions, and MXNet's defaults for those that it lacks."""
    from sm_core.container.plugins import is_installed

    if not is_installed("mxnet"):
        return None
    from sm_mxnet.container.serving import MXNetHandler, limit_threads

    limit_threads(environment)
    return MXNetHandler(environment)
