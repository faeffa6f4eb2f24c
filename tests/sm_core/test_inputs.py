"""Channels, from what a user hands to ``fit``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sm_core.errors import InputError
from sm_core.inputs import Inputs, TrainingInput, channels, split_s3_uri
from sm_core.requests import to_aws


def shaped(inputs: Inputs, uploaded: dict[str, Path] | None = None) -> list[dict[str, Any]] | None:
    """The channels as they would be sent; uploads are noted by channel."""

    def upload(path: Path, channel: str) -> str:
        assert uploaded is not None, "nothing was to be uploaded"
        uploaded[channel] = path
        return f"s3://up/{channel}"

    made = channels(inputs, default_channel="training", upload=upload)
    return None if made is None else [to_aws(channel) for channel in made]


def s3(uri: str, **others: Any) -> dict[str, Any]:
    source = {
        "S3Uri": uri,
        "S3DataType": "S3Prefix",
        "S3DataDistributionType": "FullyReplicated",
    }
    return {"S3DataSource": {**source, **others}}


def test_one_uri_feeds_the_default_channel() -> None:
    assert shaped("s3://b/p") == [{"ChannelName": "training", "DataSource": s3("s3://b/p")}]


def test_a_dict_names_the_channels() -> None:
    made = shaped({"train": "s3://b/t", "eval-1.x_y": TrainingInput("s3://b/e")})
    assert made is not None
    assert [channel["ChannelName"] for channel in made] == ["train", "eval-1.x_y"]


def test_a_job_may_have_no_input() -> None:
    assert shaped(None) is None


def test_everything_that_can_be_said_about_a_channel_is_sent() -> None:
    data = TrainingInput(
        "s3://b/manifest",
        distribution="ShardedByS3Key",
        content_type="text/csv",
        compression="Gzip",
        record_wrapping="RecordIO",
        s3_data_type="AugmentedManifestFile",
        input_mode="Pipe",
        shuffle_seed=0,
        attribute_names=["image", "label"],
    )
    assert shaped(data) == [
        {
            "ChannelName": "training",
            "DataSource": s3(
                "s3://b/manifest",
                S3DataType="AugmentedManifestFile",
                S3DataDistributionType="ShardedByS3Key",
                AttributeNames=["image", "label"],
            ),
            "ContentType": "text/csv",
            "CompressionType": "Gzip",
            "RecordWrapperType": "RecordIO",
            "InputMode": "Pipe",
            "ShuffleConfig": {"Seed": 0},
        }
    ]


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("data.csv", "{uri}"),
        ("data.csv", "file://{path}"),
        ("data.csv", "file:{path}"),
        ("with space.csv", "{uri}"),
        ("with space.csv", "file://{path}"),
        ("hash#tag?.csv", "{uri}"),
        ("hash#tag?.csv", "file://{path}"),
        ("ümlaut.csv", "{uri}"),
    ],
)
def test_local_data_is_uploaded(tmp_path: Path, name: str, form: str) -> None:
    path = tmp_path / name
    path.write_text("1,2")
    uploaded: dict[str, Path] = {}
    made = shaped({"c": form.format(uri=path.as_uri(), path=path)}, uploaded)
    assert made == [{"ChannelName": "c", "DataSource": s3("s3://up/c")}]
    assert uploaded == {"c": path}


@pytest.mark.parametrize("uri", ["file://data", "file://./data", "file://~/data"])
def test_relative_file_uris_are_taken_as_they_are_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x").write_text("x")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    uploaded: dict[str, Path] = {}
    shaped(TrainingInput(uri), uploaded)
    assert uploaded["training"].resolve() == tmp_path / "data"


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ("s3://", "channel 'training': 's3://' names no bucket; give 's3://bucket/prefix', or"),
        ("s3:///key", "names no bucket"),
        ("https://b/p", "'https://b/p' is neither an S3 nor a file URI"),
        ("", "'' is neither an S3 nor a file URI"),
        ("file://", "'file://' names no path"),
        ("file:///no/such/path", "/no/such/path does not exist"),
        ("no-such-file.csv", "'no-such-file.csv' is neither"),
        (3, "channel 'training': a int is no data"),
        ({"train": Path("x")}, "channel 'train': a PosixPath is no data"),
        ({"train": TrainingInput(3)}, "channel 'train': a int is no URI"),  # type: ignore[arg-type]  # a mistake
        ({}, "inputs is an empty dict"),
        ({"bad name": "s3://b"}, "channel 'bad name': a channel's name has 1 to 64 letters"),
        ({"n" * 65: "s3://b"}, "a channel's name has"),
        ({f"c{i}": "s3://b" for i in range(21)}, "21 channels are given, SageMaker takes 20"),
    ],
)
def test_wrong_input_is_named_with_its_channel(inputs: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        shaped(inputs, {})
    assert message in str(caught.value)


def test_a_local_path_is_told_from_a_uri(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        shaped({"train": str(tmp_path)})
    assert f"is a local path; give it as {tmp_path.as_uri()!r}, or upload it" in str(caught.value)


def test_a_folder_without_a_file_is_no_data(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"channel 'training': .* holds no file"):
        shaped(tmp_path.as_uri(), {})


@given(st.text())
def test_any_text_gives_a_channel_or_an_input_error(text: str) -> None:
    try:
        made = shaped(text, {})
    except InputError:
        assert split_s3_uri(text) is None
    else:
        assert made is not None


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("distribution", "Sharded"),
        ("compression", "gzip"),
        ("record_wrapping", "recordio"),
        ("s3_data_type", "Prefix"),
        ("input_mode", "pipe"),
    ],
)
def test_a_value_that_sagemaker_does_not_know_names_those_it_knows(option: str, value: str) -> None:
    with pytest.raises(InputError, match=rf"TrainingInput: {option} is '{value}'; it must be one"):
        TrainingInput("s3://b/p", **{option: value})  # type: ignore[arg-type]  # a mistake


@given(st.from_regex(r"s3://[^/]+(/.*)?", fullmatch=True))
def test_s3_uris_split_into_bucket_and_key(uri: str) -> None:
    parts = split_s3_uri(uri)
    assert parts is not None
    bucket, key = parts
    assert uri in (f"s3://{bucket}", f"s3://{bucket}/{key}")
    assert "/" not in bucket


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"shuffle_seed": 1.5}, "shuffle_seed is 1.5; it must be a whole number"),
        ({"shuffle_seed": True}, "shuffle_seed is True"),
        ({"content_type": "x" * 257}, "content_type has 257 characters, not 256"),
        ({"attribute_names": ["a"]}, "attribute_names are those of an augmented manifest"),
        ({"s3_data_type": "AugmentedManifestFile"}, "needs attribute_names, 1 to 16 of them"),
        (
            {"s3_data_type": "AugmentedManifestFile", "attribute_names": ["a"] * 17},
            "needs attribute_names, 1 to 16 of them",
        ),
        (
            {
                "s3_data_type": "AugmentedManifestFile",
                "attribute_names": "a",
                "input_mode": "File",
            },
            "comes in Pipe mode only, not in File mode",
        ),
    ],
)
def test_values_that_do_not_go_together(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"^TrainingInput: .*{re.escape(message)}"):
        TrainingInput("s3://b/p", **given)


def test_an_augmented_manifest() -> None:
    data = TrainingInput(
        "s3://b/m.jsonl", s3_data_type="AugmentedManifestFile", attribute_names=["image-ref", "l"]
    )
    assert data.attribute_names == ("image-ref", "l")
