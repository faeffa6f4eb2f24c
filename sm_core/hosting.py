"""Requests for hosting what is already there: a job's model, model data in S3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sm_core.connection import Connection
from sm_core.errors import ConfigurationError
from sm_core.jobs import TrainingJob, trained_model
from sm_core.requests import (
    ContainerDefinition,
    EndpointConfigRequest,
    ProductionVariant,
    Tags,
    tags_of,
    to_aws,
)
from sm_core.roles import expand_role
from sm_core.settings import whole_number

__all__ = ["config_of", "config_of_variants", "model_of", "model_of_job", "tags_as_sent"]


def model_of(
    connection: Connection,
    name: str,
    *,
    role: str | None,
    container: str | Mapping[str, Any],
    tags: Tags = None,
) -> dict[str, Any]:
    """A CreateModel request.

    Args:
        connection: looks the role up.
        name: the model's.
        role: name or ARN.
        container: an image, or a ContainerDefinition as `container_def` makes it.
        tags: the model's.
    """
    if isinstance(container, str):
        container = to_aws(ContainerDefinition(image=container))
    request = {
        "ModelName": name,
        "PrimaryContainer": dict(container),
        "ExecutionRoleArn": expand_role(connection, role),
    }
    return request | _tags(tags)


def model_of_job(
    connection: Connection,
    job_name: str,
    *,
    name: str | None = None,
    role: str | None = None,
    image: str | None = None,
    model_data: str | None = None,
    env: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A CreateModel request for what a job trained; what is None is the job's own.

    Raises:
        ConfigurationError: the job has no model, no image or no role, and none is given.
    """
    description = TrainingJob(job_name, connection).describe()
    image = image or (description.get("AlgorithmSpecification") or {}).get("TrainingImage")
    if not image:
        raise ConfigurationError(f"training job {job_name} names no image: give one that serves")
    container = ContainerDefinition(
        image=image,
        model_data_url=model_data or trained_model(description),
        environment=dict(env or {}),
    )
    return model_of(
        connection,
        name or job_name,
        role=role or description.get("RoleArn"),
        container=to_aws(container),
    )


def config_of(
    name: str,
    model_name: str,
    *,
    initial_instance_count: int,
    instance_type: str,
    kms_key: str | None = None,
    tags: Tags = None,
) -> dict[str, Any]:
    """A CreateEndpointConfig request with one variant that gets all the traffic."""
    variant = ProductionVariant(
        variant_name="AllTraffic",
        model_name=model_name,
        instance_type=instance_type,
        initial_instance_count=whole_number("initial_instance_count", initial_instance_count),
    )
    return to_aws(
        EndpointConfigRequest(
            endpoint_config_name=name,
            production_variants=(variant,),
            kms_key_id=kms_key,
            tags=tags_of(tags),
        )
    )


def config_of_variants(
    name: str, variants: Sequence[Mapping[str, Any]], *, tags: Tags = None
) -> dict[str, Any]:
    """A CreateEndpointConfig request with several variants, as `production_variant` makes them."""
    request = {
        "EndpointConfigName": name,
        "ProductionVariants": [dict(variant) for variant in variants],
    }
    return request | _tags(tags)


def tags_as_sent(tags: Tags) -> list[dict[str, Any]]:
    """A user's tags as AWS's list; empty for none."""
    return [to_aws(tag) for tag in tags_of(tags) or ()]


def _tags(tags: Tags) -> dict[str, Any]:
    return {"Tags": tags_as_sent(tags)} if tags else {}
