"""Hand the service what a container of this client's plugins is made of.

The service cannot see every client's plugins. Before a training job or a model is created, the
container's description and the wheels of the code beside this client go to a bucket of their own,
addressed by content, and a tag of the request names them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from sm_core.containerspec import ContainerSpec
from sm_core.plugins import client_plugins
from sm_local.environments import index_settings
from sm_local.environmentspec import EnvironmentSpec, Wheel
from sm_local.gpu import device_for
from sm_local.home import ENVIRONMENT_TAG, RESERVED_BUCKET, Home
from sm_local.wheels import WheelFile, installed_wheel

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from sm_core.requests import RequestContext

__all__ = ["environment_of", "hand_over"]


def hand_over(context: RequestContext, request: Mapping[str, Any]) -> dict[str, Any] | None:
    """`request` with the tag that names its environment, or None to leave it as it is.

    What the service lacks is uploaded, but only if ``context.sending``. A request that is no
    CreateTrainingJob or CreateModel, or whose image no plugin knows, is left as it is.

    Raises:
        LocalServiceError: the code beside this client cannot be packed.
    """
    image = _image(context.operation, request)
    if image is None:
        return None
    container = client_plugins().first(
        "sm_container",
        ContainerSpec,
        framework=context.framework,
        version=None,
        device=device_for(image, _instance_type(request)),
        image=image,
        hosts=_hosts(request),
        function_mode=context.function_mode,
    )
    if container is None:
        return None
    home = Home.default()
    spec, wheels = environment_of(home, container)
    if context.sending:
        _upload(home, spec, wheels)
    tags = [tag for tag in request.get("Tags", ()) if tag["Key"] != ENVIRONMENT_TAG]
    return {**request, "Tags": [*tags, {"Key": ENVIRONMENT_TAG, "Value": spec.digest}]}


def environment_of(home: Home, container: ContainerSpec) -> tuple[EnvironmentSpec, list[WheelFile]]:
    """What `container` is made of on this machine, and the wheels of the code beside the caller.

    Raises:
        LocalServiceError: that code cannot be packed.
    """
    cache_folder = home.create().wheels
    names = dict.fromkeys(("sm-core", *container.distributions))
    wheels = [installed_wheel(name, cache_folder) for name in names]
    spec = EnvironmentSpec(
        container=container,
        wheels=tuple(Wheel(filename=wheel.filename, sha256=wheel.sha256) for wheel in wheels),
        index=index_settings(os.environ),
    )
    return spec, wheels


def _image(operation: str, request: Mapping[str, Any]) -> str | None:
    """The image of the one container that `request` names; None if it names another number."""
    if operation == "CreateTrainingJob":
        containers = [request.get("AlgorithmSpecification", {})]
    elif operation == "CreateModel":
        containers = [request.get("PrimaryContainer"), *request.get("Containers", ())]
    else:
        return None
    images = [
        container.get("TrainingImage") or container.get("Image")
        for container in containers
        if container
    ]
    return images[0] if len(images) == 1 else None


def _hosts(request: Mapping[str, Any]) -> int:
    """How many hosts a request trains on; 1 if it trains nothing."""
    return int(request.get("ResourceConfig", {}).get("InstanceCount", 1))


def _instance_type(request: Mapping[str, Any]) -> str:
    """What a request trains on; nothing if it trains nothing."""
    return str(request.get("ResourceConfig", {}).get("InstanceType", ""))


def _upload(home: Home, spec: EnvironmentSpec, wheels: list[WheelFile]) -> None:
    """Put what is missing; the specification last, so that its presence vouches for the wheels."""
    client = _s3(home, os.getpid())
    if spec.secrets:
        # Each time: a password changes without the environment's becoming another one.
        secrets = json.dumps(spec.secrets).encode()
        client.put_object(Bucket=RESERVED_BUCKET, Key=f"secrets/{spec.digest}.json", Body=secrets)
    key = f"specs/{spec.digest}.json"
    if _exists(client, key):
        return
    for wheel in wheels:
        wheel_key = f"wheels/{wheel.sha256}/{wheel.filename}"
        if not _exists(client, wheel_key):
            with wheel.path.open("rb") as body:
                client.put_object(Bucket=RESERVED_BUCKET, Key=wheel_key, Body=body)
    client.put_object(Bucket=RESERVED_BUCKET, Key=key, Body=spec.to_json())


def _exists(client: S3Client, key: str) -> bool:
    from botocore.exceptions import ClientError

    try:
        client.head_object(Bucket=RESERVED_BUCKET, Key=key)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return False
        raise
    return True


@cache
def _s3(home: Home, process: int) -> S3Client:
    """A client whose own requests no plugin sees; one for each process, as sockets do not fork."""
    from sm_local.backend import local_boto_session

    client: S3Client = local_boto_session(home).client("s3")
    return client
