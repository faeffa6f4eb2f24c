"""Attrs values to AWS request shapes, with cattrs, in one place; and the hooks that see requests.

Attribute names follow botocore's member names in snake case; what is None is left out.
"""

from __future__ import annotations

import re
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
    "CheckpointConfig",
    "ContainerDefinition",
    "EndpointConfigRequest",
    "MetricDefinition",
    "ModelRequest",
    "ProductionVariant",
    "RequestContext",
    "Tag",
    "Tags",
    "TrainingJobRequest",
    "VpcConfig",
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
class MetricDefinition:
    """A metric, and the expression that finds its number in log lines."""

    name: str
    regex: str


@attrs.frozen(kw_only=True)
class AlgorithmSpecification:
    """The image, how it takes its input, and what to read in its log."""

    training_image: str
    training_input_mode: str = "File"
    metric_definitions: tuple[MetricDefinition, ...] | None = None


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
    volume_kms_key_id: str | None = None


@attrs.frozen(kw_only=True)
class StoppingCondition:
    """The time limits, in seconds; the second for spot machines, waiting included."""

    max_runtime_in_seconds: int
    max_wait_time_in_seconds: int | None = None


@attrs.frozen(kw_only=True)
class VpcConfig:
    """Where in a VPC the containers are."""

    security_group_ids: tuple[str, ...]
    subnets: tuple[str, ...]


@attrs.frozen(kw_only=True)
class CheckpointConfig:
    """The folder that is kept in S3 while a job runs."""

    s3_uri: str
    local_path: str | None = None


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
    vpc_config: VpcConfig | None = None
    enable_network_isolation: bool | None = None
    enable_inter_container_traffic_encryption: bool | None = None
    enable_managed_spot_training: bool | None = None
    checkpoint_config: CheckpointConfig | None = None
    environment: Mapping[str, str] | None = None
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
    vpc_config: VpcConfig | None = None
    enable_network_isolation: bool | None = None
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
    kms_key_id: str | None = None
    tags: tuple[Tag, ...] | None = None


@attrs.frozen(kw_only=True)
class EndpointRequest:
    """CreateEndpoint."""

    endpoint_name: str
    endpoint_config_name: str
    tags: tuple[Tag, ...] | None = None


Tags = Mapping[str, str] | Sequence[Mapping[str, str]] | None

#: AWS's limits: tags of one thing, and characters of a key and of a value.
MAX_TAGS, MAX_TAG_KEY, MAX_TAG_VALUE = 50, 128, 256
_TAG_TEXT = re.compile(r"[\w\s.:/=+\-@]*")


def tags_of(tags: Tags) -> tuple[Tag, ...] | None:
    """A user's tags, from a dict or from AWS's own list of ``Key`` and ``Value``; None for none.

    Raises:
        ConfigurationError: they have neither form, or AWS would refuse them; all mistakes are named
            at once.
    """
    if not tags:
        return None
    try:
        pairs = (
            list(tags.items())
            if isinstance(tags, Mapping)
            else [(tag["Key"], tag["Value"]) for tag in tags]
        )
    except (TypeError, KeyError) as error:
        raise ConfigurationError(
            f"tags is {tags!r}; give {{'key': 'value'}}, or AWS's [{{'Key': …, 'Value': …}}]"
        ) from error
    mistakes = list(_wrong_tags(pairs))
    if mistakes:
        raise ConfigurationError("tags: " + "; ".join(mistakes))
    return tuple(Tag(key=key, value=value) for key, value in pairs)


def _wrong_tags(pairs: Sequence[tuple[Any, Any]]) -> Iterator[str]:
    """What AWS would refuse."""
    if len(pairs) > MAX_TAGS:
        yield f"{len(pairs)} are given, AWS takes {MAX_TAGS}"
    seen = set()
    for key, value in pairs:
        if not isinstance(key, str) or not 1 <= len(key) <= MAX_TAG_KEY:
            yield f"{key!r}: a key has 1 to {MAX_TAG_KEY} characters"
        elif key.lower().startswith("aws:"):
            yield f"{key!r}: names that begin with 'aws:' are AWS's own"
        elif key in seen:
            yield f"{key!r} is given twice"
        elif not isinstance(value, str) or len(value) > MAX_TAG_VALUE:
            yield f"{key!r}: a value has up to {MAX_TAG_VALUE} characters, and is text"
        elif wrong := [text for text in (key, value) if not _TAG_TEXT.fullmatch(text)]:
            yield (
                f"{key!r}: {wrong[0]!r} has characters that AWS does not take: letters, digits, "
                "spaces and _.:/=+-@ are taken"
            )
        seen.add(key)


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
        sending: False where the request is only shown, as by ``training_request()``, or looked at
            before anything is uploaded for it.
        function_mode: whether the framework is to call the script's functions (True) or to run the
            script (False); None where nothing trains, or only the container can tell.
    """

    service: str
    operation: str
    framework: str | None
    backend: str
    sending: bool = True
    function_mode: bool | None = None


_CALLER: ContextVar[Mapping[str, Any] | None] = ContextVar("sm_core_caller", default=None)


@contextmanager
def framework_of_calls(framework: str | None, function_mode: bool | None = None) -> Iterator[None]:
    """Name `framework` in the context of every request made inside the ``with`` block."""
    token = _CALLER.set({"framework": framework, "function_mode": function_mode})
    try:
        yield
    finally:
        _CALLER.reset(token)


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

    Raises:
        PluginError: a plugin that amends or refuses requests could not be loaded. Whatever a plugin
            raises passes through: that is how it refuses.
    """
    from sm_core.plugins import client_plugins

    if operation.startswith(_READING):
        return None
    context = RequestContext(
        service=service,
        operation=operation,
        backend=backend,
        sending=sending,
        **(_CALLER.get() or {"framework": None}),
    )
    plugins = client_plugins()
    plugins.insist_on_policies()
    amended = plugins.fold("sm_request", "request", request, context=context)
    finished = request if amended is None else amended
    plugins.check("sm_check_request", context=context, request=finished)
    return amended


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
