"""Every hook that sm-tensorflow implements; what they need is imported when they are called."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from sm_core.frameworks import CodeInModel, Framework
from sm_core.plugins import hookimpl
from sm_tensorflow.functions import FUNCTIONS, UNSERVED
from sm_tensorflow.options import OPTIONS

if TYPE_CHECKING:
    from sm_core.container.environment import ServingEnvironment, TrainingEnvironment
    from sm_core.container.inference import InferenceHandler
    from sm_core.containerspec import ContainerSpec, Device
    from sm_core.images import ImageOrigin, ImageRequest

NAME = "tensorflow"


@hookimpl
def sm_frameworks() -> Iterable[Framework]:
    """TensorFlow."""
    return [
        Framework(
            name=NAME,
            estimator="sm_tensorflow.estimator:TensorFlow",
            model="sm_tensorflow.model:TensorFlowModel",
            predictor="sm_tensorflow.predictor:TensorFlowPredictor",
            options=OPTIONS,
            functions=FUNCTIONS,
            function_mode_until="1.10.0",
            unserved_functions=UNSERVED,
            code_in_model=CodeInModel(since="1.11.0", program="inference.py"),
            default_version="2.14.1",
            default_channel="training",
        )
    ]


@hookimpl
def sm_image(request: ImageRequest) -> str | None:
    """The URI of one of AWS's images, or the name of what runs here alone."""
    if request.framework != NAME:
        return None
    from sm_tensorflow.images import image_for

    return image_for(request)


@hookimpl
def sm_image_origin(image: str) -> ImageOrigin | None:
    """Which TensorFlow version one of AWS's images has."""
    from sm_tensorflow.images import origin_of_image

    return origin_of_image(image)


@hookimpl
def sm_container(
    framework: str | None,
    version: str | None,
    device: Device,
    image: str | None,
    function_mode: bool | None,
) -> ContainerSpec | None:
    """TensorFlow 2.14.1 for scripts of old versions, else the version itself or the next newer."""
    from sm_tensorflow.images import container_spec, version_of_image

    if framework not in (None, NAME):
        return None
    of_image = None if image is None else version_of_image(image)
    if framework is None and of_image is None:
        return None
    return container_spec(version or of_image, device, function_mode=function_mode)


@hookimpl
def sm_cluster(environment: TrainingEnvironment) -> AbstractContextManager[object] | None:
    """Run TensorFlow's cluster beside the training."""
    if not _is_here():
        return None
    from sm_tensorflow.container.cluster import cluster

    return cluster(environment)


@hookimpl
def sm_train(environment: TrainingEnvironment) -> bool | None:
    """Call the script's functions and export what they train; others are left alone."""
    if not _is_here():
        return None
    from sm_tensorflow.container.training import train
    from sm_tensorflow.container.versions import tell_version

    tell_version()
    return train(environment)


@hookimpl
def sm_inference(environment: ServingEnvironment) -> InferenceHandler | None:
    """Answer as TensorFlow Serving would, with the script's functions around it."""
    if not _is_here():
        return None
    from sm_tensorflow.container.serving import handler
    from sm_tensorflow.container.versions import tell_version

    tell_version()
    return handler(environment)


def _is_here() -> bool:
    """Whether this container has TensorFlow; one that has not is for something else."""
    from sm_core.container.plugins import is_installed

    return is_installed(NAME)
