"""Attrs values to AWS request shapes, with cattrs, in one place; and the hooks that see requests.

Attribute names follow botocore's member names in snake case; what is None is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

import attrs
import cattrs
from cattrs.gen import make_dict_unstructure_fn, override

from sm_core.errors import ConfigurationError

__all__ = [
    "Channel",
    "ContainerDefinition",
    "EndpointConfigRequest",
    "ModelRequest",
    "ProductionVariant",
    "RequestContext",
    "Tag",
    "Tags",
    "TrainingJobRequest",
    "framework_of_calls",
    "shape_request",
    "shown_request",
    "tags_of",
    "to_aws",
]


@attrs.frozen(kw_only=True)
class Tag:
    """One tag."""

    key: str
    value: str


@attrs.frozen(kw_only=True)
class S3DataSource:
    """Where a channel's objects are."""

    s3_uri: str
    s3_data_type: str = "S3Prefix"
    s3_data_distribution_type: str = "FullyReplicated"
    attribute_names: tuple[str, ...] | None = None


@attrs.frozen(kw_only=True)
class DataSource:
    """The one kind of data source that the SDK sends."""

    s3_data_source: S3DataSource


@attrs.frozen(kw_only=True)
class ShuffleConfig:
    """Shuffling of a channel's objects."""

    seed: int


@attrs.frozen(kw_only=True)
class Channel:
    """One input channel of a training job."""

    channel_name: str
    data_source: DataSource
    content_type: str | None = None
    compression_type: str | None = None
    record_wrapper_type: str | None = None
    input_mode: str | None = None
    shuffle_config: ShuffleConfig | None = None


@attrs.frozen(kw_only=True)
class AlgorithmSpecification:
    """The image and how it takes its input."""

    training_image: str
    training_input_mode: str = "File"


@attrs.frozen(kw_only=True)
class OutputDataConfig:
    """Where the model goes."""

    s3_output_path: str
    kms_key_id: str | None = None


@attrs.frozen(kw_only=True)
class ResourceConfig:
    """The machines."""

    instance_type: str
    instance_count: int
    volume_size_in_gb: int


@attrs.frozen(kw_only=True)
class StoppingCondition:
    """The time limit, in seconds."""

    max_runtime_in_seconds: int


@attrs.frozen(kw_only=True)
class TrainingJobRequest:
    """CreateTrainingJob."""

    training_job_name: str
    algorithm_specification: AlgorithmSpecification
    role_arn: str
    output_data_config: OutputDataConfig
    resource_config: ResourceConfig
    stopping_condition: StoppingCondition
    hyper_parameters: Mapping[str, str] | None = None
    input_data_config: tuple[Channel, ...] | None = None
    tags: tuple[Tag, ...] | None = None


@attrs.frozen(kw_only=True)
class ContainerDefinition:
    """A model's container."""

    image: str
    model_data_url: str | None = None
    environment: Mapping[str, str] | None = None


@attrs.frozen(kw_only=True)
class ModelRequest:
    """CreateModel."""

    model_name: str
    primary_container: ContainerDefinition
    execution_role_arn: str
    tags: tuple[Tag, ...] | None = None


@attrs.frozen(kw_only=True)
class ProductionVariant:
    """One variant of an endpoint configuration; the weight is its share of the traffic."""

    variant_name: str
    model_name: str
    instance_type: str
    initial_instance_count: int
    initial_variant_weight: float = 1.0


@attrs.frozen(kw_only=True)
class EndpointConfigRequest:
    """CreateEndpointConfig."""

    endpoint_config_name: str
    production_variants: tuple[ProductionVariant, ...]
    tags: tuple[Tag, ...] | None = None


@attrs.frozen(kw_only=True)
class EndpointRequest:
    """CreateEndpoint."""

    endpoint_name: str
    endpoint_config_name: str
    tags: tuple[Tag, ...] | None = None


Tags = Mapping[str, str] | Sequence[Mapping[str, str]] | None


def tags_of(tags: Tags) -> tuple[Tag, ...] | None:
    """A user's tags, from a dict or from AWS's own list of ``Key`` and ``Value``; None for none.

    Raises:
        ConfigurationError: they have neither form.
    """
    if not tags:
        return None
    if isinstance(tags, Mapping):
        return tuple(Tag(key=key, value=value) for key, value in tags.items())
    try:
        return tuple(Tag(key=tag["Key"], value=tag["Value"]) for tag in tags)
    except (TypeError, KeyError) as error:
        raise ConfigurationError(
            f"tags is {tags!r}; give {{'key': 'value'}}, or AWS's [{{'Key': …, 'Value': …}}]"
        ) from error


def to_aws(value: Any) -> dict[str, Any]:
    """An attrs value of this module as the dict that a boto3 client takes."""
    shaped: dict[str, Any] = _converter().unstructure(value)
    return shaped


@cache
def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(unstruct_collection_overrides={tuple: list})
    converter.register_unstructure_hook_factory(attrs.has, lambda cls: _shape(cls, converter))
    return converter


def _shape(cls: type, converter: cattrs.Converter) -> Any:
    names: dict[str, Any] = {
        field.name: override(rename=_member(field.name)) for field in attrs.fields(cls)
    }
    full: Callable[[Any], dict[str, Any]] = make_dict_unstructure_fn(cls, converter, **names)

    def without_none(value: Any) -> dict[str, Any]:
        return {name: member for name, member in full(value).items() if member is not None}

    return without_none


def _member(name: str) -> str:
    """``s3_uri`` → ``S3Uri``, ``volume_size_in_gb`` → ``VolumeSizeInGB``."""
    return "".join({"gb": "GB"}.get(part, part.capitalize()) for part in name.split("_"))


@attrs.frozen(kw_only=True)
class RequestContext:
    """What a request hook knows beside the request itself.

    Attributes:
        service: boto3's name of the service (``sagemaker``, ``s3``).
        operation: API operation (``CreateTrainingJob``).
        framework: framework on whose behalf the call is made, if any.
        backend: name of the Session's back end.
        sending: False where the request is only shown, as by ``training_request()``.
    """

    service: str
    operation: str
    framework: str | None
    backend: str
    sending: bool = True


_FRAMEWORK: ContextVar[str | None] = ContextVar("sm_core_framework", default=None)


@contextmanager
def framework_of_calls(framework: str | None) -> Iterator[None]:
    """Name `framework` in the context of every request made inside the ``with`` block."""
    token = _FRAMEWORK.set(framework)
    try:
        yield
    finally:
        _FRAMEWORK.reset(token)


#: Operations that neither create nor change anything begin with one of these.
_READING = (
    "Assume",
    "BatchDescribe",
    "BatchGet",
    "Decode",
    "Describe",
    "Filter",
    "Get",
    "Head",
    "Invoke",
    "List",
    "Query",
    "Search",
    "Select",
    "Simulate",
)


def shape_request(
    request: Mapping[str, Any], *, service: str, operation: str, backend: str, sending: bool = True
) -> dict[str, Any] | None:
    """`request` as the plugins' ``sm_request`` hooks amend it, or None if nothing changed.

    Reading operations are not shown to the hooks.
    """
    from sm_core.plugins import client_plugins

    if operation.startswith(_READING):
        return None
    context = RequestContext(
        service=service,
        operation=operation,
        framework=_FRAMEWORK.get(),
        backend=backend,
        sending=sending,
    )
    return client_plugins().fold("sm_request", "request", request, context=context)


def shown_request(value: Any, *, operation: str, backend: str) -> dict[str, Any]:
    """The request of a SageMaker operation as it would be sent, for showing it.

    Args:
        value: an attrs value of this module.
        operation: that it is for.
        backend: name of the Session's back end.
    """
    request = to_aws(value)
    amended = shape_request(
        request, service="sagemaker", operation=operation, backend=backend, sending=False
    )
    return request if amended is None else amended
