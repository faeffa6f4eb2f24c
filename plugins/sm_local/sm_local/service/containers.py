"""How a container's process is started: its command and its whole environment."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path

import uv

from sm_local.home import Credentials
from sm_local.service.context import Context
from sm_local.service.environmentstore import Container

__all__ = ["INDEX_VARIABLE", "SOCKET_VARIABLE", "container_environment"]

#: Variables of the service that reach a container; everything else stays outside.
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_PASSED_ON = ("LANG", "TZ", "HOME", "TMPDIR", *_CERTIFICATES)
_PASSED_ON_PREFIX = "LC_"
#: Tells a model server to listen on a Unix socket, and where.
SOCKET_VARIABLE = "SMCORE_SERVER_SOCKET"
#: How the toolkit reaches the package index: a JSON object of variables for ``uv``.
INDEX_VARIABLE = "SMCORE_PACKAGE_INDEX"
#: sysconfig, which finds uv, is not to be used first by two threads at once (before Python 3.14).
_FINDING_UV = threading.Lock()


def container_environment(
    context: Context,
    container: Container,
    *,
    base: Path,
    credentials: Credentials,
    platform: Mapping[str, str],
    requested: Mapping[str, str],
    socket: Path | None = None,
) -> dict[str, str]:
    """All variables of one container.

    Args:
        context: of the service.
        container: what runs.
        base: the host's tree that stands for /opt/ml.
        credentials: the job's or endpoint's own key pair.
        platform: what SageMaker adds for this kind of container.
        requested: ``Environment`` of the request; wins over everything but `base` and `socket`.
        socket: Unix socket that a model server listens on.
    """
    variables = _of_this_machine(container)
    variables.update(_aws(context, credentials))
    index = dict(container.index)
    variables.update({name: index.pop(name) for name in _CERTIFICATES if name in index})
    variables.update(container.spec.environment)
    variables.update(platform)
    variables.update(requested)
    if withheld := {name: value for name, value in index.items() if name not in variables}:
        # For the toolkit alone, which keeps it from the user's code: there may be passwords in it.
        variables[INDEX_VARIABLE] = json.dumps(withheld)
    variables["SAGEMAKER_BASE_DIR"] = str(base)
    if socket is not None:
        variables[SOCKET_VARIABLE] = str(socket)
    return variables


def _of_this_machine(container: Container) -> dict[str, str]:
    """What of the service's own variables a container may see, and where its programs are."""
    variables = {
        name: value
        for name, value in os.environ.items()
        if name in _PASSED_ON or name.startswith(_PASSED_ON_PREFIX)
    }
    programs = [str(container.folder / "bin"), os.environ.get("PATH", os.defpath)]
    variables.update(PATH=os.pathsep.join(programs), UV=_uv(), PYTHONUNBUFFERED="1")
    return variables


def _aws(context: Context, credentials: Credentials) -> dict[str, str]:
    """How AWS's clients inside a container reach the local service, and nothing else."""
    return {
        "AWS_REGION": context.region,
        "AWS_DEFAULT_REGION": context.region,
        "AWS_ENDPOINT_URL": context.endpoint_url,
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
        "AWS_EC2_METADATA_DISABLED": "true",
        # A call during a restart of the service, which jobs outlive, is made again.
        "AWS_RETRY_MODE": "standard",
        "AWS_MAX_ATTEMPTS": "8",
        # The user's own configuration of AWS is for AWS.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def _uv() -> str:
    with _FINDING_UV:
        return uv.find_uv_bin()
