"""Packaging the user's code: which files, one deterministic archive, where it is uploaded."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from fnmatch import fnmatchcase
from pathlib import Path

import attrs

from sm_core.errors import SourceError
from sm_core.folders import files_below

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
    "node_modules",
    ".env",
    ".env.*",
    ".aws",
    ".ssh",
    ".netrc",
    ".pypirc",
    ".git-credentials",
    "*.pem",
    "*.key",
    "id_rsa*",
    "id_ecdsa*",
    "id_ed25519*",
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
    def locate(
        cls, entry_point: str | os.PathLike[str], source_dir: str | os.PathLike[str] | None = None
    ) -> Source:
        """Find the code that the user named.

        Raises:
            SourceError: the entry point or the folder does not exist, or lies outside.
        """
        entry_point = os.fspath(entry_point)
        if source_dir is None:
            script = Path(os.path.expanduser(entry_point))
            if not script.is_file():
                raise SourceError(_no_script(entry_point, script))
            return cls(entry_point=str(script))
        source_dir = os.fspath(source_dir)
        if source_dir.startswith("s3://"):
            return cls(entry_point=entry_point, uri=source_dir)
        folder = Path(os.path.expanduser(source_dir))
        if not folder.is_dir():
            what = "is a file" if folder.exists() else "does not exist"
            raise SourceError(f"source_dir {source_dir!r} {what}; looked at {folder.resolve()}")
        return cls(entry_point=_inside(folder, source_dir, entry_point), folder=folder)

    @property
    def program(self) -> str:
        """The entry point's name inside the archive."""
        if self.folder is None and self.uri is None:
            return Path(self.entry_point).name
        return Path(self.entry_point).as_posix()

    def listing(self) -> list[SourceFile]:
        """The files that would be uploaded, by name; none for code that is in S3 already.

        Raises:
            SourceError: a link in the folder leads nowhere or round in a circle.
        """
        if self.uri is not None:
            return []
        if self.folder is None:
            return [_file(Path(self.entry_point), self.program)]
        files = files_below(self.folder, error=SourceError, skip=_excluded)
        listed = [_file(path, path.relative_to(self.folder).as_posix()) for path in files]
        return sorted(listed, key=lambda file: file.name)

    def archive(self) -> bytes:
        """The gzipped tar of the listing: the same files make the same bytes.

        Raises:
            SourceError: as `listing`, or a file cannot be read.
        """
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for file in self.listing():
                member = tarfile.TarInfo(file.name)
                try:
                    data = file.path.read_bytes()
                except OSError as error:
                    raise SourceError(f"cannot read {file.path}: {error.strerror}") from error
                member.size = len(data)
                member.mode = 0o755 if file.executable else 0o644
                archive.addfile(member, io.BytesIO(data))
        return gzip.compress(tar.getvalue(), compresslevel=6, mtime=0)


def _inside(folder: Path, source_dir: str, entry_point: str) -> str:
    """The entry point's path relative to `folder`.

    By name alone: what a link in the folder leads to is packaged wherever it lies.
    """
    path = folder / os.path.expanduser(entry_point)
    inside = Path(os.path.relpath(path.absolute(), folder.absolute()))
    if inside.parts[:1] == (os.pardir,):
        raise SourceError(f"entry_point {entry_point!r} leads out of source_dir {source_dir!r}")
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise SourceError(
            f"entry_point {entry_point!r} is not in source_dir {source_dir!r}: "
            f"{path.resolve()} {what}; entry_point is relative to source_dir"
        )
    left_out = [part for part in inside.parts if _excluded(part)]
    if left_out:
        raise SourceError(
            f"entry_point {entry_point!r} lies in {left_out[0]!r}, which is never uploaded; "
            "move the script"
        )
    return str(inside)


def _excluded(name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in EXCLUDED)


def _no_script(entry_point: str, script: Path) -> str:
    if script.is_dir():
        return (
            f"entry_point {entry_point!r} is a folder; give the script's name as entry_point and "
            "the folder as source_dir"
        )
    near = sorted(p.name for p in script.parent.glob("*.py")) if script.parent.is_dir() else []
    beside = f"; Python files there: {', '.join(near[:8])}" if near else ""
    return f"entry_point {entry_point!r} does not exist; looked at {script.resolve()}{beside}"


def _file(path: Path, name: str) -> SourceFile:
    try:
        status = path.stat()
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from error
    return SourceFile(
        name=name, path=path, size=status.st_size, executable=bool(status.st_mode & 0o100)
    )
