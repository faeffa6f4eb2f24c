"""The object store."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sm_local.service.blobs import Blob
from sm_local.service.conditions import Condition
from sm_local.service.database import Database
from sm_local.service.errors import ServiceError
from sm_local.service.objects import Objects


class Store:
    """An object store and the folder of its blobs."""

    def __init__(self, folder: Path) -> None:
        self.database = Database(folder / "state.db")
        self.folder = folder / "blobs"
        self.objects = Objects(self.database, self.folder)

    def files(self) -> list[Path]:
        return [path for path in self.folder.rglob("*") if path.is_file()]

    def read(self, bucket: str, key: str) -> bytes:
        _, file = self.objects.open(bucket, key)
        with file:
            return file.read()

    def blob(self, data: bytes) -> Blob:
        with closing(self.objects.writer()) as writer:
            writer.write(data)
            return writer.finish()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path)
    store.objects.create_bucket("bucket")
    yield store
    store.database.close()


def refusal(call: object) -> ServiceError:
    assert callable(call)
    with pytest.raises(ServiceError) as refused:
        call()
    return refused.value


class TestBuckets:
    def test_they_are_made_once(self, store: Store) -> None:
        assert not store.objects.create_bucket("bucket")
        assert store.objects.create_bucket("another")
        assert store.objects.has_bucket("another")
        assert [bucket.name for bucket in store.objects.buckets()] == ["another", "bucket"]

    @pytest.mark.parametrize("name", ["a.b-c", "123", "x" * 63])
    def test_names_that_s3_takes(self, store: Store, name: str) -> None:
        assert store.objects.create_bucket(name)

    @pytest.mark.parametrize(
        "name", ["ab", "x" * 64, "Upper", "under_score", "-a-", "a..b", "127.0.0.1", "a/b", "bü"]
    )
    def test_names_that_s3_refuses(self, store: Store, name: str) -> None:
        assert refusal(lambda: store.objects.create_bucket(name)).code == "InvalidBucketName"

    def test_one_that_is_not_there(self, store: Store, tmp_path: Path) -> None:
        objects = store.objects
        for call in (
            lambda: objects.put_bytes("missing", "key", b""),
            lambda: objects.put_file("missing", "key", tmp_path / "state.db"),
            lambda: objects.put("missing", "key", store.blob(b"data")),
            lambda: objects.open("missing", "key"),
            lambda: objects.copy_out("missing", "key", tmp_path / "out"),
            lambda: objects.list("missing"),
            lambda: objects.page("missing"),
        ):
            error = refusal(call)
            assert (error.code, error.status) == ("NoSuchBucket", 404)
        assert store.files() == []


class TestObjects:
    def test_bytes(self, store: Store) -> None:
        info = store.objects.put_bytes("bucket", "a", b"data", attributes={"ContentType": "a/b"})
        assert (info.size, info.etag) == (4, hashlib.md5(b"data").hexdigest())
        assert store.objects.info("bucket", "a") == info
        assert store.objects.require("bucket", "a").attributes == {"ContentType": "a/b"}
        assert store.read("bucket", "a") == b"data"

    @pytest.mark.parametrize("key", ["a/../b", "/", "//", ".", "ä", "\x00", "a\n", "x" * 1024])
    def test_any_text_is_a_key(self, store: Store, key: str) -> None:
        store.objects.put_bytes("bucket", key, key.encode())
        assert store.read("bucket", key) == key.encode()
        assert [info.key for info in store.objects.list("bucket")] == [key]

    @pytest.mark.parametrize("move", [True, False])
    def test_a_file(self, store: Store, tmp_path: Path, move: bool) -> None:
        source = tmp_path / "source"
        source.write_bytes(b"data")
        store.objects.put_file("bucket", "a", source, move=move)
        assert source.exists() == (not move)
        assert store.read("bucket", "a") == b"data"

    def test_a_file_for_a_missing_bucket_stays(self, store: Store, tmp_path: Path) -> None:
        source = tmp_path / "source"
        source.write_bytes(b"data")
        refusal(lambda: store.objects.put_file("missing", "a", source, move=True))
        assert source.read_bytes() == b"data"

    def test_a_new_one_takes_the_place_of_the_old(self, store: Store) -> None:
        store.objects.put_bytes("bucket", "a", b"old")
        store.objects.put_bytes("bucket", "a", b"new")
        assert store.read("bucket", "a") == b"new"
        assert len(store.files()) == 1

    def test_one_that_is_being_read_may_be_replaced(self, store: Store) -> None:
        store.objects.put_bytes("bucket", "a", b"old")
        _, file = store.objects.open("bucket", "a")
        store.objects.put_bytes("bucket", "a", b"new")
        store.objects.delete("bucket", "a")
        with file:
            assert file.read() == b"old"

    def test_one_that_must_not_replace(self, store: Store) -> None:
        store.objects.put("bucket", "a", store.blob(b"first"), condition=Condition(absent=True))
        second = store.blob(b"second")
        error = refusal(
            lambda: store.objects.put("bucket", "a", second, condition=Condition(absent=True))
        )
        assert (error.code, error.status) == ("PreconditionFailed", 412)
        assert store.read("bucket", "a") == b"first"
        assert len(store.files()) == 1

    def test_a_deleted_one_is_gone(self, store: Store) -> None:
        store.objects.put_bytes("bucket", "a", b"data")
        assert store.objects.delete("bucket", "a")
        assert not store.objects.delete("bucket", "a")
        assert store.objects.info("bucket", "a") is None
        assert store.objects.path("bucket", "a") is None
        assert store.files() == []
        error = refusal(lambda: store.objects.open("bucket", "a"))
        assert (error.code, error.status, error.members) == ("NoSuchKey", 404, {"Key": "a"})

    def test_a_copy_is_no_link(self, store: Store, tmp_path: Path) -> None:
        store.objects.put_bytes("bucket", "a", b"data")
        target = tmp_path / "target"
        target.write_bytes(b"something longer")
        store.objects.copy_out("bucket", "a", target)
        assert target.read_bytes() == b"data"
        with target.open("ab") as file:
            file.write(b" and more")
        assert store.read("bucket", "a") == b"data"
        path = store.objects.path("bucket", "a")
        assert path is not None
        assert path.stat().st_ino != target.stat().st_ino

    def test_a_listing_is_by_bucket_and_prefix(self, store: Store) -> None:
        store.objects.create_bucket("other")
        store.objects.put_bytes("other", "a/0", b"")
        for key in ("b", "a/2", "a/1", "A", "a"):
            store.objects.put_bytes("bucket", key, b"")
        assert [info.key for info in store.objects.list("bucket")] == ["A", "a", "a/1", "a/2", "b"]
        assert [info.key for info in store.objects.list("bucket", "a/")] == ["a/1", "a/2"]
        page = store.objects.page("bucket", delimiter="/", limit=3)
        assert [info.key for info in page.objects] == ["A", "a"]
        assert (page.prefixes, page.last) == (["a/"], "a/")

    def test_readers_and_writers_do_not_disturb_each_other(self, store: Store) -> None:
        store.objects.put_bytes("bucket", "a", b"0" * 1000)
        seen: set[bool] = set()

        def write() -> None:
            for number in range(30):
                store.objects.put_bytes("bucket", "a", str(number % 10).encode() * 1000)

        def read() -> None:
            for _ in range(100):
                data = store.read("bucket", "a")
                seen.add(data == data[:1] * 1000)

        threads = [threading.Thread(target=task) for task in (write, write, read, read)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert seen == {True}
        assert len(store.files()) == 1


class TestRecovery:
    def test_what_nothing_refers_to_is_removed(self, store: Store, tmp_path: Path) -> None:
        store.objects.put_bytes("bucket", "a", b"data")
        # Killed before the row of the one was written, and while the other was.
        store.blob(b"orphan")
        torn = store.objects.writer()
        torn.write(b"torn")
        with closing(Database(tmp_path / "state.db")) as database:
            Objects(database, store.folder).recover()
        torn.close()
        assert len(store.files()) == 1
        assert store.read("bucket", "a") == b"data"

    def test_bytes_that_are_lost_are_an_error_and_no_endless_search(self, store: Store) -> None:
        store.objects.put_bytes("bucket", "a", b"data")
        path = store.objects.path("bucket", "a")
        assert path is not None
        path.unlink()
        with pytest.raises(FileNotFoundError):
            store.objects.open("bucket", "a")
