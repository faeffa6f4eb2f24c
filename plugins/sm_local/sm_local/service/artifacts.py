"""What a training job leaves behind: model.tar.gz and output.tar.gz, in S3 where AWS puts them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import attrs

from sm_core.archives import pack
from sm_core.errors import ArchiveError
from sm_local.service.checks import S3Location, s3_location
from sm_local.service.errors import ServiceError
from sm_local.service.merging import merge
from sm_local.service.mltree import MLTree
from sm_local.service.objects import Objects

__all__ = ["UploadError", "model_uri", "output_location", "upload"]


#: Names that clash of which a warning tells.
_SHOWN = 10


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
    trees: Sequence[MLTree],
    *,
    where: S3Location,
    scratch: Path,
    warn: Callable[[str], None],
) -> list[str]:
    """Upload what a job left in its model and output/data folders, if anything. Blocks.

    What several hosts have left is put together; where a name clashes, the first host's file stays.

    Args:
        objects: the store.
        trees: the hosts', the first one's first.
        where: from `output_location`.
        scratch: folder for the archives while they are made, beside what the job has written.
        warn: called with a line for each file that is left out, and for names that clash.

    Returns:
        the keys.

    Raises:
        UploadError: there is no such bucket, a file cannot be read, or the job has put a link in
            a folder's place.
    """
    uploaded = []
    scratch.mkdir(parents=True, exist_ok=True)
    models = [tree.model for tree in trees]
    outputs = [tree.output_data for tree in trees]
    for folders, name in ((models, "model.tar.gz"), (outputs, "output.tar.gz")):
        folder = folders[0]
        try:
            for each in folders:
                _refuse_links(each, scratch.parent)
            if clashes := merge(folders):
                warn(_clash(name, clashes))
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


def _clash(name: str, clashes: Sequence[str]) -> str:
    more = f" and {len(clashes) - _SHOWN} more" if len(clashes) > _SHOWN else ""
    shown = ", ".join(clashes[:_SHOWN])
    return f"{name}: several hosts wrote {shown}{more}; the file of the first host is kept"


def _refuse_links(folder: Path, root: Path) -> None:
    """The user's code had the folders below `root` to itself, and may have led one elsewhere."""
    for place in (folder, *folder.parents):
        if place == root:
            return
        if place.is_symlink():
            raise ArchiveError(f"{place.relative_to(root)} is a link, not a folder")


def _warn(warn: Callable[[str], None], name: str, text: str) -> None:
    warn(f"{name}: {text}")
