"""Checkpoints of a training job: from S3 before it starts, and to S3 while it runs."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from sm_local.service.channels import relative_path
from sm_local.service.checks import S3Location, invalid
from sm_local.service.objects import Objects

__all__ = ["DEFAULT_PATH", "CheckpointFolder", "below_base"]

#: CheckpointConfig's default, as AWS has it.
DEFAULT_PATH = "/opt/ml/checkpoints"
_RESERVED = ("code", "input", "model", "output")
_Signature = tuple[int, int, int]


def below_base(local_path: str) -> PurePosixPath:
    """The part of CheckpointConfig's LocalPath below /opt/ml.

    Raises:
        ServiceError: it does not lie there, or where something else does.
    """
    path = PurePosixPath(local_path)
    parts = path.parts[3:]
    if path.parts[:3] != ("/", "opt", "ml") or not parts or ".." in parts or parts[0] in _RESERVED:
        raise invalid(
            f"CheckpointConfig.LocalPath {local_path!r} is not available: it must lie below "
            f"/opt/ml, and not in its folders {', '.join(_RESERVED)}"
        )
    return PurePosixPath(*parts)


class CheckpointFolder:
    """A folder whose files are kept in S3. Every method blocks; one at a time."""

    def __init__(self, objects: Objects, folder: Path, where: S3Location) -> None:
        """Keep `folder` at `where`, a bucket and what the keys begin with."""
        self._objects = objects
        self._folder = folder
        self._bucket = where.bucket
        self._prefix = f"{where.key.rstrip('/')}/" if where.key.strip("/") else ""
        self._saved: dict[str, _Signature] = {}
        self._seen: dict[str, _Signature] = {}

    def restore(self) -> int:
        """Write what S3 has to the folder; how many files.

        Raises:
            ServiceError: there is no such bucket.
            DownloadError: a key can be no file there.
            OSError: the disk is full, for instance.
        """
        count = 0
        for info in self._objects.list(self._bucket, self._prefix):
            if info.key.endswith("/"):
                continue
            path = self._folder / relative_path(info.key, self._prefix)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._objects.copy_out(self._bucket, info.key, path)
            count += 1
        self._saved = dict(self._files())
        return count

    def save(self, *, settled: bool) -> int:
        """Upload files that are not in S3 as they are now; how many. What is deleted stays in S3.

        Args:
            settled: only those that have not changed since the last call: what is still being
                written is no checkpoint.

        Raises:
            ServiceError: there is no such bucket.
            OSError: a file cannot be read.
            UnicodeEncodeError: a file's name is no text.
        """
        before, self._seen = self._seen, dict(self._files())
        count = 0
        for name, signature in self._seen.items():
            if self._saved.get(name) == signature:
                continue
            if settled and before.get(name) != signature:
                continue
            try:
                self._objects.put_file(self._bucket, self._prefix + name, self._folder / name)
            except FileNotFoundError:
                continue  # replaced by a newer one, as frameworks do
            self._saved[name] = signature
            count += 1
        return count

    def _files(self) -> Iterator[tuple[str, _Signature]]:
        """Regular files by their paths below the folder; links lead nowhere here."""
        if self._folder.is_symlink():
            return
        for root, _, names in os.walk(self._folder):
            for name in names:
                path = Path(root, name)
                try:
                    details = path.lstat()
                except FileNotFoundError:
                    continue
                if stat.S_ISREG(details.st_mode):
                    signature = (details.st_ino, details.st_size, details.st_mtime_ns)
                    yield path.relative_to(self._folder).as_posix(), signature
