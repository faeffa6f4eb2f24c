"""What channels consist of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sm_local.home import Home
from sm_local.service.context import Context
from sm_local.service.datasets import Part, contents
from sm_local.service.objects import Objects


@pytest.fixture
def objects(tmp_path: Path) -> Iterator[Objects]:
    context = Context.open(Home(tmp_path / "home").create(), port=1)
    context.objects.create_bucket("data")
    yield context.objects
    context.database.close()


def channel(kind: str, uri: str, **source: Any) -> dict[str, Any]:
    return {
        "ChannelName": "train",
        "DataSource": {"S3DataSource": {"S3DataType": kind, "S3Uri": uri, **source}},
    }


def manifest(objects: Objects, value: object) -> dict[str, Any]:
    text = value if isinstance(value, str) else json.dumps(value)
    objects.put_bytes("data", "manifest", text.encode())
    return channel("ManifestFile", "s3://data/manifest")


def test_a_prefix_is_any_beginning_of_keys(objects: Objects) -> None:
    for key in ("train/b", "train/a", "training", "test"):
        objects.put_bytes("data", key, b"")
    found = contents(objects, channel("S3Prefix", "s3://data/train"))
    assert [part.key for (part,) in found] == ["train/a", "train/b", "training"]
    with pytest.raises(ValueError, match="no objects under s3://data/none"):
        contents(objects, channel("S3Prefix", "s3://data/none"))


def test_a_manifest_names_its_objects_in_its_order(objects: Objects) -> None:
    named = manifest(objects, [{"prefix": "s3://data/p/"}, "b", "a/c"])
    assert contents(objects, named) == [
        (Part("data", "p/b", "p/"),),
        (Part("data", "p/a/c", "p/"),),
    ]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("not JSON", "Expecting value"),
        ([], "must be a JSON list that begins with"),
        (["a"], "must be a JSON list that begins with"),
        ({"prefix": "s3://data/"}, "must be a JSON list that begins with"),
        ([{"prefix": "s3://data/"}, 1], "names 1, which is no text"),
        ([{"prefix": "data/"}, "a"], "'data/' is not an S3 URI"),
        ([{"prefix": "s3://sm-local-environments/"}, "secrets"], "is reserved"),
        ([{"prefix": "s3://data/"}], "no objects"),
    ],
)
def test_manifests_that_are_none(objects: Objects, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        contents(objects, manifest(objects, value))


def test_an_augmented_manifest(objects: Objects) -> None:
    lines = [
        {"image-ref": "s3://data/1.png", "label": 3, "ignored": 0},
        {"label": {"a": [1]}, "image-ref": "s3://other/2.png"},
    ]
    text = "\n\n".join(map(json.dumps, lines))
    objects.put_bytes("data", "augmented", text.encode())
    source = channel(
        "AugmentedManifestFile", "s3://data/augmented", AttributeNames=["image-ref", "label"]
    )
    assert contents(objects, source) == [
        (Part("data", "1.png"), Part(text="3")),
        (Part("other", "2.png"), Part(text='{"a": [1]}')),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"a": 1}', "line 1 of the augmented manifest lacks x-ref"),
        ("[]", "lacks x-ref"),
        ('{"x-ref": 1}', "x-ref is 1; it must be an S3 URI"),
        ('{"x-ref": "x"}', "'x' is not an S3 URI"),
        ("{", "Expecting"),
    ],
)
def test_augmented_manifests_that_are_none(objects: Objects, line: str, message: str) -> None:
    objects.put_bytes("data", "augmented", line.encode())
    source = channel("AugmentedManifestFile", "s3://data/augmented", AttributeNames=["x-ref"])
    with pytest.raises(ValueError, match=message):
        contents(objects, source)
