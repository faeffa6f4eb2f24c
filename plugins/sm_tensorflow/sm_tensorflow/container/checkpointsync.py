"""Checkpoints in S3: brought here before the training, and kept there while it runs.

TensorFlow writes them to a folder. A process beside the training copies what changes, the file
``checkpoint`` last, which names the others: whatever ends the job, what S3 has can be restored.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sm_core.container import s3
from sm_core.container.environment import TrainingEnvironment
from sm_core.container.errors import ContainerError
from sm_core.container.sidecar import is_over, sidecar

__all__ = ["check_restorable", "kept_in_s3", "restore", "run"]

logger = logging.getLogger(__name__)

#: The file that names the checkpoints; a text of protobuf's, tensorflow.CheckpointState.
STATE = "checkpoint"
_PATHS = re.compile(r'^\s*(?:all_)?model_checkpoint_paths?: "((?:[^"\\]|\\.)*)"\s*$', re.MULTILINE)
#: Seconds between two looks at the folder, and between two copies of what is no checkpoint.
_PERIOD, _EVENTS_PERIOD = 1.0, 15.0
#: Seconds that the last copies may take after the end of the training.
_PATIENCE = 100.0

_State = tuple[int, int]


def restore(uri: str, folder: Path, *, region: str = "") -> list[str]:
    """Bring the checkpoints that the state file in S3 names into `folder`.

    Nothing is done where there are none, or where `folder` has some already.

    Args:
        uri: ``s3://bucket/prefix``.
        folder: filled.
        region: AWS region; "" leaves it to boto3.

    Returns:
        names of the files that were brought.

    Raises:
        ContainerError: S3 cannot be read, the state file is damaged, or files that it names are
            missing; names them.
    """
    if (folder / STATE).is_file():
        logger.info("training goes on from the checkpoints in %s", folder)
        return []
    found = s3.objects_below(uri, region=region)
    if STATE not in found:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    state = folder / f".{STATE}.incoming"
    s3.download(f"{uri.rstrip('/')}/{STATE}", state, region=region)
    text = state.read_text(encoding="utf-8", errors="replace")
    names = _restorable(uri, text, found)
    brought = [file for each in names for file in _files_of(each, found)]
    for name in brought:
        s3.download(f"{uri.rstrip('/')}/{name}", folder / name, region=region)
    # Paths of the machine that wrote them mean nothing here.
    state.write_text(_PATHS.sub(_relative, text), encoding="utf-8")
    state.replace(folder / STATE)
    logger.info("training goes on from %s of %s", names[0], uri)
    return [*brought, STATE]


def check_restorable(folder: Path) -> None:
    """See that the files of a folder's latest checkpoint are there, if it has a checkpoint.

    Raises:
        ContainerError: the state file is damaged, or files that it names are missing; names them.
    """
    if (folder / STATE).is_file():
        text = (folder / STATE).read_text(encoding="utf-8", errors="replace")
        # TensorFlow would begin anew, and write over what there is.
        _restorable(str(folder), text, [path.name for path in folder.iterdir()])


def _restorable(place: str, text: str, found: Iterable[str]) -> list[str]:
    """Names of the checkpoints that a state file's text names, of which the latest is whole."""
    names = checkpoint_names(text)
    if not names:
        raise ContainerError(
            f"{place.rstrip('/')}/{STATE} is damaged: it names no checkpoint. Remove it to train "
            "from the beginning, or give another checkpoint_path"
        )
    files = _files_of(names[0], found)
    if f"{names[0]}.index" not in files or not any(".data-" in name for name in files):
        raise ContainerError(
            f"{place} lacks files of the checkpoint {names[0]}, which its file {STATE!r} names: a "
            "checkpoint is made of .index and .data files. Give another checkpoint_path, or "
            f"remove {STATE!r} to train from the beginning"
        )
    return names


def checkpoint_names(state: str) -> list[str]:
    """Names of the checkpoints in a state file's text, without folders, the latest first."""
    return list(dict.fromkeys(Path(path).name for path in _PATHS.findall(state)))


def _relative(match: re.Match[str]) -> str:
    return match[0].replace(match[1], Path(match[1]).name)


def _files_of(checkpoint: str, found: Iterable[str]) -> list[str]:
    return [name for name in found if name.startswith(f"{checkpoint}.") and "/" not in name]


@contextmanager
def kept_in_s3(
    environment: TrainingEnvironment, uri: str, folder: Path, *, there: Iterable[str] = ()
) -> Iterator[None]:
    """Copy what the training writes to `folder` to `uri` while what runs inside runs.

    What is removed from the folder is removed there too, if it came from here.

    Args:
        environment: of the job.
        uri: ``s3://bucket/prefix``.
        folder: made if missing.
        there: names of files that S3 has already, as they are here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "folder": str(folder),
        "uri": uri.rstrip("/"),
        "region": environment.region,
        "log_level": environment.log_level,
        "there": {name: _state_of(folder / name) for name in there},
    }
    with sidecar(__name__, settings, patience=_PATIENCE):
        yield


def run(settings: Mapping[str, Any]) -> None:
    """Copy until the toolkit has gone, and then what is left."""
    mirror = _Mirror(
        Path(settings["folder"]), settings["uri"], settings["region"], there=settings["there"]
    )
    over = False
    last = 0.0
    while not over:
        over = is_over(_PERIOD)
        if over or mirror.has_new_checkpoint() or time.monotonic() - last > _EVENTS_PERIOD:
            last = time.monotonic()
            try:
                mirror.copy()
            except ContainerError as error:
                logger.warning("%s", error)


class _Mirror:
    """A folder and what S3 has of it."""

    def __init__(
        self, folder: Path, uri: str, region: str, *, there: Mapping[str, Sequence[int]]
    ) -> None:
        self._folder, self._uri, self._region = folder, uri, region
        self._copied = {name: (state[0], state[1]) for name, state in there.items()}

    def has_new_checkpoint(self) -> bool:
        return _state_of(self._folder / STATE) != self._copied.get(STATE)

    def copy(self) -> None:
        """Copy what has changed, and remove what has gone."""
        # Read first: the files that it names are whole by now.
        state = _state_of(self._folder / STATE)
        text = (self._folder / STATE).read_bytes() if state is not None else b""
        files = self._files()
        for name, found in files.items():
            if name != STATE and self._copied.get(name) != found and self._upload(name):
                self._copied[name] = found
        if state is not None and self._copied.get(STATE) != state:
            s3.write(f"{self._uri}/{STATE}", text, region=self._region)
            self._copied[STATE] = state
        for name in [name for name in self._copied if name not in files]:
            s3.delete(f"{self._uri}/{name}", region=self._region)
            del self._copied[name]

    def _upload(self, name: str) -> bool:
        try:
            s3.upload(self._folder / name, f"{self._uri}/{name}", region=self._region)
        except ContainerError:
            if (self._folder / name).exists():
                raise
            return False  # TensorFlow has removed an old checkpoint meanwhile
        return True

    def _files(self) -> dict[str, _State]:
        found = {}
        for path in self._folder.rglob("*"):
            name = path.relative_to(self._folder).as_posix()
            state = _state_of(path)
            # Files that are still written have such names, and belong to nobody yet.
            if state is not None and not re.search(r"(^|/)\.|\.tempstate|_temp/|\.tmp", name):
                found[name] = state
        return found


def _state_of(path: Path) -> _State | None:
    """Time of the last change and size; None if there is no such file."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return (status.st_mtime_ns, status.st_size) if path.is_file() else None
