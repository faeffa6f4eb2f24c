"""Objects that are uploaded in parts: what has come so far, and putting it together.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html has the rules.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

import attrs
import orjson

from sm_local.service.blobs import Blob
from sm_local.service.database import Database
from sm_local.service.errors import ServiceError
from sm_local.service.objects import ObjectInfo, Objects, insert_object

__all__ = ["MAX_PART_NUMBER", "MIN_PART_SIZE", "Part", "Uploads"]

MAX_PART_NUMBER = 10_000
#: Bytes of every part but the last.
MIN_PART_SIZE = 5 << 20
#: What is said of an upload that was completed meanwhile.
_GONE = frozenset({"NoSuchUpload", "InvalidPart"})


@attrs.frozen(kw_only=True)
class Part:
    """A part that has come: its number from 1, its blob, size and unquoted ETag."""

    number: int
    blob: str
    size: int
    etag: str


class Uploads:
    """The uploads in progress. Every method blocks, and may be called from any thread."""

    def __init__(self, database: Database, objects: Objects) -> None:
        """Keep parts in the object store's blobs until they become objects."""
        self._database = database
        self._objects = objects

    def create(self, bucket: str, key: str, attributes: Mapping[str, Any]) -> str:
        """Begin an upload; its id.

        Raises:
            ServiceError: NoSuchBucket.
        """
        self._objects.require_bucket(bucket)
        identifier = secrets.token_urlsafe(32)
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO uploads (id, bucket, key, attributes, created) VALUES (?, ?, ?, ?, ?)",
                (identifier, bucket, key, orjson.dumps(dict(attributes)), time.time()),
            )
        return identifier

    def require(self, bucket: str, key: str, identifier: str) -> Mapping[str, Any]:
        """The attributes that the object will have.

        Raises:
            ServiceError: NoSuchUpload.
        """
        rows = self._database.query(
            "SELECT attributes FROM uploads WHERE id = ? AND bucket = ? AND key = ?",
            (identifier, bucket, key),
        )
        if not rows:
            raise ServiceError(
                "NoSuchUpload",
                "The specified upload does not exist. The upload ID may be invalid, or the upload"
                " may have been aborted or completed.",
                status=404,
                members={"UploadId": identifier},
            )
        attributes: Mapping[str, Any] = orjson.loads(rows[0][0])
        return attributes

    def put_part(self, bucket: str, key: str, identifier: str, *, number: int, blob: Blob) -> None:
        """Make `blob` the part `number`, in place of one that came before.

        Raises:
            ServiceError: NoSuchUpload; the blob is removed.
        """
        try:
            with self._database.transaction() as connection:
                self.require(bucket, key, identifier)
                replaced = connection.execute(
                    "SELECT blob FROM parts WHERE upload = ? AND number = ?", (identifier, number)
                ).fetchall()
                connection.execute(
                    "DELETE FROM parts WHERE upload = ? AND number = ?", (identifier, number)
                )
                connection.execute(
                    "INSERT INTO parts (upload, number, blob, size, etag) VALUES (?, ?, ?, ?, ?)",
                    (identifier, number, blob.name, blob.size, blob.md5),
                )
        except BaseException:
            self._objects.blobs.remove(blob.name)
            raise
        self._objects.blobs.remove(*(name for (name,) in replaced))

    def complete(
        self,
        bucket: str,
        key: str,
        identifier: str,
        *,
        wanted: Sequence[tuple[int, str]],
        absent: bool = False,
    ) -> ObjectInfo:
        """Make the parts an object, and forget the upload.

        Args:
            bucket, key, identifier: of the upload.
            wanted: (number, unquoted ETag) of each part that the object is made of.
            absent: refuse when there is an object with this key.

        Raises:
            ServiceError: NoSuchUpload, InvalidPart, InvalidPartOrder, EntityTooSmall,
                PreconditionFailed; MalformedXML when no part is wanted.
        """
        etag = _etag([etag for _, etag in wanted])
        try:
            return self._completed(bucket, key, identifier, wanted, absent=absent)
        except ServiceError as error:
            # Whoever had no answer asks again, perhaps while the first request is still at it.
            done = self._objects.info(bucket, key)
            if error.code in _GONE and done is not None and done.etag == etag:
                return done
            raise

    def _completed(
        self,
        bucket: str,
        key: str,
        identifier: str,
        wanted: Sequence[tuple[int, str]],
        *,
        absent: bool,
    ) -> ObjectInfo:
        attributes = self.require(bucket, key, identifier)
        parts = self._chosen(identifier, wanted)
        blob = self._joined(parts)
        info = ObjectInfo(
            key=key,
            size=blob.size,
            etag=_etag([etag for _, etag in wanted]),
            modified=time.time(),
            attributes=attributes,
            blob=blob.name,
        )
        try:
            with self._database.transaction() as connection:
                self.require(bucket, key, identifier)
                if self._chosen(identifier, wanted) != parts:
                    raise _invalid_part()
                removed = insert_object(connection, bucket, info, absent=absent)
                removed += self._forget(identifier)
        except BaseException:
            self._objects.blobs.remove(blob.name)
            raise
        self._objects.blobs.remove(*removed)
        return info

    def abort(self, bucket: str, key: str, identifier: str) -> None:
        """Forget an upload and what came of it.

        Raises:
            ServiceError: NoSuchUpload.
        """
        with self._database.transaction():
            self.require(bucket, key, identifier)
            removed = self._forget(identifier)
        self._objects.blobs.remove(*removed)

    def _chosen(self, identifier: str, wanted: Sequence[tuple[int, str]]) -> list[Part]:
        rows = self._database.query(
            "SELECT number, blob, size, etag FROM parts WHERE upload = ?", (identifier,)
        )
        stored = {
            number: Part(number=number, blob=blob, size=size, etag=etag)
            for number, blob, size, etag in rows
        }
        numbers = [number for number, _ in wanted]
        if numbers != sorted(set(numbers)):
            raise ServiceError(
                "InvalidPartOrder",
                "The list of parts was not in ascending order. Parts must be ordered by part"
                " number.",
            )
        parts: list[Part] = []
        for number, etag in wanted:
            part = stored.get(number)
            if part is None or part.etag != etag:
                raise _invalid_part(PartNumber=number, ETag=etag)
            parts.append(part)
        for part in parts[:-1]:
            if part.size < MIN_PART_SIZE:
                raise ServiceError(
                    "EntityTooSmall",
                    "Your proposed upload is smaller than the minimum allowed size",
                    members={
                        "ProposedSize": part.size,
                        "MinSizeAllowed": MIN_PART_SIZE,
                        "PartNumber": part.number,
                    },
                )
        return parts

    def _joined(self, parts: Sequence[Part]) -> Blob:
        with closing(self._objects.writer()) as writer:
            for part in parts:
                try:
                    file = self._objects.blobs.path(part.blob).open("rb", buffering=0)
                except FileNotFoundError as error:
                    # Uploaded again, aborted or completed since its row was read.
                    raise _invalid_part(PartNumber=part.number) from error
                with file:
                    writer.append(file)
            return writer.finish()

    def _forget(self, identifier: str) -> list[str]:
        """Delete the rows of an upload; the blobs to remove after the commit."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT blob FROM parts WHERE upload = ?", (identifier,)
            ).fetchall()
            connection.execute("DELETE FROM parts WHERE upload = ?", (identifier,))
            connection.execute("DELETE FROM uploads WHERE id = ?", (identifier,))
        return [blob for (blob,) in rows]


def _etag(etags: Sequence[str]) -> str:
    """S3's ETag of an object in parts: the MD5 of their MD5s, and how many they are."""
    if not etags:
        raise ServiceError(
            "MalformedXML", "The XML you provided names no parts; an upload needs at least one"
        )
    try:
        joined = b"".join(bytes.fromhex(etag) for etag in etags)
    except ValueError as error:
        raise _invalid_part() from error
    return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(etags)}"


def _invalid_part(**members: object) -> ServiceError:
    return ServiceError(
        "InvalidPart",
        "One or more of the specified parts could not be found. The part may not have been"
        " uploaded, or the specified entity tag may not match the part's entity tag.",
        members=members,
    )
