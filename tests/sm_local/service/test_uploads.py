"""Uploads in parts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from sm_local.service.blobs import Blob
from sm_local.service.conditions import Condition
from sm_local.service.database import Database
from sm_local.service.errors import ServiceError
from sm_local.service.objects import Objects
from sm_local.service.uploads import MIN_PART_SIZE, Uploads

PART = b"p" * MIN_PART_SIZE


class Store:
    """Uploads to one key of one bucket."""

    def __init__(self, folder: Path) -> None:
        self.database = Database(folder / "state.db")
        self.folder = folder / "blobs"
        self.objects = Objects(self.database, self.folder)
        self.objects.create_bucket("bucket")
        self.uploads = Uploads(self.database, self.objects)

    def files(self) -> list[Path]:
        return [path for path in self.folder.rglob("*") if path.is_file()]

    def create(self) -> str:
        return self.uploads.create("bucket", "key", {"ContentType": "a/b"})

    def put(self, upload: str, number: int, data: bytes) -> tuple[int, str]:
        blob = self.blob(data)
        self.uploads.put_part("bucket", "key", upload, number=number, blob=blob)
        return number, blob.md5

    def blob(self, data: bytes) -> Blob:
        with closing(self.objects.writer()) as writer:
            writer.write(data)
            return writer.finish()

    def complete(self, upload: str, *wanted: tuple[int, str], absent: bool = False) -> str:
        return self.uploads.complete(
            "bucket", "key", upload, wanted=wanted, condition=Condition(absent=absent)
        ).etag

    def refusal(self, upload: str, *wanted: tuple[int, str]) -> ServiceError:
        with pytest.raises(ServiceError) as refused:
            self.complete(upload, *wanted)
        return refused.value


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path)
    yield store
    store.database.close()


def test_parts_become_an_object(store: Store) -> None:
    upload = store.create()
    second = store.put(upload, 2, b"end")
    first = store.put(upload, 1, PART)
    assert store.objects.info("bucket", "key") is None
    etag = store.complete(upload, first, second)
    digests = hashlib.md5(PART).digest() + hashlib.md5(b"end").digest()
    assert etag == f"{hashlib.md5(digests).hexdigest()}-2"
    info, file = store.objects.open("bucket", "key")
    with file:
        assert file.read() == PART + b"end"
    assert (info.size, info.etag) == (len(PART) + 3, etag)
    assert info.attributes == {"ContentType": "a/b"}
    assert len(store.files()) == 1


def test_a_part_may_come_again(store: Store) -> None:
    upload = store.create()
    store.put(upload, 1, b"wrong")
    right = store.put(upload, 1, b"right")
    assert len(store.files()) == 1
    store.complete(upload, right)
    info = store.objects.require("bucket", "key")
    assert info.size == 5


def test_parts_that_are_not_named_are_dropped(store: Store) -> None:
    upload = store.create()
    store.put(upload, 1, b"dropped")
    store.complete(upload, store.put(upload, 7, b"kept"))
    assert store.objects.require("bucket", "key").size == 4
    assert len(store.files()) == 1


def test_who_asks_again_is_told_again(store: Store) -> None:
    upload = store.create()
    part = store.put(upload, 1, b"data")
    assert store.complete(upload, part) == store.complete(upload, part)


def test_who_asks_twice_at_once_gets_one_object(store: Store) -> None:
    upload = store.create()
    parts = [store.put(upload, 1, PART), store.put(upload, 2, PART)]
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(store.complete, upload, *parts) for _ in range(4)]
    assert len({future.result() for future in asked}) == 1
    assert len(store.files()) == 1


def test_an_aborted_one_leaves_nothing(store: Store) -> None:
    upload = store.create()
    part = store.put(upload, 1, b"data")
    store.uploads.abort("bucket", "key", upload)
    assert store.files() == []
    assert store.refusal(upload, part).code == "NoSuchUpload"
    with pytest.raises(ServiceError, match="NoSuchUpload"):
        store.put(upload, 2, b"late")
    assert store.files() == []


def test_parts_outlive_the_service(store: Store, tmp_path: Path) -> None:
    upload = store.create()
    part = store.put(upload, 1, b"data")
    successor = Store(tmp_path)
    with closing(successor.database):
        successor.objects.recover()
        successor.complete(upload, part)
        assert successor.objects.require("bucket", "key").size == 4


def test_an_upload_belongs_to_its_key(store: Store) -> None:
    upload = store.create()
    with pytest.raises(ServiceError, match="NoSuchUpload"):
        store.uploads.require("bucket", "other", upload)


def test_bad_lists_of_parts(store: Store) -> None:
    upload = store.create()
    small = store.put(upload, 1, b"small")
    last = store.put(upload, 2, b"last")
    assert store.refusal(upload).code == "MalformedXML"
    assert store.refusal(upload, last, small).code == "InvalidPartOrder"
    assert store.refusal(upload, small, small).code == "InvalidPartOrder"
    assert store.refusal(upload, (1, last[1])).code == "InvalidPart"
    assert store.refusal(upload, (1, "no hexadecimal")).code == "InvalidPart"
    assert store.refusal(upload, (9, last[1])).code == "InvalidPart"
    too_small = store.refusal(upload, small, last)
    assert too_small.code == "EntityTooSmall"
    assert too_small.members == {"ProposedSize": 5, "MinSizeAllowed": 5 << 20, "PartNumber": 1}
    # None of them did any harm.
    store.complete(upload, small)


def test_one_that_must_not_replace(store: Store) -> None:
    store.objects.put_bytes("bucket", "key", b"first")
    upload = store.create()
    part = store.put(upload, 1, b"second")
    with pytest.raises(ServiceError, match="PreconditionFailed"):
        store.complete(upload, part, absent=True)
    assert store.objects.require("bucket", "key").size == 5
    assert len(store.files()) == 2


def test_a_missing_bucket(store: Store) -> None:
    with pytest.raises(ServiceError, match="NoSuchBucket"):
        store.uploads.create("missing", "key", {})
