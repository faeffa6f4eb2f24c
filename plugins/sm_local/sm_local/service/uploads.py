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
from sm_local.service.conditions import ALWAYS, Condition
from sm_local.service.database import Database
from sm_local.service.errors import ServiceError
from sm_local.service.objects import ObjectInfo, Objects, insert_object
from sm_local.service.partchecksums import Expected, Plan

__all__ = ["MAX_PART_NUMBER", "MIN_PART_SIZE", "Part", "Pending", "Uploads"]

MAX_PART_NUMBER = 10_000
#: Bytes of every part but the last.
MIN_PART_SIZE = 5 << 20
#: What is said of an upload that was completed meanwhile.
_GONE = frozenset({"NoSuchUpload", "InvalidPart"})
_PART = "number, blob, size, etag, checksum, modified"
_NOTHING_EXPECTED = Expected()


@attrs.frozen(kw_only=True)
class Part:
    """A part that has come.

    Attributes:
        number: from 1.
        blob: its bytes.
        size: in bytes.
        etag: without quotes.
        checksum: by the upload's algorithm, in base64; None where it has none.
        modified: when it came, in epoch seconds.
    """

    number: int
    blob: str
    size: int
    etag: str
    checksum: str | None
    modified: float


@attrs.frozen(kw_only=True)
class Pending:
    """An upload in progress: its key and id, when it began in epoch seconds, its attributes."""

    key: str
    identifier: str
    created: float
    attributes: Mapping[str, Any]


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

    def put_part(
        self,
        bucket: str,
        key: str,
        identifier: str,
        *,
        number: int,
        blob: Blob,
        checksum: str | None = None,
    ) -> None:
        """Make `blob` the part `number`, in place of one that came before.

        Args:
            bucket, key, identifier: of the upload.
            number: from 1.
            blob: finished, and used for nothing else; it is removed when this fails.
            checksum: by the upload's algorithm, in base64.

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
                    f"INSERT INTO parts (upload, {_PART}) VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (identifier, number, blob.name, blob.size, blob.md5, checksum, time.time()),
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
        condition: Condition = ALWAYS,
        expected: Expected = _NOTHING_EXPECTED,
    ) -> ObjectInfo:
        """Make the parts an object, and forget the upload.

        Args:
            bucket, key, identifier: of the upload.
            wanted: (number, unquoted ETag) of each part that the object is made of.
            condition: what must be so of the object that has the key now.
            expected: what the client says of checksums and size.

        Raises:
            ServiceError: NoSuchUpload, InvalidPart, InvalidPartOrder, EntityTooSmall,
                InvalidRequest or BadDigest for what is expected; MalformedXML when no part is
                wanted; or the condition does not hold.
        """
        etag = _etag([etag for _, etag in wanted])
        try:
            return self._completed(
                bucket, key, identifier, wanted, condition=condition, expected=expected
            )
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
        condition: Condition,
        expected: Expected,
    ) -> ObjectInfo:
        attributes = self.require(bucket, key, identifier)
        parts = self._chosen(identifier, wanted)
        attributes = _finished(attributes, parts, expected)
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
                removed = insert_object(connection, bucket, info, condition=condition)
                removed += self._forget(identifier)
        except BaseException:
            self._objects.blobs.remove(blob.name)
            raise
        self._objects.blobs.remove(*removed)
        return info

    def parts(self, bucket: str, key: str, identifier: str) -> list[Part]:
        """What has come of an upload, by number.

        Raises:
            ServiceError: NoSuchUpload.
        """
        self.require(bucket, key, identifier)
        return self._parts(identifier)

    def pending(self, bucket: str) -> list[Pending]:
        """The uploads of a bucket that are in progress, by key and id.

        Raises:
            ServiceError: NoSuchBucket.
        """
        self._objects.require_bucket(bucket)
        rows = self._database.query(
            "SELECT key, id, created, attributes FROM uploads WHERE bucket = ? ORDER BY key, id",
            (bucket,),
        )
        return [
            Pending(
                key=key,
                identifier=identifier,
                created=created,
                attributes=orjson.loads(attributes),
            )
            for key, identifier, created, attributes in rows
        ]

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
        stored = {part.number: part for part in self._parts(identifier)}
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

    def _parts(self, identifier: str) -> list[Part]:
        rows = self._database.query(
            f"SELECT {_PART} FROM parts WHERE upload = ? ORDER BY number", (identifier,)
        )
        return [
            Part(
                number=number,
                blob=blob,
                size=size,
                etag=etag,
                checksum=checksum,
                modified=modified,
            )
            for number, blob, size, etag, checksum, modified in rows
        ]

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


def _finished(
    attributes: Mapping[str, Any], parts: Sequence[Part], expected: Expected
) -> Mapping[str, Any]:
    """The attributes of the object, out of those of its upload.

    Raises:
        ServiceError: it is not what the client expects.
    """
    size = sum(part.size for part in parts)
    if expected.size not in (None, size):
        raise ServiceError(
            "InvalidRequest",
            f"The provided 'x-amz-mp-object-size' header value {expected.size} does not match what"
            f" was computed: {size}",
        )
    plan = Plan.of(attributes)
    if plan is None:
        return attributes
    # Whoever plans has had it of each part.
    known = [(part.number, part.size, part.checksum or "") for part in parts]
    kept = {name: value for name, value in attributes.items() if name not in plan.members}
    return kept | plan.whole(known, expected)


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
