"""Packaging the user's code: which files, and one archive of them, the same bytes each time."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import attrs

from sm_core.errors import SourceError
from sm_core.folders import files_below
from sm_core.ignorefiles import IgnoreRules
from sm_core.inputs import split_s3_uri
from sm_core.notices import warn_user

__all__ = ["Archive", "Source", "SourceFile"]

#: Bytes above which the user is warned; code is small, data has channels.
_LARGE = 50 * 2**20
#: Bytes that S3 takes in one piece.
_LIMIT = 5 * 2**30
_NAMED = 5
_REQUIREMENTS = "requirements.txt"


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


@attrs.frozen
class Archive:
    """The gzipped tar of the user's code.

    Attributes:
        data: its bytes.
    """

    data: bytes = attrs.field(repr=False)

    @property
    def sha256(self) -> bytes:
        """The digest of the bytes."""
        return hashlib.sha256(self.data).digest()


@attrs.frozen(kw_only=True)
class Source:
    """The user's code: an entry point, alone or in a source folder, and what it depends on.

    Attributes:
        entry_point: script, relative to `folder` or to the archive at `uri` if there is one.
        folder: local source folder, or None for the script alone.
        uri: S3 URI of an archive that is there already; then nothing is packaged.
        dependencies: local files and folders that are put beside the code, under their own names.
    """

    entry_point: str
    folder: Path | None = None
    uri: str | None = None
    dependencies: tuple[Path, ...] = ()

    @classmethod
    def named(
        cls,
        entry_point: str | os.PathLike[str] | None,
        source_dir: str | os.PathLike[str] | None,
        dependencies: Sequence[str | os.PathLike[str]],
    ) -> Source | None:
        """As `locate`; None where no code is named.

        Raises:
            TypeError: a folder or dependencies are named, but no entry point, so that nothing would
                use them.
            SourceError: as `locate`.
        """
        if entry_point is not None:
            return cls.locate(entry_point, source_dir, dependencies)
        for name, given in (("source_dir", source_dir), ("dependencies", dependencies)):
            if given:
                raise TypeError(f"{name} without entry_point: name the script that uses it")
        return None

    @classmethod
    def locate(
        cls,
        entry_point: str | os.PathLike[str],
        source_dir: str | os.PathLike[str] | None = None,
        dependencies: Sequence[str | os.PathLike[str]] = (),
    ) -> Source:
        """Find the code that the user named.

        Raises:
            SourceError: the entry point, the folder or a dependency does not exist, lies outside,
                or is left out of what is uploaded.
        """
        entry_point = os.fspath(entry_point)
        beside = _dependencies(dependencies)
        if source_dir is None:
            script = Path(os.path.expanduser(entry_point))
            if not script.is_file():
                raise SourceError(_no_script(entry_point, script))
            return cls(entry_point=str(script), dependencies=beside)
        source_dir = os.fspath(source_dir)
        if source_dir.startswith("s3://"):
            return cls._in_s3(entry_point, source_dir, beside)
        folder = Path(os.path.expanduser(source_dir))
        if not folder.is_dir():
            what = "is a file" if folder.exists() else "does not exist"
            raise SourceError(f"source_dir {source_dir!r} {what}; looked at {folder.resolve()}")
        inside = _inside(folder, source_dir, entry_point)
        return cls(entry_point=inside, folder=folder, dependencies=beside)

    @classmethod
    def _in_s3(cls, entry_point: str, uri: str, dependencies: tuple[Path, ...]) -> Source:
        place = split_s3_uri(uri)
        if place is None or not place[1].endswith((".tar.gz", ".tgz")):
            raise SourceError(
                f"source_dir {uri!r} is no archive: in S3 it is one .tar.gz with the code in it"
            )
        if dependencies:
            raise SourceError(
                f"dependencies cannot be put beside source_dir {uri!r}, which is used as it is: "
                "pack them into it, or give a local source_dir"
            )
        return cls(entry_point=entry_point, uri=uri)

    @property
    def program(self) -> str:
        """The entry point's name inside the archive."""
        if self.folder is None and self.uri is None:
            return Path(self.entry_point).name
        return Path(self.entry_point).as_posix()

    def uploaded(self, uri: str) -> Source:
        """The same code as it lies in S3, unpacked from the archive at `uri`."""
        return Source(entry_point=self.program, uri=uri)

    @property
    def script(self) -> Path | None:
        """The entry point, where it can be read; None for code that is in S3 already."""
        if self.uri is not None:
            return None
        return (self.folder or Path()) / self.entry_point

    def listing(self) -> list[SourceFile]:
        """The files that would be uploaded, by name; none for code that is in S3 already.

        Raises:
            SourceError: a link leads nowhere or round in a circle, a file cannot be read, or two
                things would have one name.
        """
        if self.uri is not None:
            return []
        if self.folder is None:
            files = [_file(Path(self.entry_point), self.program)]
        else:
            files = list(_below(self.folder))
        taken = {file.name.partition("/")[0] for file in files}
        for path in self.dependencies:
            name = _name(path)
            if name in taken:
                raise SourceError(
                    f"dependency {str(path)!r} would lie beside the code as {name!r}, and there "
                    "is another file or folder of that name"
                )
            taken.add(name)
            files += _below(path, f"{name}/") if path.is_dir() else [_file(path, name)]
        return sorted(files, key=lambda file: file.name)

    def archive(self) -> Archive:
        """The gzipped tar of the listing: the same names, contents and executable bits make the
        same bytes, whatever the time, the owner or the folder.

        Raises:
            SourceError: as `listing`; a file cannot be read; there is more than S3 takes.
        """
        files = self.listing()
        _check_size(files)
        self._warn_of_requirements(files)
        packed = io.BytesIO()
        with (
            gzip.GzipFile("", "wb", 6, packed, mtime=0) as stream,
            tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            for file in files:
                try:
                    with file.path.open("rb") as content:
                        tar.addfile(_member(file, content), content)
                except OSError as error:
                    reason = error.strerror or error  # it became shorter
                    raise SourceError(f"cannot read {file.path}: {reason}") from error
        return Archive(packed.getvalue())

    def _warn_of_requirements(self, files: Sequence[SourceFile]) -> None:
        """Warn where a requirements.txt lies beside the script, and stays there."""
        here = Path(self.entry_point).parent if self.folder is None else self.folder
        unused = here / _REQUIREMENTS
        if unused.is_file() and all(file.name != _REQUIREMENTS for file in files):
            way = "dependencies= or source_dir=" if self.folder is None else ".sagemakerignore"
            warn_user(f"{unused} is not uploaded, and so not installed: {way} can change that")


def _member(file: SourceFile, content: BinaryIO) -> tarfile.TarInfo:
    member = tarfile.TarInfo(file.name)
    member.size = os.fstat(content.fileno()).st_size
    member.mode = 0o755 if file.executable else 0o644
    return member


def _below(folder: Path, prefix: str = "") -> Iterator[SourceFile]:
    """The files of `folder` that are not left out; their names begin with `prefix`."""
    rules = IgnoreRules(folder)
    for path in files_below(folder, error=SourceError, skip=rules.leaves_out):
        yield _file(path, prefix + path.relative_to(folder).as_posix())


def _check_size(files: Sequence[SourceFile]) -> None:
    total = sum(file.size for file in files)
    if total <= _LARGE:
        return
    biggest = sorted(files, key=lambda file: -file.size)[:_NAMED]
    biggest = [file for file in biggest if file.size > total / 100] or biggest[:1]
    text = (
        f"the code to upload is {_megabytes(total)} in {len(files)} files; the biggest: "
        + ", ".join(f"{file.name} ({_megabytes(file.size)})" for file in biggest)
        + ". A .sagemakerignore leaves files out; data belongs into a channel"
    )
    if total > _LIMIT:
        raise SourceError(f"{text}. S3 takes 5 GB in one piece")
    warn_user(text)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def _dependencies(given: Sequence[str | os.PathLike[str]]) -> tuple[Path, ...]:
    if isinstance(given, (str, bytes, os.PathLike)):
        raise SourceError(f"dependencies is {given!r}; give a list of paths")
    found = tuple(Path(os.path.expanduser(path)) for path in given)
    for path in found:
        if not path.exists():
            raise SourceError(
                f"dependency {str(path)!r} does not exist; looked at {path.absolute()}"
            )
        if not _name(path):
            raise SourceError(f"dependency {str(path)!r} is the whole disk; name a folder on it")
    return found


def _name(path: Path) -> str:
    """The name that a dependency has beside the code, of ``.`` and ``lib/..`` too."""
    return os.path.basename(os.path.abspath(path))


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
    rules = IgnoreRules(folder)
    for part in (*list(inside.parents)[-2::-1], inside):
        reason = rules.reason(folder / part, part != inside)
        if reason is not None:
            raise SourceError(f"entry_point {entry_point!r} would not be uploaded: {reason}")
    return str(inside)


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
