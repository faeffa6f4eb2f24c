"""Clients for AWS: the only module of the toolkit that needs boto3, imported at first need."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sm_core.container.errors import ContainerError

__all__ = ["aws_client", "aws_errors"]

#: The contract's own variables for endpoints; AWS_ENDPOINT_URL is boto3's affair.
_ENDPOINT_VARIABLES = {"s3": "S3_ENDPOINT_URL"}


def aws_client(service: str, *, region: str = "") -> Any:
    """A boto3 client.

    Args:
        service: its name in boto3.
        region: AWS region; "" leaves it to boto3.
    """
    import boto3

    endpoint = os.environ.get(_ENDPOINT_VARIABLES.get(service, ""))
    # Any service: boto3's stubs know each by a literal.
    make: Any = boto3.client
    return make(service, region_name=region or None, endpoint_url=endpoint or None)


@contextmanager
def aws_errors(doing: str) -> Iterator[None]:
    """Turn what boto3 raises inside into a `ContainerError` that begins with `doing`."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (Boto3Error, BotoCoreError, ClientError, OSError) as error:
        raise ContainerError(f"{doing}: {error}") from error
