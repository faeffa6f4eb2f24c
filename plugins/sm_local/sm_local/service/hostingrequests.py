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
_UPDATE: Mapping[str, Any] = {"EndpointName": ANY, "EndpointConfigName": ANY}
_WEIGHTS: Mapping[str, Any] = {
    "EndpointName": ANY,
    "DesiredWeightsAndCapacities": EachOf({"VariantName": ANY, "DesiredWeight": ANY}),
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


def check_weights(request: Mapping[str, Any], endpoint: Endpoint) -> dict[str, float]:
    """The weights that UpdateEndpointWeightsAndCapacities gives, by variant.

    Raises:
        ServiceError: a capacity, which is not available here, or a variant that is not there.
    """
    refuse_unsupported(request, _WEIGHTS)
    weights = {
        each["VariantName"]: each["DesiredWeight"]
        for each in request["DesiredWeightsAndCapacities"]
        if "DesiredWeight" in each
    }
    unknown = sorted(weights.keys() - {variant.name for variant in endpoint.variants})
    if unknown:
        raise invalid(f"The endpoint {endpoint.name} has no variant {', '.join(unknown)}.")
    return weights


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
        if not 1 <= variant["InitialInstanceCount"] <= _MOST_INSTANCES:
            raise invalid(
                f"InitialInstanceCount of variant {variant['VariantName']} is "
                f"{variant['InitialInstanceCount']}; it must be 1 to {_MOST_INSTANCES} here, where "
                "all instances share this machine"
            )
        if names.count(variant["VariantName"]) > 1:
            raise invalid(f"Two production variants have the name {variant['VariantName']}.")
    return {
        "EndpointConfigName": request["EndpointConfigName"],
        "ProductionVariants": [{"InitialVariantWeight": 1.0, **variant} for variant in variants],
    }
