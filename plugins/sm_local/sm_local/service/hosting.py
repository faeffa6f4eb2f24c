"""Models, endpoint configurations and endpoints as values, and as their Describe operations say."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import attrs

from sm_local.service.paging import Listed, as_datetime

__all__ = [
    "Deployment",
    "Endpoint",
    "EndpointConfig",
    "HostedModel",
    "Instance",
    "Variant",
    "config_entry",
    "describe_config",
    "describe_endpoint",
    "describe_model",
    "list_entry",
    "model_entry",
]


@attrs.frozen(kw_only=True)
class HostedModel:
    """What CreateModel made.

    Attributes:
        name: of the model.
        arn: of the model.
        request: CreateModel's, without tags.
        tags: the request's, key to value.
        environment: digest of the environment specification.
        created: epoch seconds.
    """

    name: str
    arn: str
    request: dict[str, Any]
    tags: dict[str, str]
    environment: str
    created: float


@attrs.frozen(kw_only=True)
class EndpointConfig:
    """What CreateEndpointConfig made; the members are those of `HostedModel`."""

    name: str
    arn: str
    request: dict[str, Any]
    tags: dict[str, str]
    created: float


@attrs.frozen(kw_only=True)
class Variant:
    """A production variant with the model that it had when the endpoint was created.

    Attributes:
        request: the ProductionVariant of the endpoint configuration.
        container: the model's ContainerDefinition.
        environment: digest of the model's environment specification.
    """

    request: dict[str, Any]
    container: dict[str, Any]
    environment: str

    @property
    def name(self) -> str:
        """VariantName."""
        name: str = self.request["VariantName"]
        return name


@attrs.frozen(kw_only=True)
class Instance:
    """One instance of a variant.

    Attributes:
        variant: the variant's name.
        number: within the variant, from 1.
        id: as in the name of its log stream (``i-`` and 17 hexadecimal digits).
        socket: the Unix socket of the model server that was started last.
    """

    variant: str
    number: int
    id: str
    socket: str | None = None

    @property
    def folder(self) -> str:
        """Name of the instance's folder in the endpoint's."""
        return f"{self.variant}-{self.id}"

    @property
    def stream(self) -> str:
        """Name of its log stream."""
        return f"{self.variant}/{self.id}"


@attrs.frozen(kw_only=True)
class Deployment:
    """What an endpoint serves, or is to serve: see `Endpoint`."""

    config: str
    variants: tuple[Variant, ...]
    instances: tuple[Instance, ...]

    @classmethod
    def of(cls, config: str, variants: Sequence[Variant]) -> Deployment:
        """As many new instances of each variant as it asks for."""
        instances = tuple(
            Instance(variant=variant.name, number=number, id=f"i-{secrets.token_hex(9)[:17]}")
            for variant in variants
            for number in range(1, variant.request["InitialInstanceCount"] + 1)
        )
        return cls(config=config, variants=tuple(variants), instances=instances)

    def resized(self, *, weights: Mapping[str, float], counts: Mapping[str, int]) -> Deployment:
        """New instances of the same variants.

        Args:
            weights: of those variants whose weight is another one, by name.
            counts: of instances, likewise.
        """
        variants = []
        for variant in self.variants:
            request = dict(variant.request)
            if variant.name in weights:
                request["InitialVariantWeight"] = weights[variant.name]
            if variant.name in counts:
                request["InitialInstanceCount"] = counts[variant.name]
            variants.append(attrs.evolve(variant, request=request))
        return Deployment.of(self.config, variants)

    def count(self, variant: str) -> int:
        """How many instances a variant has."""
        return sum(instance.variant == variant for instance in self.instances)

    def variant(self, name: str) -> Variant:
        """The variant of that name."""
        return next(variant for variant in self.variants if variant.name == name)

    def listening(self, instance: Instance, socket: str | None) -> Deployment:
        """The same with another socket of one of its instances."""
        return attrs.evolve(
            self,
            instances=tuple(
                attrs.evolve(each, socket=socket) if each.id == instance.id else each
                for each in self.instances
            ),
        )


@attrs.frozen(kw_only=True)
class Endpoint:
    """An endpoint: what is wanted of it, and what became of that.

    Attributes:
        name: of the endpoint.
        arn: of the endpoint.
        current: what it serves: the endpoint configuration, its variants and their instances.
        folder: name of the endpoint's folder in the home's ``endpoints``.
        tags: the request's, key to value.
        created: epoch seconds.
        modified: epoch seconds.
        status: EndpointStatus: Creating, Updating, InService, Failed or Deleting.
        reason: FailureReason, or "".
        pending: what it is being updated to.
        retired: instances that served once, whose logs there are.
        weights: of variants whose weights were changed since.
    """

    name: str
    arn: str
    folder: str
    current: Deployment
    tags: dict[str, str]
    created: float
    modified: float
    status: str = "Creating"
    reason: str = ""
    pending: Deployment | None = None
    retired: tuple[Instance, ...] = ()
    weights: dict[str, float] = attrs.field(factory=dict)

    @property
    def variants(self) -> tuple[Variant, ...]:
        """What is served."""
        return self.current.variants

    @property
    def instances(self) -> tuple[Instance, ...]:
        """Those that ever served, the present ones and those to come."""
        pending = () if self.pending is None else self.pending.instances
        return (*self.retired, *self.current.instances, *pending)

    def weight(self, variant: Variant) -> float:
        """The share of invocations that a variant gets, in relation to the others'."""
        initial: float = variant.request.get("InitialVariantWeight", 1.0)
        return self.weights.get(variant.name, initial)

    def moved(self, status: str, now: float, *, reason: str = "") -> Endpoint:
        """The endpoint in another status."""
        return attrs.evolve(self, status=status, modified=now, reason=reason)

    def updating(self, pending: Deployment, now: float) -> Endpoint:
        """The endpoint that goes over to something else."""
        return attrs.evolve(self.moved("Updating", now), pending=pending)

    def retained(self, coming: Deployment, *, excluded: Collection[str]) -> Deployment:
        """What is to come, where variants that are there already keep weight and instance count.

        Args:
            coming: as its configuration says.
            excluded: VariantPropertyType of what is not kept.
        """
        names = {variant.name for variant in coming.variants}
        kept = [variant for variant in self.variants if variant.name in names]
        weights = {variant.name: self.weight(variant) for variant in kept}
        counts = {variant.name: self.current.count(variant.name) for variant in kept}
        return coming.resized(
            weights={} if "DesiredWeight" in excluded else weights,
            counts={} if "DesiredInstanceCount" in excluded else counts,
        )

    def updated(self, now: float) -> Endpoint:
        """The endpoint that has gone over to what was pending."""
        assert self.pending is not None
        return attrs.evolve(
            self.moved("InService", now),
            current=self.pending,
            pending=None,
            retired=(*self.retired, *self.current.instances),
            weights={},
        )

    def rolled_back(self, now: float, reason: str) -> Endpoint:
        """The endpoint that stays what it was."""
        coming = () if self.pending is None else self.pending.instances
        return attrs.evolve(
            self.moved("InService", now, reason=reason),
            pending=None,
            retired=(*self.retired, *coming),
        )

    def listening(self, instance: Instance, socket: str | None) -> Endpoint:
        """The endpoint with another socket of one of its instances."""
        pending = None if self.pending is None else self.pending.listening(instance, socket)
        current = self.current.listening(instance, socket)
        return attrs.evolve(self, current=current, pending=pending)


def describe_model(model: HostedModel) -> dict[str, Any]:
    """DescribeModel's answer."""
    return {
        **model.request,
        "ModelArn": model.arn,
        "CreationTime": as_datetime(model.created),
        "EnableNetworkIsolation": False,
    }


def describe_config(config: EndpointConfig) -> dict[str, Any]:
    """DescribeEndpointConfig's answer."""
    return {
        **config.request,
        "EndpointConfigArn": config.arn,
        "CreationTime": as_datetime(config.created),
    }


def model_entry(model: HostedModel) -> Listed:
    """The model in ListModels' answer."""
    return _entry(model, "Model")


def config_entry(config: EndpointConfig) -> Listed:
    """The configuration in ListEndpointConfigs' answer."""
    return _entry(config, "EndpointConfig")


def _entry(resource: HostedModel | EndpointConfig, kind: str) -> Listed:
    return Listed(
        name=resource.name,
        status="",
        created=resource.created,
        modified=resource.created,
        summary={
            f"{kind}Name": resource.name,
            f"{kind}Arn": resource.arn,
            "CreationTime": as_datetime(resource.created),
        },
    )


def describe_endpoint(endpoint: Endpoint) -> dict[str, Any]:
    """DescribeEndpoint's answer."""
    described: dict[str, Any] = {
        "EndpointName": endpoint.name,
        "EndpointArn": endpoint.arn,
        "EndpointConfigName": endpoint.current.config,
        "EndpointStatus": endpoint.status,
        "CreationTime": as_datetime(endpoint.created),
        "LastModifiedTime": as_datetime(endpoint.modified),
    }
    if endpoint.status in ("InService", "Updating"):
        described["ProductionVariants"] = [
            _variant_summary(endpoint, variant) for variant in endpoint.variants
        ]
    if endpoint.reason:
        described["FailureReason"] = endpoint.reason
    return described


def list_entry(endpoint: Endpoint) -> Listed:
    """The endpoint in ListEndpoints' answer."""
    return Listed(
        name=endpoint.name,
        status=endpoint.status,
        created=endpoint.created,
        modified=endpoint.modified,
        summary={
            "EndpointName": endpoint.name,
            "EndpointArn": endpoint.arn,
            "CreationTime": as_datetime(endpoint.created),
            "LastModifiedTime": as_datetime(endpoint.modified),
            "EndpointStatus": endpoint.status,
        },
    )


def _variant_summary(endpoint: Endpoint, variant: Variant) -> Mapping[str, Any]:
    weight = endpoint.weight(variant)
    count = endpoint.current.count(variant.name)
    wanted = endpoint.current if endpoint.pending is None else endpoint.pending
    image = variant.container["Image"]
    return {
        "VariantName": variant.name,
        "DeployedImages": [
            {
                "SpecifiedImage": image,
                "ResolvedImage": image,
                "ResolutionTime": as_datetime(endpoint.created),
            }
        ],
        "CurrentWeight": weight,
        "DesiredWeight": _desired_weight(endpoint, variant),
        "CurrentInstanceCount": count,
        "DesiredInstanceCount": wanted.count(variant.name),
    }


def _desired_weight(endpoint: Endpoint, variant: Variant) -> float:
    coming = () if endpoint.pending is None else endpoint.pending.variants
    for each in coming:
        if each.name == variant.name:
            desired: float = each.request.get("InitialVariantWeight", 1.0)
            return desired
    return 0.0 if coming else endpoint.weight(variant)
