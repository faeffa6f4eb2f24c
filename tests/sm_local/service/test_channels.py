"""Objects of S3 as files of a channel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sm_local.home import Home
from sm_local.service.channels import DownloadError, download, relative_path, stage
from sm_local.service.context import Context
from sm_local.service.objects import Objects


@pytest.fixture
def objects(tmp_path: Path) -> Iterator[Objects]:
    context = Context.open(Home(tmp_path / "home").create(), port=1)
    context.objects.create_bucket("data")
    yield context.objects
    context.database.close()


def channel(uri: str) -> dict[str, Any]:
    return {
        "ChannelName": "train",
        "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}},
    }


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    ("key", "prefix", "path"),
    [
        ("digits/a/b.csv", "digits", "a/b.csv"),
        ("digits/a/b.csv", "digits/", "a/b.csv"),
        ("digits/train.csv", "digits/train.csv", "train.csv"),
        ("digits/train/a.csv", "digits/tr", "train/a.csv"),
        ("digits2/a.csv", "digits", "digits2/a.csv"),
        ("a/b.csv", "", "a/b.csv"),
        ("a//b.csv", "a/", "b.csv"),
        ("p/./b.csv", "p", "b.csv"),
        ("p/", "p/", "."),
    ],
)
def test_relative_path(key: str, prefix: str, path: str) -> None:
    assert relative_path(key, prefix) == PurePosixPath(path)


@pytest.mark.parametrize("key", ["p/../x", "p/../../x", "../x", "p/a/..", "p/\0"])
def test_a_key_never_leaves_its_folder(key: str) -> None:
    prefix = "p/" if key.startswith("p") else ""
    with pytest.raises(DownloadError, match="no path below"):
        relative_path(key, prefix)


@given(
    st.text(alphabet=st.sampled_from("a./\\~"), min_size=1, max_size=12),
    st.integers(0, 12),
)
def test_paths_are_relative_and_without_parents(key: str, length: int) -> None:
    try:
        path = relative_path(key, key[:length])
    except DownloadError:
        return
    assert not path.is_absolute()
    assert ".." not in path.parts


def test_download_keeps_the_paths_below_the_prefix(objects: Objects, tmp_path: Path) -> None:
    for key in ("digits/train/a.csv", "digits/train/b/c.csv", "digits/test/d.csv"):
        objects.put_bytes("data", key, key.encode())
    objects.put_bytes("data", "digits/train/empty/", b"")
    folder = tmp_path / "input" / "train"
    assert download(objects, channel("s3://data/digits/train"), folder=folder) == 3
    assert files(folder) == {"a.csv": b"digits/train/a.csv", "b/c.csv": b"digits/train/b/c.csv"}
    assert (folder / "empty").is_dir()


def test_what_a_job_writes_does_not_change_the_object(objects: Objects, tmp_path: Path) -> None:
    objects.put_bytes("data", "a.csv", b"1")
    download(objects, channel("s3://data/a.csv"), folder=tmp_path / "in")
    (tmp_path / "in" / "a.csv").write_bytes(b"2")
    stored = objects.path("data", "a.csv")
    assert stored is not None
    assert stored.read_bytes() == b"1"


@pytest.mark.parametrize(
    ("keys", "uri", "match"),
    [
        ([], "s3://data/none", "no objects under s3://data/none"),
        ([], "s3://nobucket/x", "s3://nobucket/x: The specified bucket does not exist"),
        (["a", "a/b"], "s3://data/", "a"),
        (["a/b", "a//b"], "s3://data/a", "another object has the file name"),
        (["p/../../x"], "s3://data/p", "no path below"),
    ],
)
def test_what_cannot_be_files(
    objects: Objects, tmp_path: Path, keys: list[str], uri: str, match: str
) -> None:
    for key in keys:
        objects.put_bytes("data", key, b"x")
    with pytest.raises(DownloadError, match=match):
        download(objects, channel(uri), folder=tmp_path / "in" / "train")
    assert not (tmp_path / "x").exists()


def sharded(uri: str, **changes: Any) -> dict[str, Any]:
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": uri,
        "S3DataDistributionType": "ShardedByS3Key",
    }
    return {"ChannelName": "train", "DataSource": {"S3DataSource": source}, **changes}


@given(count=st.integers(1, 9), hosts=st.integers(1, 5), seed=st.none() | st.integers(0, 9))
def test_shards_are_even_and_complete(
    tmp_path_factory: pytest.TempPathFactory, count: int, hosts: int, seed: int | None
) -> None:
    root = tmp_path_factory.mktemp("shards")
    context = Context.open(Home(root / "home").create(), port=1)
    context.objects.create_bucket("data")
    for number in range(count):
        context.objects.put_bytes("data", f"p/{number}", b"")
    asked = sharded("s3://data/p/", **({} if seed is None else {"ShuffleConfig": {"Seed": seed}}))
    shards = []
    for host in range(hosts):
        folder = root / f"host-{host}"
        written = download(context.objects, asked, folder=folder, host=host, hosts=hosts)
        shards.append(files(folder))
        assert len(shards[-1]) == written
    context.database.close()
    names = [name for shard in shards for name in shard]
    assert sorted(names) == [str(number) for number in range(count)]
    sizes = [len(shard) for shard in shards]
    assert max(sizes) - min(sizes) <= 1


def test_a_file_of_a_channel_is_no_link(objects: Objects, tmp_path: Path) -> None:
    objects.put_bytes("data", "p/a", b"before")
    download(objects, channel("s3://data/p"), folder=tmp_path / "train")
    (tmp_path / "train" / "a").write_bytes(b"after!")
    _, stored = objects.open("data", "p/a")
    with stored:
        assert stored.read() == b"before"


def test_each_object_is_staged_once(objects: Objects, tmp_path: Path) -> None:
    objects.put_bytes("data", "p/a", b"1")
    objects.put_bytes("data", "p/dir/", b"")
    manifest = b'[{"prefix": "s3://data/p/"}, "a", "a", "dir/"]'
    objects.put_bytes("data", "manifest", manifest)
    asked = channel("s3://data/manifest")
    asked["DataSource"]["S3DataSource"]["S3DataType"] = "ManifestFile"
    stream = stage(objects, asked, folder=tmp_path / "pipe")
    assert files(tmp_path / "pipe") == {"00000000": b"1"}
    first, second = stream["groups"]
    assert first == second == [{"file": str(tmp_path / "pipe" / "00000000")}]


def test_gzip_that_is_none(objects: Objects, tmp_path: Path) -> None:
    objects.put_bytes("data", "p/a", b"plain")
    asked = {**channel("s3://data/p"), "CompressionType": "Gzip"}
    with pytest.raises(DownloadError, match="s3://data/p: p/a is not compressed with gzip"):
        stage(objects, asked, folder=tmp_path / "pipe")
