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
from sm_local.service.objects import Objects

__all__ = [
    "check_config_request",
    "check_endpoint_request",
    "check_model_data",
    "check_model_request",
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
            "InitialInstanceCount": OneOf([1]),
            "InstanceType": ANY,
            "InitialVariantWeight": ANY,
            "ContainerStartupHealthCheckTimeoutInSeconds": ANY,
        }
    ),
    "Tags": ANY,
}
_ENDPOINT: Mapping[str, Any] = {"EndpointName": ANY, "EndpointConfigName": ANY, "Tags": ANY}


def check_endpoint_request(request: Mapping[str, Any]) -> None:
    """Raises: ServiceError: CreateEndpoint asks for what is not available here."""
    refuse_unsupported(request, _ENDPOINT)


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
    if len(variants) > 1:
        raise invalid(
            f"ProductionVariants: {len(variants)} variants are not available: the local service "
            "does not have them yet, only 1"
        )
    for variant in variants:
        required(variant, "ModelName", "InstanceType", "InitialInstanceCount")
    return {
        "EndpointConfigName": request["EndpointConfigName"],
        "ProductionVariants": [{"InitialVariantWeight": 1.0, **variant} for variant in variants],
    }
