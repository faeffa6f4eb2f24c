"""Buckets and objects: keys and attributes in the database, bytes in blobs."""

from __future__ import annotations

import logging
import re
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

import attrs
import orjson

from sm_local.service.blobs import Blob, Blobs, BlobWriter, copy_bytes
from sm_local.service.checksums import Running
from sm_local.service.conditions import ALWAYS, Condition
from sm_local.service.database import Database
from sm_local.service.errors import ServiceError, no_such_bucket, no_such_key
from sm_local.service.listing import ObjectInfo, Page, Span, page_of, span

__all__ = ["Bucket", "ObjectInfo", "Objects", "Page", "insert_object"]

logger = logging.getLogger(__name__)

_NONE: Mapping[str, Any] = MappingProxyType({})
_BUCKET_NAME = re.compile(r"[a-z0-9](?!.*\.\.)[a-z0-9.-]{1,61}[a-z0-9]")
_IP_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
_Infos = list[ObjectInfo]

_COLUMNS = "key, blob, size, etag, modified, attributes"


@attrs.frozen(kw_only=True)
class Bucket:
    """A bucket; `created` is in epoch seconds."""

    name: str
    created: float


class Objects:
    """The object store. Every method blocks, and may be called from any thread."""

    def __init__(self, database: Database, folder: Path) -> None:
        """Keep rows in `database` and bytes under `folder`."""
        self._database = database
        self.blobs = Blobs(folder)

    def recover(self) -> None:
        """Delete what a killed service left half-written. Only before anything else is done."""
        rows = self._database.query("SELECT blob FROM objects UNION ALL SELECT blob FROM parts")
        count = self.blobs.sweep({name for (name,) in rows})
        if count:
            logger.info("removed %d unfinished or deleted objects of the last run", count)

    def create_bucket(self, name: str) -> bool:
        """Make a bucket; False if it was there.

        Raises:
            ServiceError: InvalidBucketName.
        """
        if not _BUCKET_NAME.fullmatch(name) or _IP_ADDRESS.fullmatch(name):
            raise ServiceError(
                "InvalidBucketName",
                "The specified bucket is not valid.",
                members={"BucketName": name},
            )
        with self._database.transaction() as connection:
            return bool(
                connection.execute(
                    "INSERT OR IGNORE INTO buckets (name, created) VALUES (?, ?)",
                    (name, time.time()),
                ).rowcount
            )

    def delete_bucket(self, name: str) -> None:
        """Delete an empty bucket, and with it the uploads in parts that nobody completed.

        Raises:
            ServiceError: NoSuchBucket, BucketNotEmpty.
        """
        with self._database.transaction() as connection:
            self.require_bucket(name)
            full = "SELECT 1 FROM objects WHERE bucket = ? LIMIT 1"
            if connection.execute(full, (name,)).fetchone():
                raise ServiceError(
                    "BucketNotEmpty",
                    "The bucket you tried to delete is not empty",
                    status=409,
                    members={"BucketName": name},
                )
            mine = "SELECT id FROM uploads WHERE bucket = ?"
            parts = connection.execute(
                f"SELECT blob FROM parts WHERE upload IN ({mine})", (name,)
            ).fetchall()
            connection.execute(f"DELETE FROM parts WHERE upload IN ({mine})", (name,))
            connection.execute("DELETE FROM uploads WHERE bucket = ?", (name,))
            connection.execute("DELETE FROM buckets WHERE name = ?", (name,))
        self.blobs.remove(*(blob for (blob,) in parts))

    def has_bucket(self, name: str) -> bool:
        """Whether there is such a bucket."""
        return bool(self._database.query("SELECT 1 FROM buckets WHERE name = ?", (name,)))

    def buckets(self) -> list[Bucket]:
        """All buckets, by name."""
        rows = self._database.query("SELECT name, created FROM buckets ORDER BY name")
        return [Bucket(name=name, created=created) for name, created in rows]

    def require_bucket(self, name: str) -> None:
        """Raises: ServiceError: NoSuchBucket."""
        if not self.has_bucket(name):
            raise no_such_bucket(name)

    def writer(self, checksum: Running | None = None) -> BlobWriter:
        """Bytes to write, and to reckon `checksum` of, and then `put`."""
        return self.blobs.writer(checksum)

    def put(
        self,
        bucket: str,
        key: str,
        blob: Blob,
        *,
        condition: Condition = ALWAYS,
        attributes: Mapping[str, Any] = _NONE,
    ) -> ObjectInfo:
        """Make `blob` the object `key`, in place of the one that has the key now.

        Args:
            bucket: which must exist.
            key: any text but "".
            blob: finished, and used for nothing else; it is removed when this fails.
            condition: what must be so.
            attributes: see `ObjectInfo`.

        Raises:
            ServiceError: NoSuchBucket, or the condition does not hold.
        """
        info = ObjectInfo(
            key=key,
            size=blob.size,
            etag=blob.md5,
            modified=time.time(),
            attributes=dict(attributes),
            blob=blob.name,
        )
        try:
            with self._database.transaction() as connection:
                replaced = insert_object(connection, bucket, info, condition=condition)
        except BaseException:
            self.blobs.remove(blob.name)
            raise
        self.blobs.remove(*replaced)
        return info

    def put_file(
        self,
        bucket: str,
        key: str,
        path: Path,
        *,
        move: bool = False,
        attributes: Mapping[str, Any] = _NONE,
    ) -> ObjectInfo:
        """The file `path` as an object; with `move` the file goes away (and costs no copy).

        Raises:
            ServiceError: NoSuchBucket, with the file left where it is.
        """
        self.require_bucket(bucket)
        return self.put(bucket, key, self.blobs.take(path, move=move), attributes=attributes)

    def put_bytes(
        self, bucket: str, key: str, data: bytes, *, attributes: Mapping[str, Any] = _NONE
    ) -> ObjectInfo:
        """`data` as an object.

        Raises:
            ServiceError: NoSuchBucket.
        """
        self.require_bucket(bucket)
        with closing(self.writer()) as writer:
            writer.write(data)
            return self.put(bucket, key, writer.finish(), attributes=attributes)

    def info(self, bucket: str, key: str) -> ObjectInfo | None:
        """What is known of an object, or None."""
        rows = self._database.query(
            f"SELECT {_COLUMNS} FROM objects WHERE bucket = ? AND key = ?", (bucket, key)
        )
        return _info(rows[0]) if rows else None

    def require(self, bucket: str, key: str) -> ObjectInfo:
        """What is known of an object.

        Raises:
            ServiceError: NoSuchBucket or NoSuchKey.
        """
        info = self.info(bucket, key)
        if info is None:
            self.require_bucket(bucket)
            raise no_such_key(key)
        return info

    def open(self, bucket: str, key: str) -> tuple[ObjectInfo, BinaryIO]:
        """An object and its bytes, which stay readable when it is replaced or deleted.

        Raises:
            ServiceError: NoSuchBucket or NoSuchKey.
        """
        while True:
            info = self.require(bucket, key)
            try:
                return info, self.blobs.path(info.blob).open("rb", buffering=0)
            except FileNotFoundError:
                # Replaced between the two lines: the row is another one now. If it is not, bytes
                # that the database names are gone, and that must not loop for ever.
                if self.info(bucket, key) == info:
                    raise

    def path(self, bucket: str, key: str) -> Path | None:
        """The file that holds an object's bytes now, or None. Never write to it, never link it.

        It goes away when the object is replaced or deleted: `copy_out` or `open` do not mind.
        """
        info = self.info(bucket, key)
        return None if info is None else self.blobs.path(info.blob)

    def copy_out(self, bucket: str, key: str, destination: Path) -> ObjectInfo:
        """Write an object's bytes to the file `destination`, in place of what is there.

        A copy that shares blocks where the file system can do that; never a link.

        Raises:
            ServiceError: NoSuchBucket or NoSuchKey.
        """
        info, source = self.open(bucket, key)
        with source, destination.open("wb", buffering=0) as file:
            copy_bytes(source, file)
        return info

    def set_attribute(self, bucket: str, key: str, name: str, value: Any) -> None:
        """Change one of an object's attributes; None removes it.

        Raises:
            ServiceError: NoSuchBucket or NoSuchKey.
        """
        with self._database.transaction() as connection:
            attributes = {**self.require(bucket, key).attributes, name: value}
            if value is None:
                del attributes[name]
            connection.execute(
                "UPDATE objects SET attributes = ? WHERE bucket = ? AND key = ?",
                (orjson.dumps(attributes), bucket, key),
            )

    def delete(self, bucket: str, key: str, *, condition: Condition = ALWAYS) -> bool:
        """Delete an object; False if there was none.

        Raises:
            ServiceError: there is one, and the condition does not hold.
        """
        with self._database.transaction() as connection:
            found = _find(connection, bucket, key)
            if found is not None:
                condition.check(key, found[1])
            removed = _delete_row(connection, bucket, key)
        self.blobs.remove(*removed)
        return bool(removed)

    def list(self, bucket: str, prefix: str = "") -> list[ObjectInfo]:
        """All objects whose keys begin with `prefix`, in the order of the keys' UTF-8 bytes.

        Raises:
            ServiceError: NoSuchBucket.
        """
        self.require_bucket(bucket)
        return self._infos(bucket, span(prefix))

    def page(
        self,
        bucket: str,
        *,
        prefix: str = "",
        delimiter: str = "",
        after: str | None = None,
        limit: int = 1000,
    ) -> Page:
        """A part of a listing, with keys that share a beginning up to a delimiter rolled up.

        Args:
            bucket: which must exist.
            prefix: what the keys begin with.
            delimiter: keys that have it after the prefix count as one common prefix.
            after: only keys above this one, and above all keys of it when it is a common prefix.
            limit: of objects and common prefixes together.

        Raises:
            ServiceError: NoSuchBucket.
        """
        self.require_bucket(bucket)
        return page_of(
            lambda wanted, count: self._infos(bucket, wanted, limit=count),
            prefix=prefix,
            delimiter=delimiter,
            after=after,
            limit=limit,
        )

    def _infos(self, bucket: str, wanted: Span, *, limit: int = -1) -> _Infos:
        comparison = ">=" if wanted.inclusive else ">"
        # The keys' order is SQLite's BINARY collation: that of the UTF-8 bytes, as in S3.
        rows = self._database.query(
            f"SELECT {_COLUMNS} FROM objects WHERE bucket = ? AND key {comparison} ?"
            " AND (? IS NULL OR key < ?) ORDER BY key LIMIT ?",
            (bucket, wanted.lower, wanted.upper, wanted.upper, limit),
        )
        return [_info(row) for row in rows]


def insert_object(
    connection: sqlite3.Connection,
    bucket: str,
    info: ObjectInfo,
    *,
    condition: Condition = ALWAYS,
) -> list[str]:
    """Write the row of an object; the blobs that it replaces, to be removed after the commit.

    Args:
        connection: in a transaction.
        bucket: which must exist.
        info: the object.
        condition: what must be so.

    Raises:
        ServiceError: NoSuchBucket, or the condition does not hold.
    """
    if not connection.execute("SELECT 1 FROM buckets WHERE name = ?", (bucket,)).fetchone():
        raise no_such_bucket(bucket)
    found = _find(connection, bucket, info.key)
    condition.check(info.key, None if found is None else found[1])
    replaced = _delete_row(connection, bucket, info.key)
    connection.execute(
        f"INSERT INTO objects (bucket, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            bucket,
            info.key,
            info.blob,
            info.size,
            info.etag,
            info.modified,
            orjson.dumps(dict(info.attributes)),
        ),
    )
    return replaced


def _find(connection: sqlite3.Connection, bucket: str, key: str) -> tuple[str, str] | None:
    """The blob and ETag of an object."""
    row: tuple[str, str] | None = connection.execute(
        "SELECT blob, etag FROM objects WHERE bucket = ? AND key = ?", (bucket, key)
    ).fetchone()
    return row


def _delete_row(connection: sqlite3.Connection, bucket: str, key: str) -> list[str]:
    """Delete the row of an object, if there is one; its blob."""
    row = _find(connection, bucket, key)
    connection.execute("DELETE FROM objects WHERE bucket = ? AND key = ?", (bucket, key))
    return [] if row is None else [row[0]]


def _info(row: tuple[Any, ...]) -> ObjectInfo:
    key, blob, size, etag, modified, attributes = row
    return ObjectInfo(
        key=key,
        size=size,
        etag=etag,
        modified=modified,
        attributes=orjson.loads(attributes),
        blob=blob,
    )
