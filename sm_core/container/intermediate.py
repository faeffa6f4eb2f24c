"""Intermediate output: what a job writes there while it runs is copied to S3 at once.

It is for jobs whose hyperparameter ``sagemaker_s3_output`` says where to; the folder is
``SM_OUTPUT_INTERMEDIATE_DIR``. Where the folder is there already, the platform copies.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sm_core.container.environment import TrainingEnvironment
from sm_core.container.errors import ContainerError
from sm_core.container.s3 import upload
from sm_core.container.sidecar import is_over, sidecar
from sm_core.errors import ConfigurationError

__all__ = ["intermediate_output", "run"]

logger = logging.getLogger(__name__)

#: Seconds between two looks at the folder. A file is copied once it has not changed in between.
_PERIOD = 1.0
#: Seconds that the last copies may take after the end of the training.
_PATIENCE = 600.0

#: Time of the last change and size.
_State = tuple[int, int]


@contextmanager
def intermediate_output(environment: TrainingEnvironment) -> Iterator[None]:
    """Copy what appears in the folder of intermediate output while what runs inside runs.

    What is written last is copied before this ends. Deletions are not repeated in S3. A copy that
    fails is a warning.

    Raises:
        ConfigurationError: the hyperparameter names no place in S3.
    """
    folder = environment.output_dir / "intermediate"
    target = environment.hyperparameters.get("sagemaker_s3_output")
    if not target or folder.exists() or str(target).startswith("file://"):
        yield
        return
    if not str(target).startswith("s3://"):
        raise ConfigurationError(
            f"hyperparameter sagemaker_s3_output is {target!r}; it must begin with s3://"
        )
    folder.mkdir(parents=True)
    parts = [str(target).rstrip("/"), environment.job_name, "output", "intermediate"]
    settings = {
        "folder": str(folder),
        "target": "/".join(part for part in parts if part),
        "region": environment.region,
        "log_level": environment.log_level,
    }
    with sidecar(__name__, settings, patience=_PATIENCE):
        yield


def run(settings: Mapping[str, Any]) -> None:
    """Copy until the toolkit has gone, and then what is left."""
    folder, target = Path(settings["folder"]), settings["target"]
    seen: dict[str, _State] = {}
    copied: dict[str, _State] = {}
    over = False
    while not over:
        over = is_over(_PERIOD)
        found = _files(folder)
        for name, state in found.items():
            if copied.get(name) == state or not (over or seen.get(name) == state):
                continue
            copied[name] = state
            try:
                upload(folder / name, f"{target}/{name}", region=settings["region"])
            except ContainerError as error:
                logger.warning("%s", error)
        seen = found


def _files(folder: Path) -> dict[str, _State]:
    """Each file below `folder`, by its relative path; links to folders are not followed."""
    found = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            try:
                status = path.stat()
            except FileNotFoundError:
                continue  # it has just been removed, or is a broken link
            found[path.relative_to(folder).as_posix()] = (status.st_mtime_ns, status.st_size)
    return found
