"""Objects in S3."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from sm_core.container.aws import aws_client, aws_errors
from sm_core.container.errors import ContainerError

__all__ = ["delete", "download", "objects_below", "upload", "write"]


def download(uri: str, path: Path, *, region: str = "") -> None:
    """Write the object at `uri` to `path`.

    Args:
        uri: ``s3://bucket/key``.
        path: file to write; its folder exists.
        region: AWS region; "" leaves it to boto3.

    Raises:
        ContainerError: there is no such object or it cannot be read; names the URI.
    """
    bucket, key = _parts(uri)
    with aws_errors(f"cannot download {uri}"):
        aws_client("s3", region=region).download_file(bucket, key, str(path))


def upload(path: Path, uri: str, *, region: str = "") -> None:
    """Write the file `path` to the object at `uri`; arguments as for `download`.

    Raises:
        ContainerError: the file cannot be read or the object not be written; names the URI.
    """
    bucket, key = _parts(uri)
    with aws_errors(f"cannot upload {path} to {uri}"):
        aws_client("s3", region=region).upload_file(str(path), bucket, key)


def write(uri: str, body: bytes, *, region: str = "") -> None:
    """Make `body` the object at `uri`; other arguments as for `download`.

    Raises:
        ContainerError: the object cannot be written; names the URI.
    """
    bucket, key = _parts(uri)
    with aws_errors(f"cannot write {uri}"):
        aws_client("s3", region=region).put_object(Bucket=bucket, Key=key, Body=body)


def delete(uri: str, *, region: str = "") -> None:
    """Delete the object at `uri`, if there is one; other arguments as for `download`.

    Raises:
        ContainerError: the object cannot be deleted; names the URI.
    """
    bucket, key = _parts(uri)
    with aws_errors(f"cannot delete {uri}"):
        aws_client("s3", region=region).delete_object(Bucket=bucket, Key=key)


def objects_below(uri: str, *, region: str = "") -> dict[str, int]:
    """The objects below a folder of S3, by the rest of their keys, with their sizes in bytes.

    Args:
        uri: ``s3://bucket/folder``.
        region: AWS region; "" leaves it to boto3.

    Raises:
        ContainerError: the folder cannot be listed; names the URI.
    """
    bucket, key = _parts(f"{uri.rstrip('/')}/.")
    prefix = key.removesuffix(".")
    with aws_errors(f"cannot list {uri}"):
        pages = aws_client("s3", region=region).get_paginator("list_objects_v2")
        entries = [
            entry
            for page in pages.paginate(Bucket=bucket, Prefix=prefix)
            for entry in page.get("Contents", [])
        ]
    return {entry["Key"].removeprefix(prefix): entry["Size"] for entry in entries}


def _parts(uri: str) -> tuple[str, str]:
    """Bucket and key."""
    parts = urlsplit(uri, allow_fragments=False)
    # What looks like a query is part of the key.
    key = parts.path.lstrip("/") + (f"?{parts.query}" if parts.query else "")
    if parts.scheme != "s3" or not parts.netloc or not key:
        raise ContainerError(f"{uri!r} does not name an object; expected s3://bucket/key")
    return parts.netloc, key
