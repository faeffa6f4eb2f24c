"""What reaches a job of its data, by files and by pipes."""

from __future__ import annotations

import gzip
import json
import os
import signal
from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.integ

PIPE = {"TrainingImage": "test", "TrainingInputMode": "Pipe"}


def channel(uri: str, name: str = "train", source: Any = (), **changes: Any) -> dict[str, Any]:
    described = {"S3DataType": "S3Prefix", "S3Uri": uri, **dict(source)}
    return {"ChannelName": name, "DataSource": {"S3DataSource": described}, **changes}


def resources(count: int) -> dict[str, Any]:
    return {"InstanceType": "ml.c4.xlarge", "InstanceCount": count, "VolumeSizeInGB": 1}


def trained(service: Any, name: str, mode: str, **changes: Any) -> dict[str, bytes]:
    service.train(name, mode, **changes)
    description = service.ended(name)
    reason = description.get("FailureReason")
    assert description["TrainingJobStatus"] == "Completed", (reason, service.log(name))
    files: dict[str, bytes] = service.archive(f"out/{name}/output/model.tar.gz")
    return files


def test_files_by_a_manifest_sharded_over_hosts(shared: Any) -> None:
    manifest = json.dumps([{"prefix": "s3://data/parts/"}, "a.csv", "b.csv", "sub/c.csv"])
    shared.upload(
        {"parts/a.csv": "a", "parts/b.csv": "b", "parts/sub/c.csv": "c", "parts/d.csv": "d"}
    )
    shared.upload({"lists/manifest": manifest})
    source = {"S3DataType": "ManifestFile", "S3DataDistributionType": "ShardedByS3Key"}
    trained(
        shared,
        "by-manifest",
        "hosts",
        InputDataConfig=[channel("s3://data/lists/manifest", source=source)],
        ResourceConfig=resources(2),
    )
    files = shared.archive("out/by-manifest/output/model.tar.gz")
    assert json.loads(files["listing.json"]) == {"train/a.csv": "a", "train/sub/c.csv": "c"}


def test_fast_files_are_files(shared: Any) -> None:
    shared.upload({"fast/a.csv": "a"})
    image = {"TrainingImage": "test", "TrainingInputMode": "FastFile"}
    files = trained(
        shared,
        "fast",
        "complete",
        AlgorithmSpecification=image,
        InputDataConfig=[channel("s3://data/fast/")],
    )
    assert json.loads(files["listing.json"]) == {"train/a.csv": "a"}


def test_pipes_have_an_epoch_for_each_reading(shared: Any) -> None:
    large = b"x" * 300_000
    shared.upload({"piped/a": b"1,", "piped/b": large, "zipped/a": gzip.compress(b"plain")})
    files = trained(
        shared,
        "piped",
        "pipes plain early zipped wrapped",
        AlgorithmSpecification=PIPE,
        InputDataConfig=[
            channel("s3://data/piped/", "plain"),
            channel("s3://data/piped/", "early"),
            channel("s3://data/zipped/", "zipped", CompressionType="Gzip"),
            channel("s3://data/zipped/", "wrapped", RecordWrapperType="RecordIO"),
        ],
    )
    assert files["algo-1-plain-0"] == files["algo-1-plain-1"] == b"1," + large
    assert files["algo-1-early-0"] == b"1,xxxxxxxx"
    assert files["algo-1-early-1"] == b"1," + large
    assert files["algo-1-zipped-1"] == b"plain"
    record = gzip.compress(b"plain")
    size = len(files["algo-1-wrapped-0"])
    assert files["algo-1-wrapped-0"][:4] == (0xCED7230A).to_bytes(4, "little")
    assert int.from_bytes(files["algo-1-wrapped-0"][4:8], "little") == len(record)
    assert size == 8 + len(record) + -len(record) % 4


def test_an_augmented_manifest_is_streamed_as_records(shared: Any) -> None:
    lines = [{"image-ref": f"s3://data/images/{n}", "label": n, "more": "x"} for n in (7, 8)]
    shared.upload({"images/7": "seven", "images/8": "eight"})
    shared.upload({"augmented": "\n".join(map(json.dumps, lines))})
    source = {"S3DataType": "AugmentedManifestFile", "AttributeNames": ["image-ref", "label"]}
    files = trained(
        shared,
        "augmented",
        "pipes train",
        InputDataConfig=[
            channel("s3://data/augmented", source=source, InputMode="Pipe"),
        ],
    )
    assert files["algo-1-train-0"] == b"seven7eight8"


def test_pipes_are_shuffled_anew_each_epoch_over_all_hosts(shared: Any) -> None:
    letters = "abcdefghijklmnop"
    shared.upload({f"letters/{letter}": letter for letter in letters})
    files = trained(
        shared,
        "shuffled",
        "pipes train",
        AlgorithmSpecification=PIPE,
        InputDataConfig=[
            channel(
                "s3://data/letters/",
                source={"S3DataDistributionType": "ShardedByS3Key"},
                ShuffleConfig={"Seed": 3},
            )
        ],
        ResourceConfig=resources(2),
    )
    for epoch in range(2):
        parts = [files[f"algo-{host}-train-{epoch}"].decode() for host in (1, 2)]
        assert sorted("".join(parts)) == list(letters)
        assert [len(part) for part in parts] == [8, 8]
    assert set(files["algo-1-train-0"]) != set(files["algo-1-train-1"])


def test_a_feeder_that_dies_fails_the_job(shared: Any) -> None:
    shared.upload({"piped/a": b"1,"})
    shared.train(
        "starved",
        "wait",
        AlgorithmSpecification=PIPE,
        InputDataConfig=[channel("s3://data/piped/")],
    )
    shared.until(lambda: "waiting" in shared.log("starved"))
    (events,) = shared.home.jobs.glob("starved-*/events.jsonl")
    started = [json.loads(line) for line in events.read_text().splitlines()]
    os.kill(next(each["pid"] for each in started if each.get("host") == "feeder"), signal.SIGKILL)
    reason = shared.ended("starved")["FailureReason"]
    assert reason.startswith("InternalServerError: the feeder of the job ended before it did")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"CompressionType": "Gzip"}, "channel train: CompressionType Gzip is for .* Pipe only"),
        ({"RecordWrapperType": "RecordIO"}, "RecordWrapperType RecordIO is for .* Pipe only"),
        (
            {"source": {"S3DataType": "AugmentedManifestFile"}},
            "AttributeNames must name what of the manifest is streamed",
        ),
        (
            {"source": {"S3DataType": "AugmentedManifestFile", "AttributeNames": ["a"]}},
            "S3DataType AugmentedManifestFile is for the input mode Pipe only",
        ),
        ({"source": {"AttributeNames": ["a"]}}, "AttributeNames are for S3DataType Augmented"),
        ({"source": {"S3DataType": "ManifestFile"}}, "No S3 objects found under S3 URL"),
    ],
)
def test_channels_that_are_refused(shared: Any, changes: Any, message: str) -> None:
    shared.upload({"piped/a": b"1,"})
    with pytest.raises(ClientError, match=message):
        shared.train("refused", InputDataConfig=[channel("s3://data/piped/", **changes)])
