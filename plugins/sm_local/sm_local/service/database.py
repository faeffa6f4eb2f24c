"""The service's state: one SQLite file, opened by the service alone."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from sm_core.errors import LocalServiceError

__all__ = ["Database", "RecordExists", "Records"]

#: Script n brings a database of version n to version n + 1; the version is SQLite's user_version.
_MIGRATIONS = (
    """
    CREATE TABLE records (
        position INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        body BLOB NOT NULL,
        UNIQUE (kind, name)
    );
    CREATE TABLE key_pairs (
        access_key_id TEXT PRIMARY KEY,
        secret TEXT NOT NULL,
        owner TEXT NOT NULL UNIQUE,
        created REAL NOT NULL
    );
    CREATE TABLE buckets (
        name TEXT PRIMARY KEY,
        created REAL NOT NULL
    );
    CREATE TABLE objects (
        bucket TEXT NOT NULL REFERENCES buckets (name),
        key TEXT NOT NULL,
        blob TEXT NOT NULL UNIQUE,
        size INTEGER NOT NULL,
        etag TEXT NOT NULL,
        modified REAL NOT NULL,
        attributes BLOB NOT NULL,
        PRIMARY KEY (bucket, key)
    );
    CREATE TABLE uploads (
        id TEXT PRIMARY KEY,
        bucket TEXT NOT NULL REFERENCES buckets (name),
        key TEXT NOT NULL,
        attributes BLOB NOT NULL,
        created REAL NOT NULL
    );
    CREATE TABLE parts (
        upload TEXT NOT NULL REFERENCES uploads (id),
        number INTEGER NOT NULL,
        blob TEXT NOT NULL UNIQUE,
        size INTEGER NOT NULL,
        etag TEXT NOT NULL,
        PRIMARY KEY (upload, number)
    );
    """,
    """
    ALTER TABLE parts ADD COLUMN checksum TEXT;
    ALTER TABLE parts ADD COLUMN modified REAL NOT NULL DEFAULT 0
    """,
)


class Database:
    """One connection for all threads, one at a time."""

    def __init__(self, path: Path) -> None:
        """Open the file at `path`, make it if need be, and bring its tables up to date.

        Raises:
            LocalServiceError: a newer version of the service wrote it.
        """
        self.path = path
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        # A commit that was answered survives a power failure, as the blobs it names do.
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.execute("PRAGMA busy_timeout = 10000")
        try:
            self._migrate()
        except BaseException:
            self._connection.close()
            raise

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing: committed at the end of the block, rolled back when it raises.

        A transaction inside a transaction of the same thread joins it. Never await inside one:
        another coroutine of the thread would join it too.
        """
        with self._lock:
            if self._is_open():
                yield self._connection
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                # A full disk may have ended the transaction already.
                if self._is_open():
                    self._connection.execute("ROLLBACK")
                raise

    def query(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows that `statement` selects."""
        with self._lock:
            return self._connection.execute(statement, parameters).fetchall()

    def close(self) -> None:
        """Close the file; nothing works afterwards."""
        with self._lock:
            self._connection.close()

    def _is_open(self) -> bool:
        """Whether a transaction has begun, which every statement may change."""
        return self._connection.in_transaction

    def _migrate(self) -> None:
        with self.transaction() as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > len(_MIGRATIONS):
                raise LocalServiceError(
                    f"{self.path} has version {version}, written by a newer sm-local; this one"
                    f" knows versions up to {len(_MIGRATIONS)}: upgrade sm-local, or choose"
                    " another folder with SMCORE_LOCAL_HOME"
                )
            for script in _MIGRATIONS[version:]:
                # Not executescript(), which would commit first.
                for statement in script.split(";"):
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")


class RecordExists(Exception):
    """There is a record of this kind and name already."""


class Records:
    """JSON documents by kind ("training-job") and name, in the order of their making."""

    def __init__(self, database: Database) -> None:
        """Keep the documents in `database`."""
        self._database = database

    def insert(self, kind: str, name: str, body: dict[str, Any]) -> None:
        """Add a document.

        Raises:
            RecordExists: there is one of this kind and name.
        """
        with self._database.transaction() as connection:
            try:
                connection.execute(
                    "INSERT INTO records (kind, name, body) VALUES (?, ?, ?)",
                    (kind, name, _encode(body)),
                )
            except sqlite3.IntegrityError as error:
                raise RecordExists(f"{kind} {name}") from error

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        """The document, or None."""
        rows = self._database.query(
            "SELECT body FROM records WHERE kind = ? AND name = ?", (kind, name)
        )
        return orjson.loads(rows[0][0]) if rows else None

    def update(self, kind: str, name: str, body: dict[str, Any]) -> None:
        """Replace a document.

        Raises:
            KeyError: there is none of this kind and name.
        """
        with self._database.transaction() as connection:
            changed = connection.execute(
                "UPDATE records SET body = ? WHERE kind = ? AND name = ?",
                (_encode(body), kind, name),
            ).rowcount
        if not changed:
            raise KeyError(f"{kind} {name}")

    def delete(self, kind: str, name: str) -> bool:
        """Remove a document; False if there was none."""
        with self._database.transaction() as connection:
            return bool(
                connection.execute(
                    "DELETE FROM records WHERE kind = ? AND name = ?", (kind, name)
                ).rowcount
            )

    def list(self, kind: str) -> list[dict[str, Any]]:
        """All documents of a kind, newest last."""
        rows = self._database.query(
            "SELECT body FROM records WHERE kind = ? ORDER BY position", (kind,)
        )
        return [orjson.loads(body) for (body,) in rows]


def _encode(body: dict[str, Any]) -> bytes:
    """`body` as JSON; what JSON has no form for (a datetime) is an error, not a string."""
    return orjson.dumps(
        body, option=orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
    )
