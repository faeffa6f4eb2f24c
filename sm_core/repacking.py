"""A model's archive again, with the user's code in it, for serving images that read it from there.

Both archives are read and the new one is uploaded at the same time: nothing of them is kept in
memory or on the disk, and no object but the new one is written.
"""

from __future__ import annotations

import gzip
import tarfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import IO, TYPE_CHECKING

import attrs

from sm_core.archives import COMPRESSION, Incoming
from sm_core.downloads import opened_object
from sm_core.errors import ArchiveError, SourceError
from sm_core.inputs import split_s3_uri
from sm_core.uploads import uploading

if TYPE_CHECKING:
    from sm_core.session import Session

__all__ = ["CODE", "EntryPoint", "repack", "repacked"]

#: The folder of a model's archive in which serving images look for code.
CODE = "code"
#: Headers that say again what a member's attributes say, and would win over them.
_STALE = ("path", "linkpath", "size")


@attrs.frozen
class EntryPoint:
    """The script that serves.

    Attributes:
        program: its path in the code's archive.
        name: path under which the image looks for it.
    """

    program: str
    name: str


def repacked(
    session: Session,
    *,
    model_data: str,
    code: Callable[[], AbstractContextManager[IO[bytes]]],
    entry_point: EntryPoint,
    target: tuple[str, str],
) -> None:
    """Upload the archive at `model_data` with the code in it.

    Args:
        session: whose S3.
        model_data: S3 URI of the model's archive, which stays as it is.
        code: opens the archive of the user's code.
        entry_point: the script in it.
        target: bucket and key of what is uploaded.

    Raises:
        ArchiveError: one of the archives is damaged, or cannot be repacked.
        SourceError: the entry point's place is taken, or it is not in the archive.
        RequestError: S3 refused a call. In any of these cases the target is left as it was.
    """
    client = session.client("s3")
    bucket, key = split_s3_uri(model_data) or ("", "")
    with (
        opened_object(client, bucket, key) as source,
        code() as script,
        uploading(client, *target, like=source.size) as stream,
    ):
        repack(source.stream, script, stream, entry_point=entry_point, name=model_data)


def repack(
    model: IO[bytes], code: IO[bytes], target: IO[bytes], *, entry_point: EntryPoint, name: str
) -> None:
    """Write the model's members and the code's, those below ``code/``, as one archive.

    What the model's archive has below ``code/`` is left out. Everything else stays: names, order,
    contents, links, times, permissions.

    Args:
        model: a tar.gz archive; it need not be able to go back, nor need the others.
        code: likewise.
        target: to be written.
        entry_point: the script among the code.
        name: of the model's archive, for messages.

    Raises:
        ArchiveError: an archive is damaged, or a member cannot be taken over.
        SourceError: the entry point's place is taken, or it is not in the archive.
    """
    with (
        gzip.GzipFile("", "wb", COMPRESSION, target, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        with Incoming.opened(model, name) as incoming:
            for member in incoming:
                _take_over(tar, incoming, member, name)
        with Incoming.opened(code, "the archive of the code") as incoming:
            _add_code(tar, incoming, entry_point)


def _take_over(
    tar: tarfile.TarFile, incoming: Incoming, member: tarfile.TarInfo, name: str
) -> None:
    """Copy a member of the model, unless it is code."""
    if _parts(member.name)[:1] == [CODE]:
        return
    if member.islnk() and _parts(member.linkname)[:1] == [CODE]:
        raise ArchiveError(
            f"{name}: {member.name!r} is a hard link to {member.linkname!r}, in the folder whose "
            "content is replaced by the code: pack it as a file of its own"
        )
    _add(tar, incoming, member, member.name)


def _add_code(tar: tarfile.TarFile, incoming: Incoming, entry_point: EntryPoint) -> None:
    found = False
    names = set()
    for member in incoming:
        parts = _parts(member.name)
        if ".." in parts or member.name.startswith("/"):
            raise ArchiveError(f"the archive of the code: {member.name!r} would leave its folder")
        path = "/".join(parts)
        if not path:
            continue  # the folder itself
        names.add(path)
        if member.islnk():
            member.linkname = _place(_parts(member.linkname), entry_point)
        found = found or path == entry_point.program
        _add(tar, incoming, member, _place(parts, entry_point))
    if not found:
        raise SourceError(
            f"entry_point {entry_point.program!r} is not in the archive of the code; it holds: "
            f"{', '.join(sorted(names)[:8]) or 'nothing'}"
        )
    if entry_point.name != entry_point.program and entry_point.name in names:
        raise SourceError(
            f"the code has a {entry_point.name!r} beside entry_point {entry_point.program!r}, and "
            "AWS's image looks for the entry point under that name: rename the other one"
        )


def _place(parts: Sequence[str], entry_point: EntryPoint) -> str:
    """Where a member of the code goes in the model's archive."""
    path = "/".join(parts)
    return f"{CODE}/{entry_point.name if path == entry_point.program else path}"


def _add(tar: tarfile.TarFile, incoming: Incoming, member: tarfile.TarInfo, name: str) -> None:
    content = incoming.content(member) if member.isreg() else None
    if member.issparse():
        # It is read with its holes filled.
        member.type = tarfile.REGTYPE
        member.sparse = None
    member.name = name
    member.pax_headers = {
        header: value
        for header, value in member.pax_headers.items()
        if header not in _STALE and not header.startswith("GNU.sparse.")
    }
    tar.addfile(member, content)


def _parts(name: str) -> list[str]:
    return [part for part in name.split("/") if part not in ("", ".")]
