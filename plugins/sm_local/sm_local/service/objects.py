"""Buckets and objects: keys and headers in the database, bytes in blobs."""

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
from sm_local.service.database import Database
from sm_local.service.errors import ServiceError

__all__ = ["Bucket", "ObjectInfo", "Objects", "Page", "no_such_bucket", "no_such_key"]

logger = logging.getLogger(__name__)

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_BUCKET_NAME = re.compile(r"[a-z0-9](?!.*\.\.)[a-z0-9.-]{1,61}[a-z0-9]")
_IP_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
_Rows = list[tuple[Any, ...]]

_COLUMNS = "key, blob, size, etag, modified, headers"


@attrs.frozen(kw_only=True)
class Bucket:
    """A bucket; `created` is in epoch seconds."""

    name: str
    created: float


@attrs.frozen(kw_only=True)
class ObjectInfo:
    """An object without its bytes.

    Attributes:
        key: in its bucket.
        size: in bytes.
        etag: without quotes; the MD5 of the bytes unless it was uploaded in parts.
        modified: epoch seconds.
        headers: what a download answers beside these: ``content-type``, ``x-amz-meta-…``.
        blob: where the bytes are.
    """

    key: str
    size: int
    etag: str
    modified: float
    headers: Mapping[str, str]
    blob: str


@attrs.frozen(kw_only=True)
class Page:
    """A part of a listing.

    Attributes:
        objects: in the order of their keys.
        prefixes: the common prefixes among them, in order.
        last: where the next page begins: its argument `after`; None when nothing is left.
    """

    objects: list[ObjectInfo]
    prefixes: list[str]
    last: str | None


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

    def writer(self) -> BlobWriter:
        """Bytes to write and then `put`."""
        return self.blobs.writer()

    def put(
        self,
        bucket: str,
        key: str,
        blob: Blob,
        *,
        etag: str | None = None,
        headers: Mapping[str, str] = _NO_HEADERS,
    ) -> ObjectInfo:
        """Make `blob` the object `key`, in place of the one that has the key now.

        Args:
            bucket: which must exist.
            key: any text but "".
            blob: finished, and used for nothing else; it is removed when this fails.
            etag: where it is not the MD5 of the bytes.
            headers: see `ObjectInfo.headers`.

        Raises:
            ServiceError: NoSuchBucket.
        """
        info = ObjectInfo(
            key=key,
            size=blob.size,
            etag=etag or blob.md5,
            modified=time.time(),
            headers=dict(headers),
            blob=blob.name,
        )
        try:
            with self._database.transaction() as connection:
                replaced = insert_object(connection, bucket, info)
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
        headers: Mapping[str, str] = _NO_HEADERS,
    ) -> ObjectInfo:
        """The file `path` as an object; with `move` the file goes away (and costs no copy).

        Raises:
            ServiceError: NoSuchBucket, with the file left where it is.
        """
        self.require_bucket(bucket)
        return self.put(bucket, key, self.blobs.take(path, move=move), headers=headers)

    def put_bytes(
        self, bucket: str, key: str, data: bytes, *, headers: Mapping[str, str] = _NO_HEADERS
    ) -> ObjectInfo:
        """`data` as an object.

        Raises:
            ServiceError: NoSuchBucket.
        """
        self.require_bucket(bucket)
        with closing(self.writer()) as writer:
            writer.write(data)
            return self.put(bucket, key, writer.finish(), headers=headers)

    def info(self, bucket: str, key: str) -> ObjectInfo | None:
        """What is known of an object, or None."""
        rows = self._database.query(
            f"SELECT {_COLUMNS} FROM objects WHERE bucket = ? AND key = ?", (bucket, key)
        )
        return _info(rows[0]) if rows else None

    def open(self, bucket: str, key: str) -> tuple[ObjectInfo, BinaryIO]:
        """An object and its bytes, which stay readable when it is replaced or deleted.

        Raises:
            ServiceError: NoSuchBucket or NoSuchKey.
        """
        while True:
            info = self.info(bucket, key)
            if info is None:
                self.require_bucket(bucket)
                raise no_such_key(key)
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

    def delete(self, bucket: str, key: str) -> bool:
        """Delete an object; False if there was none."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                "DELETE FROM objects WHERE bucket = ? AND key = ? RETURNING blob", (bucket, key)
            ).fetchall()
        self.blobs.remove(*(blob for (blob,) in rows))
        return bool(rows)

    def list(self, bucket: str, prefix: str = "") -> list[ObjectInfo]:
        """All objects whose keys begin with `prefix`, in the order of the keys' UTF-8 bytes.

        Raises:
            ServiceError: NoSuchBucket.
        """
        self.require_bucket(bucket)
        return [_info(row) for row in self._rows(bucket, *_bounds(prefix, after=None))]

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
        rolled = bool(delimiter and after and _common(after, prefix, delimiter) == after)
        lower, inclusive, upper = _bounds(prefix, after=after, skip_after=rolled)
        objects: list[ObjectInfo] = []
        prefixes: list[str] = []
        last = after
        while lower is not None:
            room = limit - len(objects) - len(prefixes)
            for row in self._rows(bucket, lower, inclusive, upper, limit=room + 1):
                if len(objects) + len(prefixes) >= limit:
                    return Page(objects=objects, prefixes=prefixes, last=last)
                common = _common(row[0], prefix, delimiter)
                if common is not None:
                    prefixes.append(common)
                    last, lower, inclusive = common, _successor(common), True
                    break
                objects.append(_info(row))
                last = row[0]
            else:
                break
        return Page(objects=objects, prefixes=prefixes, last=None)

    def _rows(
        self, bucket: str, lower: str | None, inclusive: bool, upper: str | None, *, limit: int = -1
    ) -> _Rows:
        comparison = ">=" if inclusive else ">"
        # The keys' order is SQLite's BINARY collation: that of the UTF-8 bytes, as in S3.
        return self._database.query(
            f"SELECT {_COLUMNS} FROM objects WHERE bucket = ? AND key {comparison} ?"
            " AND (? IS NULL OR key < ?) ORDER BY key LIMIT ?",
            (bucket, lower, upper, upper, limit),
        )


def insert_object(connection: sqlite3.Connection, bucket: str, info: ObjectInfo) -> list[str]:
    """Write the row of an object; the blobs that it replaces, to be removed after the commit.

    Raises:
        ServiceError: NoSuchBucket.
    """
    if not connection.execute("SELECT 1 FROM buckets WHERE name = ?", (bucket,)).fetchone():
        raise no_such_bucket(bucket)
    replaced = connection.execute(
        "DELETE FROM objects WHERE bucket = ? AND key = ? RETURNING blob", (bucket, info.key)
    ).fetchall()
    connection.execute(
        f"INSERT INTO objects (bucket, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            bucket,
            info.key,
            info.blob,
            info.size,
            info.etag,
            info.modified,
            orjson.dumps(dict(info.headers)),
        ),
    )
    return [blob for (blob,) in replaced]


def no_such_bucket(name: str) -> ServiceError:
    """What every call about a bucket that is not there answers."""
    return ServiceError(
        "NoSuchBucket",
        "The specified bucket does not exist",
        status=404,
        members={"BucketName": name},
    )


def no_such_key(key: str) -> ServiceError:
    """What a call about an object that is not there answers."""
    return ServiceError(
        "NoSuchKey", "The specified key does not exist.", status=404, members={"Key": key}
    )


def _info(row: tuple[Any, ...]) -> ObjectInfo:
    key, blob, size, etag, modified, headers = row
    return ObjectInfo(
        key=key,
        size=size,
        etag=etag,
        modified=modified,
        headers=orjson.loads(headers),
        blob=blob,
    )


def _bounds(
    prefix: str, *, after: str | None, skip_after: bool = False
) -> tuple[str | None, bool, str | None]:
    """(lower, whether lower itself counts, upper) of the keys; lower None: no key qualifies."""
    upper = _successor(prefix) if prefix else None
    if after is None or after < prefix:
        return prefix, True, upper
    if skip_after:
        return _successor(after), True, upper
    return after, False, upper


def _common(key: str, prefix: str, delimiter: str) -> str | None:
    """The common prefix that `key` is rolled up into, or None."""
    if not delimiter or not key.startswith(prefix):
        return None
    position = key.find(delimiter, len(prefix))
    return None if position < 0 else key[: position + len(delimiter)]


def _successor(prefix: str) -> str | None:
    """The least text above all that begin with `prefix`, by code points; None: there is none."""
    kept = prefix.rstrip("\U0010ffff")
    if not kept:
        return None
    following = ord(kept[-1]) + 1
    # Surrogates are no characters: UTF-8 has none.
    return kept[:-1] + chr(0xE000 if following == 0xD800 else following)
