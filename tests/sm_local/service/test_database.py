"""The database, and documents in it."""

from __future__ import annotations

import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

import pytest

from sm_core.errors import LocalServiceError
from sm_local.service.database import Database, RecordExists, Records


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(tmp_path / "state.db")) as database:
        yield database


@pytest.fixture
def records(database: Database) -> Records:
    return Records(database)


class TestDatabase:
    def test_nobody_else_may_read_it(self, database: Database) -> None:
        assert stat.S_IMODE(database.path.stat().st_mode) == 0o600

    def test_a_transaction_is_all_or_nothing(self, database: Database) -> None:
        def half() -> None:
            with database.transaction() as connection:
                connection.execute("INSERT INTO buckets VALUES ('a', 0)")
                raise RuntimeError("half way")

        with pytest.raises(RuntimeError, match="half way"):
            half()
        assert database.query("SELECT * FROM buckets") == []

    def test_a_transaction_in_a_transaction_joins_it(self, database: Database) -> None:
        def nested() -> None:
            with database.transaction() as connection:
                with database.transaction():
                    connection.execute("INSERT INTO buckets VALUES ('a', 0)")
                raise RuntimeError("after the inner one")

        with pytest.raises(RuntimeError):
            nested()
        assert database.query("SELECT * FROM buckets") == []

    def test_what_was_committed_is_there_after_a_restart(self, database: Database) -> None:
        with database.transaction() as connection:
            connection.execute("INSERT INTO buckets VALUES ('a', 1.5)")
        # Not closed, as when the process is killed.
        with closing(Database(database.path)) as successor:
            assert successor.query("SELECT * FROM buckets") == [("a", 1.5)]

    def test_it_keeps_a_log_of_what_is_being_written(self, database: Database) -> None:
        assert database.query("PRAGMA journal_mode") == [("wal",)]

    def test_one_of_a_newer_version_is_left_alone(self, database: Database) -> None:
        database.close()
        with sqlite3.connect(database.path) as connection:
            connection.execute("PRAGMA user_version = 99")
        connection.close()
        with pytest.raises(LocalServiceError, match="version 99, written by a newer sm-local"):
            Database(database.path)

    def test_it_goes_on_after_a_full_disk(self, database: Database) -> None:
        ((pages,),) = database.query("PRAGMA page_count")
        database.query(f"PRAGMA max_page_count = {pages}")

        def fill() -> None:
            with database.transaction() as connection:
                connection.execute("INSERT INTO buckets VALUES ('a', 0)")
                connection.execute("INSERT INTO buckets VALUES (?, 0)", ("x" * 100_000,))

        with pytest.raises(sqlite3.OperationalError, match="full"):
            fill()
        assert database.query("SELECT * FROM buckets") == []
        database.query(f"PRAGMA max_page_count = {pages + 100}")
        fill()
        assert len(database.query("SELECT * FROM buckets")) == 2

    def test_threads_take_turns(self, database: Database) -> None:
        with database.transaction() as connection:
            connection.execute("INSERT INTO buckets VALUES ('a', 0)")

        def count() -> None:
            for _ in range(50):
                with database.transaction() as connection:
                    ((made,),) = connection.execute("SELECT created FROM buckets").fetchall()
                    connection.execute("UPDATE buckets SET created = ?", (made + 1,))

        threads = [threading.Thread(target=count) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert database.query("SELECT created FROM buckets") == [(200.0,)]


class TestRecords:
    def test_a_document_comes_back_as_it_was(self, records: Records) -> None:
        body = {"name": "é", "list": [1, 2.5, None, True], "nested": {"": ""}}
        records.insert("job", "a", body)
        assert records.get("job", "a") == body
        assert records.get("job", "b") is None
        assert records.get("model", "a") is None

    def test_a_name_is_taken_once_for_each_kind(self, records: Records) -> None:
        records.insert("job", "a", {})
        records.insert("model", "a", {})
        with pytest.raises(RecordExists, match="job a"):
            records.insert("job", "a", {})

    def test_update(self, records: Records) -> None:
        records.insert("job", "a", {"status": "InProgress"})
        records.update("job", "a", {"status": "Completed"})
        assert records.get("job", "a") == {"status": "Completed"}
        with pytest.raises(KeyError, match="job b"):
            records.update("job", "b", {})

    def test_delete(self, records: Records) -> None:
        records.insert("job", "a", {})
        assert records.delete("job", "a")
        assert not records.delete("job", "a")
        assert records.get("job", "a") is None

    def test_they_are_listed_in_the_order_of_their_making(self, records: Records) -> None:
        for name in ("b", "c", "a"):
            records.insert("job", name, {"name": name})
        records.update("job", "b", {"name": "b", "changed": True})
        records.insert("model", "m", {})
        assert [body["name"] for body in records.list("job")] == ["b", "c", "a"]

    def test_what_json_cannot_say_is_an_error(self, records: Records) -> None:
        with pytest.raises(TypeError):
            records.insert("job", "a", {"created": datetime.now(timezone.utc)})
        assert records.get("job", "a") is None
