"""What a training job leaves behind: model.tar.gz and output.tar.gz, in S3 where AWS puts them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import attrs

from sm_core.archives import pack
from sm_core.errors import ArchiveError
from sm_local.service.checks import S3Location, s3_location
from sm_local.service.errors import ServiceError
from sm_local.service.mltree import MLTree
from sm_local.service.objects import Objects

__all__ = ["UploadError", "model_uri", "output_location", "upload"]


class UploadError(Exception):
    """The archives cannot be made, or not be put where the request wants them."""


def output_location(output_path: str, job_name: str) -> S3Location:
    """The bucket and the beginning of the keys of a job's archives, "/" at its end."""
    where = s3_location(output_path, "OutputDataConfig.S3OutputPath")
    prefix = f"{where.key.rstrip('/')}/" if where.key.strip("/") else ""
    return attrs.evolve(where, key=f"{prefix}{job_name}/output/")


def model_uri(output_path: str, job_name: str) -> str:
    """Where the job's model goes."""
    where = output_location(output_path, job_name)
    return f"s3://{where.bucket}/{where.key}model.tar.gz"


def upload(
    objects: Objects,
    tree: MLTree,
    *,
    where: S3Location,
    scratch: Path,
    warn: Callable[[str], None],
) -> list[str]:
    """Upload what a job left in its model and output/data folders, if anything. Blocks.

    Args:
        objects: the store.
        tree: the job's.
        where: from `output_location`.
        scratch: folder for the archives while they are made, beside what the job has written.
        warn: called with a line for each file that is left out.

    Returns:
        the keys.

    Raises:
        UploadError: there is no such bucket, a file cannot be read, or the job has put a link in
            a folder's place.
    """
    uploaded = []
    scratch.mkdir(parents=True, exist_ok=True)
    for folder, name in ((tree.model, "model.tar.gz"), (tree.output_data, "output.tar.gz")):
        try:
            _refuse_links(folder, scratch.parent)
            if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
                continue
            archive = scratch / name
            pack(folder, archive, warn=partial(_warn, warn, name))
            objects.put_file(where.bucket, where.key + name, archive, move=True)
        except ServiceError as error:
            raise UploadError(f"s3://{where.bucket}/{where.key}{name}: {error.message}") from error
        except (OSError, ArchiveError) as error:
            raise UploadError(f"{name}: {error}") from error
        uploaded.append(where.key + name)
    return uploaded


def _refuse_links(folder: Path, root: Path) -> None:
    """The user's code had the folders below `root` to itself, and may have led one elsewhere."""
    for place in (folder, *folder.parents):
        if place == root:
            return
        if place.is_symlink():
            raise ArchiveError(f"{place.relative_to(root)} is a link, not a folder")


def _warn(warn: Callable[[str], None], name: str, text: str) -> None:
    warn(f"{name}: {text}")
