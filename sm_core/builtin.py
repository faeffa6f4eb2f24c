"""The core's own plugin: the AWS back end and the built-in codecs, through the common hooks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sm_core.backends import Backend, Polling
from sm_core.plugins import hookimpl

if TYPE_CHECKING:
    import boto3

    from sm_core.codecs import Codec


@hookimpl
def sm_backends() -> Iterable[Backend]:
    """AWS, by the ordinary boto3 chain of profiles, variables and roles."""
    return [
        Backend(
            name="aws",
            boto_session=_boto_session,
            polling=Polling(first=5, factor=1.5, ceiling=30),
        )
    ]


def _boto_session() -> boto3.Session:
    import boto3

    return boto3.Session()


@hookimpl
def sm_codecs() -> Iterable[Codec]:
    """JSON, JSON lines, CSV, npy, text and bytes."""
    from sm_core.formats import BUILTIN

    return BUILTIN
