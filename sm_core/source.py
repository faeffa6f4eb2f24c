"""Packaging the user's code: which files, one deterministic archive, where it is uploaded."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import attrs

from sm_core.errors import SourceError

__all__ = ["Source", "SourceFile"]

#: Never uploaded: version control, environments, caches and what usually holds secrets.
EXCLUDED = (
    ".git",
    ".hg",
    ".svn",
    ".venv",
    "venv",
    "__pycache__",
    "*.pyc",
    ".ipynb_checkpoints",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".DS_Store",
    ".env",
    ".aws",
    ".ssh",
    "*.pem",
)


@attrs.frozen(kw_only=True)
class SourceFile:
    """One file of the archive.

    Attributes:
        name: path inside the archive, with ``/``.
        path: where it is read from.
        size: bytes.
        executable: whether its owner may execute it.
    """

    name: str
    path: Path
    size: int
    executable: bool


@attrs.frozen(kw_only=True)
class Source:
    """The user's code: an entry point, alone or in a source folder.

    Attributes:
        entry_point: script, relative to `folder` if there is one.
        folder: local source folder, or None for the script alone.
        uri: S3 URI of an archive that is there already; then nothing is packaged.
    """

    entry_point: str
    folder: Path | None = None
    uri: str | None = None

    @classmethod
    def locate(cls, entry_point: str, source_dir: str | None = None) -> Source:
        """Find the code that the user named.

        Raises:
            SourceError: the entry point or the folder does not exist, or lies outside.
        """
        if source_dir is not None and source_dir.startswith("s3://"):
            return cls(entry_point=entry_point, uri=source_dir)
        if source_dir is None:
            script = Path(entry_point).expanduser()
            if not script.is_file():
                raise SourceError(_no_script(entry_point, script))
            return cls(entry_point=str(script))
        folder = Path(source_dir).expanduser()
        if not folder.is_dir():
            what = "is a file" if folder.exists() else "does not exist"
            raise SourceError(f"source_dir {source_dir!r} {what}; looked at {folder.resolve()}")
        script = folder / entry_point
        if not script.is_file():
            raise SourceError(
                f"entry_point {entry_point!r} is not in source_dir {source_dir!r}: there is no "
                f"{script.resolve()}; entry_point is relative to source_dir"
            )
        if not script.resolve().is_relative_to(folder.resolve()):
            raise SourceError(f"entry_point {entry_point!r} leads out of source_dir {source_dir!r}")
        return cls(entry_point=entry_point, folder=folder)

    @property
    def program(self) -> str:
        """The entry point's name inside the archive."""
        if self.folder is None and self.uri is None:
            return Path(self.entry_point).name
        return Path(self.entry_point).as_posix()

    def listing(self) -> list[SourceFile]:
        """The files that would be uploaded, by name; none for code that is in S3 already."""
        if self.uri is not None:
            return []
        if self.folder is None:
            return [_file(Path(self.entry_point), self.program)]
        return sorted(_walk(self.folder, self.folder), key=lambda file: file.name)

    def archive(self) -> bytes:
        """The gzipped tar of the listing: the same files make the same bytes."""
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for file in self.listing():
                member = tarfile.TarInfo(file.name)
                data = file.path.read_bytes()
                member.size = len(data)
                member.mode = 0o755 if file.executable else 0o644
                archive.addfile(member, io.BytesIO(data))
        return gzip.compress(tar.getvalue(), compresslevel=6, mtime=0)

    def digest(self) -> str:
        """SHA-256 of the archive, hexadecimal."""
        return hashlib.sha256(self.archive()).hexdigest()


def _no_script(entry_point: str, script: Path) -> str:
    if script.is_dir():
        return (
            f"entry_point {entry_point!r} is a folder; give the script's name as entry_point and "
            "the folder as source_dir"
        )
    near = sorted(p.name for p in script.parent.glob("*.py")) if script.parent.is_dir() else []
    beside = f"; Python files there: {', '.join(near[:8])}" if near else ""
    return f"entry_point {entry_point!r} does not exist; looked at {script.resolve()}{beside}"


def _walk(folder: Path, root: Path) -> Iterator[SourceFile]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if any(fnmatch(entry.name, pattern) for pattern in EXCLUDED):
            continue
        path = Path(entry.path)
        if entry.is_dir():
            if entry.is_symlink() and root.resolve().is_relative_to(path.resolve()):
                raise SourceError(f"{path} is a link to a folder that contains it; remove the link")
            yield from _walk(path, root)
        elif entry.is_file():
            yield _file(path, path.relative_to(root).as_posix())
        elif entry.is_symlink():
            raise SourceError(f"{path} is a link to {os.readlink(path)}, which does not exist")


def _file(path: Path, name: str) -> SourceFile:
    status = path.stat()
    return SourceFile(
        name=name, path=path, size=status.st_size, executable=bool(status.st_mode & 0o100)
    )
