"""Checkpoints and metrics of training jobs."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
from typing import Any

import pytest

pytestmark = pytest.mark.integ


def stored(service: Any, key: str) -> str | None:
    try:
        answer = service.client("s3").get_object(Bucket="models", Key=key)
    except service.client("s3").exceptions.NoSuchKey:
        return None
    body: bytes = answer["Body"].read()
    return body.decode()


def train(service: Any, name: str, folder: str = "checkpoints", **changes: Any) -> None:
    config = {"S3Uri": "s3://models/kept", "LocalPath": f"/opt/ml/{folder}", **changes}
    service.train(name, f"checkpoint {folder}", CheckpointConfig=config)


@pytest.fixture
def kept(shared: Any) -> str:
    """The key of the checkpoint; there is none."""
    shared.client("s3").delete_object(Bucket="models", Key="kept/step")
    return "kept/step"


def test_they_are_in_s3_while_the_job_runs_and_there_for_the_next_one(
    shared: Any, kept: str
) -> None:
    train(shared, "checkpoints-1")
    shared.until(lambda: stored(shared, kept) == "1")
    assert shared.describe("checkpoints-1")["TrainingJobStatus"] == "InProgress"
    (shared.folder / "checkpoints-1.go").touch()
    assert shared.ended("checkpoints-1")["TrainingJobStatus"] == "Completed"
    # Elsewhere below /opt/ml; and this time nobody waits until they are saved.
    (shared.folder / "checkpoints-2.go").touch()
    train(shared, "checkpoints-2", "my/own")
    description = shared.ended("checkpoints-2")
    assert description["CheckpointConfig"]["LocalPath"] == "/opt/ml/my/own"
    assert stored(shared, kept) == "2"


def test_they_are_saved_when_the_supervisor_is_killed(shared: Any, kept: str) -> None:
    train(shared, "checkpoints-3")
    shared.until(lambda: "waiting" in shared.log("checkpoints-3"))
    (events,) = shared.home.jobs.glob("checkpoints-3-*/events.jsonl")
    os.kill(json.loads(events.read_text().splitlines()[0])["pid"], signal.SIGKILL)
    assert shared.ended("checkpoints-3")["TrainingJobStatus"] == "Failed"
    assert stored(shared, kept) == "1"


def test_they_are_saved_by_the_next_service(service: Any) -> None:
    train(service, "checkpoints")
    service.until(lambda: "waiting" in service.log("checkpoints"))
    service.kill()
    service.start()
    service.until(lambda: stored(service, "kept/step") == "1")
    (service.folder / "checkpoints.go").touch()
    assert service.ended("checkpoints")["TrainingJobStatus"] == "Completed"


def test_a_bucket_that_is_missing(shared: Any) -> None:
    train(shared, "checkpoints-4", S3Uri="s3://missing/x")
    reason = shared.ended("checkpoints-4")["FailureReason"]
    assert reason == "ClientError: Checkpoint download failed:The specified bucket does not exist"


def test_spot_training_runs_as_any(shared: Any) -> None:
    shared.train(
        "spot",
        EnableManagedSpotTraining=True,
        StoppingCondition={"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 90},
    )
    description = shared.ended("spot")
    assert description["TrainingJobStatus"] == "Completed"
    assert description["EnableManagedSpotTraining"] is True
    assert description["StoppingCondition"]["MaxWaitTimeInSeconds"] == 90
    assert description["BillableTimeInSeconds"] <= description["TrainingTimeInSeconds"]


def test_the_last_values_of_the_metrics(shared: Any) -> None:
    definitions = [
        {"Name": "loss", "Regex": r"loss=(\S+);"},
        {"Name": "nothing", "Regex": "accuracy=(.*)"},
        {"Name": "no number", "Regex": "(step)"},
    ]
    image = {"TrainingImage": "test", "TrainingInputMode": "File"}
    (shared.folder / "measured.go").touch()
    shared.train(
        "measured",
        "checkpoint checkpoints",
        AlgorithmSpecification={**image, "MetricDefinitions": definitions},
    )
    description = shared.ended("measured")
    assert description["AlgorithmSpecification"]["MetricDefinitions"] == definitions
    (metric,) = description["FinalMetricDataList"]
    assert (metric["MetricName"], metric["Value"]) == ("loss", 9.5)
    assert description["TrainingStartTime"] <= metric["Timestamp"] <= description["TrainingEndTime"]
    assert isinstance(metric["Timestamp"], dt.datetime)
