"""Checkpoints of a job in S3, with the real TensorFlow and the local service's S3."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.sm_tensorflow.container.jobs import LINEAR, TRAIN, container_of, exported, wait_for

pytestmark = [pytest.mark.integ, pytest.mark.timeout(600)]

URI = "s3://bucket/job/checkpoints"


def latest(bucket: Any) -> int:
    """Step of the checkpoint that S3 names as the latest; 0 if it names none."""
    objects = {entry.key.rpartition("/")[2]: entry for entry in bucket.objects.all()}
    if "checkpoint" not in objects:
        return 0
    text = objects["checkpoint"].get()["Body"].read().decode()
    found = re.search(r'model_checkpoint_path: "model\.ckpt-(\d+)"', text)
    return int(found[1]) if found else 0


def test_a_killed_job_is_continued(
    tmp_path: Path, tensorflow_python: str, local_session: Any
) -> None:
    boto_session = local_session.boto_session
    bucket = boto_session.resource("s3").Bucket("bucket")
    bucket.create()
    keys = boto_session.get_credentials().get_frozen_credentials()
    variables = {
        "AWS_ACCESS_KEY_ID": keys.access_key,
        "AWS_SECRET_ACCESS_KEY": keys.secret_key,
        "AWS_DEFAULT_REGION": boto_session.region_name,
        "AWS_ENDPOINT_URL": bucket.meta.client.meta.endpoint_url,
    }
    job = {**TRAIN, "checkpoint_path": URI, "save_checkpoints_secs": 1}
    killed = container_of(tmp_path / "killed", tensorflow_python, LINEAR)
    with killed.training(
        hyperparameters={**job, "training_steps": None}, variables=variables
    ) as process:
        wait_for(lambda: latest(bucket) > 0)
        os.killpg(process.pid, signal.SIGKILL)
        killed.ended(process)
        # What copies the checkpoints copies the last ones when the training has gone.
        wait_for(lambda: killed.processes() == [])
    step = latest(bucket)
    again = container_of(tmp_path / "again", tensorflow_python, LINEAR)
    ended = again.train(hyperparameters={**job, "training_steps": step + 5}, variables=variables)
    assert ended.exit_code == 0, ended.log
    assert f"training goes on from model.ckpt-{step} of {URI}" in ended.log
    assert f"Restoring parameters from {again.base}/checkpoints/model.ckpt-{step}" in ended.log
    assert latest(bucket) == step + 5
    exported(again)
    assert not list((again.base / "model").glob("model.ckpt*"))
