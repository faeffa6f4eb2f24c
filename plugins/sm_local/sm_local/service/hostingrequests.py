"""CreateModel's and CreateEndpointConfig's requests checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sm_local.service.checks import (
    ANY,
    EachOf,
    OneOf,
    invalid,
    refuse_unsupported,
    required,
    s3_location,
)
from sm_local.service.hosting import Endpoint
from sm_local.service.objects import Objects

__all__ = [
    "check_config_request",
    "check_endpoint_request",
    "check_model_data",
    "check_model_request",
    "check_update_request",
    "check_weights",
]

#: What may be asked for. Widening these tables is the last step of a new ability, never the first.
_MODEL: Mapping[str, Any] = {
    "ModelName": ANY,
    "PrimaryContainer": {
        "Image": ANY,
        "ModelDataUrl": ANY,
        "Environment": ANY,
        "Mode": OneOf(["SingleModel"]),
    },
    "ExecutionRoleArn": ANY,
    "Tags": ANY,
}
_CONFIG: Mapping[str, Any] = {
    "EndpointConfigName": ANY,
    "ProductionVariants": EachOf(
        {
            "VariantName": ANY,
            "ModelName": ANY,
            "InitialInstanceCount": ANY,
            "InstanceType": ANY,
            "InitialVariantWeight": ANY,
            "ContainerStartupHealthCheckTimeoutInSeconds": ANY,
        }
    ),
    "Tags": ANY,
}
_UPDATE: Mapping[str, Any] = {
    "EndpointName": ANY,
    "EndpointConfigName": ANY,
    "RetainAllVariantProperties": ANY,
    "ExcludeRetainedVariantProperties": EachOf(
        {"VariantPropertyType": OneOf(["DesiredInstanceCount", "DesiredWeight"])}
    ),
}
_WEIGHTS: Mapping[str, Any] = {
    "EndpointName": ANY,
    "DesiredWeightsAndCapacities": EachOf(
        {"VariantName": ANY, "DesiredWeight": ANY, "DesiredInstanceCount": ANY}
    ),
}
#: Instances of one variant: more model servers on one machine answer nothing faster.
_MOST_INSTANCES = 16
_ENDPOINT: Mapping[str, Any] = {"EndpointName": ANY, "EndpointConfigName": ANY, "Tags": ANY}


def check_endpoint_request(request: Mapping[str, Any]) -> None:
    """Raises: ServiceError: CreateEndpoint asks for what is not available here."""
    refuse_unsupported(request, _ENDPOINT)


def check_update_request(request: Mapping[str, Any]) -> None:
    """Raises: ServiceError: UpdateEndpoint asks for what is not available here."""
    refuse_unsupported(request, _UPDATE)
    retain = request.get("RetainAllVariantProperties", False)
    if request.get("ExcludeRetainedVariantProperties") and not retain:
        raise invalid(
            "ExcludeRetainedVariantProperties needs RetainAllVariantProperties to be true: "
            "without it nothing is retained"
        )


def check_weights(
    request: Mapping[str, Any], endpoint: Endpoint
) -> tuple[dict[str, float], dict[str, int]]:
    """Weights and instance counts that UpdateEndpointWeightsAndCapacities gives, by variant.

    Raises:
        ServiceError: more instances than there may be, or a variant that is not there.
    """
    refuse_unsupported(request, _WEIGHTS)
    desired = {each["VariantName"]: each for each in request["DesiredWeightsAndCapacities"]}
    unknown = sorted(desired.keys() - {variant.name for variant in endpoint.variants})
    if unknown:
        raise invalid(f"The endpoint {endpoint.name} has no variant {', '.join(unknown)}.")
    weights, counts = (
        {name: each[member] for name, each in desired.items() if member in each}
        for member in ("DesiredWeight", "DesiredInstanceCount")
    )
    for name, count in counts.items():
        _check_count(count, f"DesiredInstanceCount of variant {name}")
    return weights, counts


def _check_count(count: int, what: str) -> None:
    """Raises: ServiceError: as many instances as nobody has here."""
    if not 1 <= count <= _MOST_INSTANCES:
        raise invalid(
            f"{what} is {count}; it must be 1 to {_MOST_INSTANCES} here, where all instances share "
            "this machine"
        )


def check_model_request(request: Mapping[str, Any]) -> dict[str, Any]:
    """CreateModel's request without tags.

    Raises:
        ServiceError: something is missing, or not available here.
    """
    refuse_unsupported(request, _MODEL)
    required(request, "PrimaryContainer.Image", "ExecutionRoleArn")
    return {name: request[name] for name in request if name in _MODEL and name != "Tags"}


def check_model_data(objects: Objects, request: Mapping[str, Any]) -> None:
    """Insist that the model's archive is there. Blocks.

    Raises:
        ServiceError: it is not.
    """
    url = request["PrimaryContainer"].get("ModelDataUrl")
    if url is None:
        return
    where = s3_location(url, "PrimaryContainer.ModelDataUrl")
    if objects.info(where.bucket, where.key) is None:
        raise invalid(f"Could not find model data at {url}.")


def check_config_request(request: Mapping[str, Any]) -> dict[str, Any]:
    """CreateEndpointConfig's request with AWS's defaults, without tags.

    Raises:
        ServiceError: something is missing, or not available here.
    """
    refuse_unsupported(request, _CONFIG)
    variants = request["ProductionVariants"]
    names = [variant["VariantName"] for variant in variants]
    for variant in variants:
        required(variant, "ModelName", "InstanceType", "InitialInstanceCount")
        count = variant["InitialInstanceCount"]
        _check_count(count, f"InitialInstanceCount of variant {variant['VariantName']}")
        if names.count(variant["VariantName"]) > 1:
            raise invalid(f"Two production variants have the name {variant['VariantName']}.")
    return {
        "EndpointConfigName": request["EndpointConfigName"],
        "ProductionVariants": [{"InitialVariantWeight": 1.0, **variant} for variant in variants],
    }
