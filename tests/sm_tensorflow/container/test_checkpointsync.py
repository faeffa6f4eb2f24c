"""Checkpoints in S3, against moto's."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from sm_core.container import s3
from sm_core.container.errors import ContainerError
from sm_tensorflow.container import checkpointsync

# Its first use makes moto import all that it has, which a busy machine takes a minute for.
pytestmark = pytest.mark.timeout(300)

URI = "s3://bucket/job/checkpoints"
STATE = (
    'model_checkpoint_path: "{0}"\n'
    'all_model_checkpoint_paths: "{1}"\n'
    'all_model_checkpoint_paths: "{0}"\n'
)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        found = boto3.resource("s3").Bucket("bucket")
        found.create()
        yield found


def put(bucket: Any, **objects: str) -> None:
    for name, text in objects.items():
        bucket.put_object(Key=f"job/checkpoints/{name}", Body=text.encode())


def names(bucket: Any) -> set[str]:
    return {entry.key.removeprefix("job/checkpoints/") for entry in bucket.objects.all()}


def files(*checkpoints: str) -> dict[str, str]:
    ends = ("index", "meta", "data-00000-of-00001")
    return {f"{name}.{end}": f"{name} {end}" for name in checkpoints for end in ends}


def test_what_the_state_names_is_restored(bucket: Any, tmp_path: Path) -> None:
    text = STATE.format("/opt/ml/other/model.ckpt-2", "model.ckpt-1")
    others = {"events.out.tfevents.1": "", "model.ckpt-20.index": "", "eval/model.ckpt-2.x": ""}
    put(bucket, checkpoint=text, **files("model.ckpt-1", "model.ckpt-2"), **others)
    checkpointsync.restore(URI, tmp_path)
    present = {path.name: path.read_text("utf-8") for path in tmp_path.iterdir()}
    assert present.pop("checkpoint") == STATE.format("model.ckpt-2", "model.ckpt-1")
    assert present == files("model.ckpt-1", "model.ckpt-2")


def test_without_checkpoints_nothing_is_restored(bucket: Any, tmp_path: Path) -> None:
    put(bucket, other="")
    checkpointsync.restore(URI, tmp_path)
    assert not any(tmp_path.iterdir())


def test_what_the_platform_restored_is_kept(bucket: Any, tmp_path: Path) -> None:
    put(bucket, checkpoint="damaged")
    (tmp_path / "checkpoint").write_text("own", encoding="utf-8")
    checkpointsync.restore(URI, tmp_path)
    assert (tmp_path / "checkpoint").read_text("utf-8") == "own"


@pytest.mark.parametrize(
    ("state", "without", "reason"),
    [
        ("\x00rubbish", "", "checkpoint is damaged: it names no checkpoint. Remove it to train"),
        (STATE.format("model.ckpt-9", "model.ckpt-2"), "", "lacks files of the checkpoint model.c"),
        (STATE.format("model.ckpt-2", "model.ckpt-1"), "data-00000-of-00001", "lacks files of"),
    ],
)
def test_what_is_damaged_is_named(
    bucket: Any, tmp_path: Path, state: str, without: str, reason: str
) -> None:
    put(bucket, checkpoint=state, **files("model.ckpt-2"))
    if without:
        bucket.Object(f"job/checkpoints/model.ckpt-2.{without}").delete()
    with pytest.raises(ContainerError, match=reason):
        checkpointsync.restore(URI, tmp_path)


def test_a_folder_s_latest_checkpoint_must_be_whole(tmp_path: Path) -> None:
    checkpointsync.check_restorable(tmp_path / "missing")
    write(tmp_path, checkpoint=STATE.format("model.ckpt-2", "model.ckpt-1"))
    # What is gone of the older ones does no harm.
    write(tmp_path, **files("model.ckpt-2"))
    checkpointsync.check_restorable(tmp_path)
    (tmp_path / "model.ckpt-2.index").unlink()
    with pytest.raises(ContainerError, match=r"lacks files of the checkpoint model\.ckpt-2"):
        checkpointsync.check_restorable(tmp_path)
    write(tmp_path, checkpoint="\x00rubbish")
    with pytest.raises(ContainerError, match="checkpoint is damaged: it names no checkpoint"):
        checkpointsync.check_restorable(tmp_path)


def test_a_bucket_that_is_not_there_is_named(bucket: Any, tmp_path: Path) -> None:
    with pytest.raises(ContainerError, match=r"cannot list s3://no-such-bucket/x: .*NoSuchBucket"):
        checkpointsync.restore("s3://no-such-bucket/x", tmp_path)


def run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, there: Mapping[str, Sequence[int]] | None = None
) -> None:
    """One run of the process beside the training, whose input is closed already."""
    with Path("/dev/null").open(encoding="utf-8") as closed:
        monkeypatch.setattr(sys, "stdin", closed)
        checkpointsync.run({"folder": str(folder), "uri": URI, "region": "", "there": there or {}})


def write(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def test_what_is_written_is_copied(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = STATE.format("model.ckpt-2", "model.ckpt-1")
    write(tmp_path, checkpoint=state, **files("model.ckpt-1", "model.ckpt-2"))
    write(tmp_path, **{"eval/events.out.tfevents.1": "x", "model.ckpt-3.data.tempstate9": "half"})
    run(tmp_path, monkeypatch)
    expected = {"checkpoint", "eval/events.out.tfevents.1", *files("model.ckpt-1", "model.ckpt-2")}
    assert names(bucket) == expected
    stream = io.BytesIO()
    bucket.download_fileobj("job/checkpoints/checkpoint", stream)
    assert stream.getvalue().decode() == state


def test_the_state_is_copied_last(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, checkpoint=STATE.format("model.ckpt-1", "model.ckpt-1"))
    write(tmp_path, **files("model.ckpt-1"))

    def fails(path: Path, uri: str, *, region: str = "") -> None:
        raise ContainerError(f"cannot upload {path}")

    monkeypatch.setattr(s3, "upload", fails)
    run(tmp_path, monkeypatch)
    assert "checkpoint" not in names(bucket)


def test_what_is_removed_here_is_removed_there_if_it_came_from_here(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(bucket, checkpoint=STATE.format("model.ckpt-1", "model.ckpt-1"), foreign="kept")
    put(bucket, **files("model.ckpt-1"))
    there = checkpointsync.restore(URI, tmp_path)
    assert set(there) == {"checkpoint", *files("model.ckpt-1")}
    for name in files("model.ckpt-1"):
        (tmp_path / name).unlink()
    write(tmp_path, checkpoint=STATE.format("model.ckpt-2", "model.ckpt-2"))
    write(tmp_path, **files("model.ckpt-2"))
    run(tmp_path, monkeypatch, there=dict.fromkeys(there, (0, 0)))
    assert names(bucket) == {"checkpoint", "foreign", *files("model.ckpt-2")}
