"""Bytes of objects as files with random names: written whole or not at all.

::

    blobs/tmp/<random>      being written; removed at the next start if nobody finishes it
    blobs/<xx>/<random>     finished and synced; xx = the first two characters of the name

A blob never changes once it has its final name. Which blobs are in use is the database's business.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import secrets
import shutil
import stat
from collections.abc import Container, Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import attrs

from sm_local.service.checksums import Running
from sm_local.service.wire import BLOCK

__all__ = ["Blob", "BlobWriter", "Blobs", "copy_bytes"]

logger = logging.getLogger(__name__)

#: Bytes that are written out to the disk while more come.
_WRITE_BACK = 8 << 20
#: What copy_file_range() answers where the kernel or a file system cannot do it.
_CANNOT_COPY_IN_KERNEL = frozenset(
    {errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EPERM}
)


@attrs.frozen(kw_only=True)
class Blob:
    """A finished blob: its name, its size in bytes and the MD5 of its bytes in hexadecimal."""

    name: str
    size: int
    md5: str


class Blobs:
    """The folder of all blobs. Every method blocks, and may be called from any thread."""

    def __init__(self, folder: Path) -> None:
        """Use `folder`, making it if need be."""
        self._folder = folder
        self._temporary = folder / "tmp"
        self._temporary.mkdir(mode=0o700, parents=True, exist_ok=True)

    def path(self, name: str) -> Path:
        """Where a finished blob lies."""
        return self._folder / name[:2] / name

    def writer(self, checksum: Running | None = None) -> BlobWriter:
        """A new blob to write; `checksum` is told what is written."""
        name = secrets.token_hex(16)
        file = open(  # noqa: SIM115 - the writer closes it
            self._temporary / name, "xb", opener=lambda path, flags: os.open(path, flags, 0o600)
        )
        return BlobWriter(self, name=name, file=file, checksum=checksum)

    def take(self, source: Path, *, move: bool) -> Blob:
        """A blob with the bytes of the file `source`.

        Args:
            source: the file.
            move: `source` is not needed any more and goes away; without a copy where that is
                possible.
        """
        details = source.lstat()
        if move and stat.S_ISREG(details.st_mode) and details.st_nlink == 1:
            moved = self._moved(source)
            if moved is not None:
                return moved
        with closing(self.writer()) as writer, source.open("rb") as file:
            while block := file.read(BLOCK):
                writer.write(block)
            blob = writer.finish()
        if move:
            source.unlink()
        return blob

    def remove(self, *names: str) -> None:
        """Delete finished blobs that nothing refers to any more."""
        for name in names:
            self.path(name).unlink(missing_ok=True)

    def sweep(self, kept: Container[str]) -> int:
        """Delete what a killed service left behind; how many files that were.

        Args:
            kept: the names of the blobs in use.
        """
        orphans = [path for path in self._files() if path.name not in kept]
        orphans += self._temporary.iterdir()
        for path in orphans:
            path.unlink()
        return len(orphans)

    def publish(self, name: str) -> None:
        """Give a written and synced temporary file its final name, durably."""
        final = self.path(name)
        try:
            final.parent.mkdir(mode=0o700)
        except FileExistsError:
            pass
        else:
            _sync_folder(self._folder)
        self.temporary(name).rename(final)
        _sync_folder(final.parent)

    def temporary(self, name: str) -> Path:
        """Where a blob lies while it is written."""
        return self._temporary / name

    def _files(self) -> Iterator[Path]:
        for folder in self._folder.iterdir():
            if folder != self._temporary:
                yield from folder.iterdir()

    def _moved(self, source: Path) -> Blob | None:
        """`source` itself as a blob, or None where it lies on another file system."""
        name = secrets.token_hex(16)
        try:
            source.rename(self.temporary(name))
        except OSError as error:
            if error.errno == errno.EXDEV:
                return None
            raise
        md5 = hashlib.md5(usedforsecurity=False)
        size = 0
        with self.temporary(name).open("rb") as file:
            os.fchmod(file.fileno(), 0o600)
            while block := file.read(BLOCK):
                md5.update(block)
                size += len(block)
            os.fsync(file.fileno())
        self.publish(name)
        return Blob(name=name, size=size, md5=md5.hexdigest())


class BlobWriter:
    """One blob being written, to be closed (``contextlib.closing``) whatever happens."""

    def __init__(
        self, blobs: Blobs, *, name: str, file: BinaryIO, checksum: Running | None = None
    ) -> None:
        """Write to `file`, the temporary file of the blob `name`, and tell `checksum`."""
        self._blobs = blobs
        self._name = name
        self._file = file
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._checksum = checksum
        #: Bytes whose way to the disk has begun.
        self._begun = 0
        self.size = 0

    @property
    def md5(self) -> str:
        """Of all that was written, in hexadecimal."""
        return self._md5.hexdigest()

    def write(self, data: bytes) -> None:
        """Append `data`."""
        self.hash(data)
        self.store(data)

    def hash(self, data: bytes) -> None:
        """The half of `write` that reckons checksums; it may run beside the other one."""
        self._md5.update(data)
        if self._checksum is not None:
            self._checksum.update(data)

    def store(self, data: bytes) -> None:
        """The half of `write` that fills the file."""
        self._file.write(data)
        self.size += len(data)
        if self.size - self._begun >= _WRITE_BACK and hasattr(os, "posix_fadvise"):
            # Linux begins to write out what it is told not to keep; the sync then has little left.
            self._file.flush()
            wanted = self.size - self._begun
            os.posix_fadvise(self._file.fileno(), self._begun, wanted, os.POSIX_FADV_DONTNEED)
            self._begun = self.size

    def append(self, source: BinaryIO) -> None:
        """Append the rest of a file, in the kernel where it can; the blob then has no MD5."""
        self._file.flush()
        self.size += copy_bytes(source, self._file)

    def finish(self) -> Blob:
        """Make the bytes durable and give the blob its name."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._blobs.publish(self._name)
        return Blob(name=self._name, size=self.size, md5=self.md5)

    def close(self) -> None:
        """Forget the blob, unless it is finished."""
        try:
            # Writes what is buffered, for which a full disk has no room.
            self._file.close()
        finally:
            self._blobs.temporary(self._name).unlink(missing_ok=True)


def copy_bytes(source: BinaryIO, destination: BinaryIO) -> int:
    """Copy from one unbuffered position to another, to the end; how many bytes that were.

    The kernel copies where it can, which on some file systems shares the blocks instead (a
    reflink: neither file sees what is later written to the other).
    """
    copied = 0
    if hasattr(os, "copy_file_range"):
        try:
            while count := os.copy_file_range(source.fileno(), destination.fileno(), 1 << 30):
                copied += count
            return copied
        except OSError as error:
            if error.errno not in _CANNOT_COPY_IN_KERNEL or copied:
                raise
    start = destination.seek(0, os.SEEK_CUR)
    shutil.copyfileobj(source, destination, BLOCK)
    destination.flush()
    return destination.tell() - start


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
