"""What sm-local adds to sm-core: the back end ``local``, the hand-over and ``sm local``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sm_core.backends import Backend, Polling
from sm_core.plugins import hookimpl

if TYPE_CHECKING:
    import boto3
    import click

    from sm_core.requests import RequestContext

#: The back end's name, which requests carry in their context.
BACKEND = "local"


@hookimpl
def sm_backends() -> Iterable[Backend]:
    """The service on this machine."""
    return [
        Backend(
            name=BACKEND,
            boto_session=_boto_session,
            polling=Polling(first=0.05, factor=1.5, ceiling=1),
            instance_types={"local": "ml.c5.xlarge", "local_gpu": "ml.p3.2xlarge"},
            unusable=_unusable,
            runs_own_containers=True,
            default_role="arn:aws:iam::000000000000:role/SageMakerRole",
        )
    ]


def _unusable(instance_type: str) -> str | None:
    from sm_local.gpu import DEVICE, has_gpu

    if instance_type != "local_gpu" or has_gpu():
        return None
    return (
        f"this machine has no NVIDIA GPU that the driver shows ({DEVICE}): 'local' runs on the CPU"
    )


def _boto_session() -> boto3.Session:
    from sm_local.backend import local_boto_session

    return local_boto_session()


@hookimpl
def sm_request(context: RequestContext, request: Mapping[str, Any]) -> dict[str, Any] | None:
    """Hand over what the container of a training job or model is made of."""
    if context.backend != BACKEND or context.operation not in {"CreateTrainingJob", "CreateModel"}:
        return None
    from sm_local.handover import hand_over

    return hand_over(context, request)


@hookimpl
def sm_commands(group: click.Group) -> None:
    """Add ``sm local``."""
    from sm_local.commands import local

    group.add_command(local)
