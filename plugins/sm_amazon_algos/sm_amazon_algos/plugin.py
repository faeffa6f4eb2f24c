"""Every hook that sm-amazon-algos implements; what they need is imported when they are called."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sm_amazon_algos.codec import CODEC, CONTENT_TYPE
from sm_core.frameworks import Framework
from sm_core.options import Option
from sm_core.plugins import hookimpl

if TYPE_CHECKING:
    from sm_core.codecs import Codec
    from sm_core.container.environment import ServingEnvironment, TrainingEnvironment
    from sm_core.container.inference import InferenceHandler
    from sm_core.containerspec import ContainerSpec, Device
    from sm_core.images import ImageOrigin, ImageRequest
    from sm_core.requests import RequestContext

#: Framework's name → its classes' prefix, and other names.
ALGORITHMS = {
    "kmeans": ("KMeans", ()),
    "pca": ("PCA", ()),
    "linear-learner": ("LinearLearner", ("linear_learner", "linearlearner")),
}
DATA_LOCATION = Option(
    "data_location", "str | None", "s3:// prefix for record sets; None for the default bucket"
)


@hookimpl
def sm_frameworks() -> Iterable[Framework]:
    """KMeans, PCA and LinearLearner."""
    return [
        Framework(
            name=name,
            aliases=aliases,
            estimator=f"sm_amazon_algos.estimator:{prefix}",
            model=f"sm_amazon_algos.model:{prefix}Model",
            predictor=f"sm_amazon_algos.predictor:{prefix}Predictor",
            options=(DATA_LOCATION,),
            script=False,
            hyperparameters=f"sm_amazon_algos.hyperparameters:{prefix}Hyperparameters",
            hyperparameter_encoding="text",
            default_channel="train",
            content_type=CONTENT_TYPE,
            accept=CONTENT_TYPE,
        )
        for name, (prefix, aliases) in ALGORITHMS.items()
    ]


@hookimpl
def sm_image(request: ImageRequest) -> str | None:
    """The URI of AWS's image; there is one for all versions and instance types."""
    if request.framework not in ALGORITHMS:
        return None
    from sm_amazon_algos.images import image_table
    from sm_core.imagechoice import image_uri

    return image_uri(image_table(), request)


@hookimpl
def sm_image_origin(image: str) -> ImageOrigin | None:
    """Which algorithm one of AWS's images is."""
    from sm_amazon_algos.images import image_table
    from sm_core.imagechoice import origin_of_image

    return origin_of_image(image_table(), image)


@hookimpl
def sm_hyperparameters(
    framework: str | None, hyperparameters: Mapping[str, Any]
) -> dict[str, Any] | None:
    """What AWS's containers are told beside what the user sets."""
    if framework not in ALGORITHMS:
        return None
    from sm_amazon_algos.hyperparameters import ALWAYS_SENT

    return {**ALWAYS_SENT[framework], **hyperparameters}


@hookimpl
def sm_request(context: RequestContext, request: Mapping[str, Any]) -> dict[str, Any] | None:
    """Define the metrics of the algorithms' jobs, as AWS's own service does by itself."""
    if context.backend == "aws" or context.operation != "CreateTrainingJob":
        return None
    specification = request.get("AlgorithmSpecification", {})
    framework = context.framework
    if framework is None and (image := specification.get("TrainingImage")):
        origin = sm_image_origin(image)
        framework = None if origin is None else origin.framework
    if framework not in ALGORITHMS or specification.get("MetricDefinitions"):
        return None
    from sm_amazon_algos.metrics import metric_definitions

    metrics = metric_definitions(framework, request.get("HyperParameters", {}))
    return {**request, "AlgorithmSpecification": {**specification, "MetricDefinitions": metrics}}


@hookimpl
def sm_codecs() -> Iterable[Codec]:
    """RecordIO-protobuf."""
    return [CODEC]


@hookimpl
def sm_container(
    framework: str | None, device: Device, image: str | None, hosts: int
) -> ContainerSpec | None:
    """A container of this project's own, in place of AWS's."""
    from sm_amazon_algos.containers import ALGORITHMS, container_spec

    if framework is None and image is not None:
        origin = sm_image_origin(image)
        framework = None if origin is None else origin.framework
    if framework not in ALGORITHMS:
        return None
    return container_spec(framework, device, hosts=hosts)


# First: the variable that names an algorithm says that this container is for nothing else.
@hookimpl(tryfirst=True)
def sm_train(environment: TrainingEnvironment) -> bool | None:
    """Train the algorithm that the container is for."""
    from sm_amazon_algos.containers import VARIABLE

    name = os.environ.get(VARIABLE)
    if not name:
        return None
    # What this imports need not be there in a container that is for something else.
    from sm_amazon_algos.container.training import train

    train(environment, name)
    return True


@hookimpl(tryfirst=True)
def sm_inference(environment: ServingEnvironment) -> InferenceHandler | None:
    """Answer with the model of the algorithm that the container is for."""
    from sm_amazon_algos.containers import VARIABLE

    name = environment.variables.get(VARIABLE)
    if not name:
        return None
    from sm_amazon_algos.container.threads import limit_threads

    limit_threads(environment)
    from sm_amazon_algos.container.serving import AlgorithmHandler

    return AlgorithmHandler(environment, name)
