"""Downloads from S3: the only module of the toolkit that needs boto3, imported at first need."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from sm_core.container.errors import ContainerError

__all__ = ["download"]


def download(uri: str, path: Path, *, region: str = "") -> None:
    """Write the object at `uri` to `path`.

    Args:
        uri: ``s3://bucket/key``.
        path: file to write; its folder exists.
        region: AWS region; "" leaves it to boto3.

    Raises:
        ContainerError: there is no such object or it cannot be read; names the URI.
    """
    import boto3
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    parts = urlsplit(uri)
    key = parts.path.lstrip("/")
    if parts.scheme != "s3" or not parts.netloc or not key:
        raise ContainerError(f"{uri!r} does not name an object; expected s3://bucket/key")
    # The contract's own variable for the endpoint; AWS_ENDPOINT_URL is boto3's affair.
    endpoint = os.environ.get("S3_ENDPOINT_URL") or None
    try:
        client = boto3.client("s3", region_name=region or None, endpoint_url=endpoint)
        client.download_file(parts.netloc, key, str(path))
    except (Boto3Error, BotoCoreError, ClientError, OSError) as error:
        raise ContainerError(f"cannot download {uri}: {error}") from error
