"""Pack and unpack the ``tar.gz`` archives of code, models and outputs, wherever that is done.

An archive is unpacked by rules of our own, the same with every Python: the standard library's data
filter differs between releases, and some of them can be led outside. Here no symbolic link exists
while files are written, and none is made unless following it, through the archive's other links,
ends inside. Owners, set-user-ID bits and the like are not taken over.
"""

from __future__ import annotations

import errno
import gzip
import logging
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from sm_core.errors import ArchiveError

__all__ = ["COMPRESSION", "Incoming", "pack", "unpack"]

_logger = logging.getLogger(__name__)

#: Parameters are next to incompressible: what a higher level gains is not worth its time.
COMPRESSION = 3
_CHUNK = 1_048_576
#: Bytes of the largest header; tarfile would read one of any size into memory.
_HEADER_LIMIT = 16_777_216
#: Bytes of padding after the last member; tar writes less than 10 KiB unless told otherwise.
_PADDING_LIMIT = 67_108_864
#: Bytes of the disk that an archive does not get.
_RESERVE = 67_108_864
#: Links in a row that one may have to follow; Linux has the same limit.
_HOPS = 40


def pack(folder: Path, archive: Path, *, warn: Callable[[str], None] = _logger.warning) -> None:
    """Write the contents of ``folder`` to ``archive``, whole or not at all.

    A symbolic link to something in the folder is packed as a link. Every other one is left out,
    and so are sockets, pipes and devices: whoever fills the folder does not choose what else of
    this machine's files is packed.

    Args:
        folder: to pack.
        archive: to write.
        warn: called with a line for each thing that is left out.

    Raises:
        ArchiveError: the folder is a link, or no folder.
        OSError: the folder cannot be read, or the archive not written.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise ArchiveError(f"{folder} is a link or a file, not a folder, and is not packed")
    root = folder.resolve(strict=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{archive.name}.", dir=archive.parent)
    try:
        with open(descriptor, "wb") as stream:
            with (
                gzip.GzipFile("", "wb", COMPRESSION, stream, mtime=0) as compressed,
                tarfile.open(fileobj=compressed, mode="w") as tar,
            ):
                _pack_folder(tar, root, "", root=root, warn=warn)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, archive)
    except BaseException:
        os.unlink(temporary)
        raise


def _pack_folder(
    tar: tarfile.TarFile, folder: Path, prefix: str, *, root: Path, warn: Callable[[str], None]
) -> None:
    """Pack a real folder, which is ``root`` or below it."""
    for entry in sorted(folder.iterdir()):
        source = Path(os.path.realpath(entry))
        if not source.is_relative_to(root):
            warn(f"{entry.relative_to(root)} leads outside its folder, and is not packed")
            continue
        if not (source.is_file() or source.is_dir()):
            warn(f"{entry.relative_to(root)} is a broken link or no file, and is not packed")
            continue
        if entry.is_symlink():
            tar.addfile(_link(entry, prefix + entry.name, os.path.relpath(source, folder)))
            continue
        info = tar.gettarinfo(source, prefix + entry.name)
        info.uid = info.gid = 0
        info.uname = info.gname = ""
        info.mtime = int(info.mtime)
        if info.isdir():
            tar.addfile(info)
            _pack_folder(tar, source, f"{prefix}{entry.name}/", root=root, warn=warn)
        elif info.isreg():
            with source.open("rb") as stream:
                tar.addfile(info, stream)
        else:
            tar.addfile(info)


def _link(entry: Path, name: str, target: str) -> tarfile.TarInfo:
    """A symbolic link as a member.

    Not by ``gettarinfo`` of what it leads to: tarfile would take the link for that file's first
    name, and pack the file itself as a hard link to it, without content.
    """
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = tarfile.SYMTYPE, target, 0o777
    info.mtime = int(entry.lstat().st_mtime)
    return info


def unpack(archive: Path, folder: Path) -> None:
    """Extract ``archive`` into ``folder``, which is absent or empty, whole or not at all.

    Raises:
        ArchiveError: the archive is damaged or no gzipped tar; a member's name is absolute or
            leaves the folder, so does a link, it is a device, or the disk has no room for it; or
            the folder holds something.
        OSError: the archive cannot be read, or the folder not written.
    """
    folder = folder.resolve()
    if folder.exists() and any(folder.iterdir()):
        raise ArchiveError(f"{folder} is not empty: {archive} is not extracted into it")
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        _extract(archive, temporary)
        temporary.chmod(0o755)
        _put_in_place(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _put_in_place(temporary: Path, folder: Path) -> None:
    try:
        temporary.replace(folder)
    except OSError as error:
        if error.errno not in (errno.EBUSY, errno.EXDEV):
            raise
        # A mounted volume cannot be replaced, only filled.
        for entry in temporary.iterdir():
            shutil.move(entry, folder)
        temporary.rmdir()


class _Stream(gzip.GzipFile):
    """The tar inside; remembers the last block, and refuses to read a lot at once."""

    last = b""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= _HEADER_LIMIT:
            raise tarfile.ReadError("a header has an impossible size")
        self.last = super().read(size)
        return self.last


class Incoming:
    """The members of a ``tar.gz`` archive, read once from front to back, damage not overlooked."""

    def __init__(self, tar: tarfile.TarFile, stream: _Stream) -> None:
        """See `opened`, which makes them."""
        self._tar = tar
        self._stream = stream
        #: The one that is being read.
        self.member: tarfile.TarInfo | None = None

    @classmethod
    @contextmanager
    def opened(cls, archive: IO[bytes], name: str) -> Iterator[Incoming]:
        """Read `archive`; it need not be able to go back.

        Args:
            archive: its bytes.
            name: of it, for messages.

        Raises:
            ArchiveError: it turned out to be damaged or no gzipped tar, in what was read of it.
        """
        try:
            with _Stream(fileobj=archive) as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
                yield cls(tar, stream)
        except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
            raise ArchiveError(f"{name} is damaged or no tar.gz archive: {error}") from error
        except (ValueError, OverflowError, RecursionError) as error:
            # What tarfile makes of headers with nonsense in them.
            raise ArchiveError(f"{name} is damaged: {error}") from error

    def __iter__(self) -> Iterator[tarfile.TarInfo]:
        for member in self._tar:
            self.member = member
            yield member
        _check_end(self._stream)

    def content(self, member: tarfile.TarInfo) -> IO[bytes]:
        """What a regular file holds; to be read before the next member."""
        content = self._tar.extractfile(member)
        assert content is not None  # only a member that is no regular file has no content
        return content


def _extract(archive: Path, root: Path) -> None:
    links: dict[str, str] = {}
    incoming: Incoming | None = None
    try:
        with archive.open("rb") as file, Incoming.opened(file, str(archive)) as incoming:
            for member in incoming:
                _extract_member(incoming, member, root, links)
        for name in links:
            _make_link(name, root, links)
    except OSError as error:
        if error.errno not in _NAMING_ERRORS or incoming is None or incoming.member is None:
            raise
        raise ArchiveError(f"{archive} cannot be extracted: {error}") from error
    except _Refused as error:
        raise ArchiveError(f"{archive} is not extracted: {error}") from error


#: Of two members that cannot both exist, or a name that the file system does not take.
_NAMING_ERRORS = (
    errno.EEXIST,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.ENAMETOOLONG,
    errno.EILSEQ,
    errno.EINVAL,
)


class _Refused(Exception):
    """A member that may not be extracted; the message names it."""


def _check_end(stream: _Stream) -> None:
    """Tell the end of the archive from damage, which tarfile takes for the end, and from a bomb."""
    start = stream.tell()
    if stream.last.strip(b"\0"):
        raise tarfile.ReadError("a header within it is damaged")
    while stream.read(_CHUNK):  # to the checksum
        if stream.tell() - start > _PADDING_LIMIT:
            raise tarfile.ReadError("too much follows its end")


def _extract_member(
    incoming: Incoming, member: tarfile.TarInfo, root: Path, links: dict[str, str]
) -> None:
    name = _inside(member.name, member)
    path = root / name
    if any(str(above) in links for above in Path(name).parents):
        raise _Refused(f"{member.name!r} lies below a symbolic link")
    links.pop(name, None)
    if member.isdir():
        path.mkdir(mode=0o755, parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_dir():
        path.unlink(missing_ok=True)  # of two members with one name, the later one counts
    if member.issym():
        links[name] = member.linkname
    elif member.islnk():
        target = root / _inside(member.linkname, member)
        if not target.is_file():
            raise _Refused(
                f"{member.name!r} links to {member.linkname!r}, which is no file before it"
            )
        os.link(target, path)
    elif member.isreg():
        _extract_file(incoming, member, path)
    else:
        raise _Refused(f"{member.name!r} is a device or pipe")


def _extract_file(incoming: Incoming, member: tarfile.TarInfo, path: Path) -> None:
    room = shutil.disk_usage(path.parent).free - _RESERVE
    if not 0 <= member.size <= room:
        raise _Refused(f"{member.name!r} has {member.size:,} bytes; the disk has room for {room:,}")
    mode = 0o755 if member.mode & 0o100 else 0o644
    source = incoming.content(member)
    with source, open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as copy:
        shutil.copyfileobj(source, copy, _CHUNK)
        size = copy.tell()
    if size < member.size:
        raise tarfile.ReadError(f"{member.name!r} is cut off")
    os.utime(path, (int(member.mtime), int(member.mtime)))


def _inside(name: str, member: tarfile.TarInfo) -> str:
    """Return ``name`` without ``.`` and empty parts."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise _Refused(f"{member.name!r} would leave the folder")
    if not parts and not member.isdir():
        raise _Refused(f"{member.name!r} is no name of a file")
    return "/".join(parts)


def _make_link(name: str, root: Path, links: Mapping[str, str]) -> None:
    if not links[name]:
        raise _Refused(f"the link {name!r} leads to no name")
    leaves = _Refused(f"the link {name!r} to {links[name]!r} would leave the folder")
    if not all(_walk(name, links)):
        raise leaves
    path = root / name
    path.symlink_to(links[name])
    # A file system that takes two spellings for one name follows links that _walk does not see.
    if not Path(os.path.realpath(path)).is_relative_to(root):
        raise leaves


def _walk(name: str, links: Mapping[str, str]) -> Iterator[bool]:
    """Follow a name through the links; yield for each step whether it stays inside."""
    place: list[str] = []
    parts = name.split("/")[::-1]
    hops = 0
    while parts:
        part = parts.pop()
        if part in ("", "."):
            continue
        if part == "..":
            yield bool(place)
            place = place[:-1]
            continue
        target = links.get("/".join([*place, part]))
        if target is None:
            place.append(part)
            continue
        hops += 1
        yield hops <= _HOPS and not target.startswith("/") and "\0" not in target
        parts += target.split("/")[::-1]
