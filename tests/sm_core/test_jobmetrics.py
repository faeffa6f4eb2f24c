"""A job's metrics: from its log, from CloudWatch, or the final values."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from botocore.stub import Stubber

from sm_core.errors import RequestError
from sm_core.jobmetrics import NAMESPACE, training_metrics
from sm_core.logs import TRAINING_GROUP
from sm_core.session import Session

Refuse = Callable[..., None]
WriteLog = Callable[..., None]
WHEN = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(hours=1)
STREAM = "job/algo-1-1511395200"
ACCURACY = {"Name": "accuracy", "Regex": r"accuracy=([\d.]+)"}
LOSS = {"Name": "loss", "Regex": r"loss=(\S+)"}

Describe = Callable[..., None]


@pytest.fixture
def describe(session: Session) -> Iterator[Describe]:
    """Set the metric definitions and final metrics of the job ``job``."""
    with Stubber(session.sagemaker_client) as stubber:

        def answer(definitions: list[dict[str, str]], **finals: float) -> None:
            description: dict[str, Any] = {
                "TrainingJobName": "job",
                "TrainingJobArn": "arn:aws:sagemaker:us-east-1:123456789012:training-job/job",
                "ModelArtifacts": {"S3ModelArtifacts": "s3://b/job/output/model.tar.gz"},
                "TrainingJobStatus": "Completed",
                "SecondaryStatus": "Completed",
                "AlgorithmSpecification": {
                    "TrainingInputMode": "File",
                    "MetricDefinitions": definitions,
                },
                "ResourceConfig": {"VolumeSizeInGB": 30},
                "StoppingCondition": {},
                "CreationTime": WHEN,
                "TrainingEndTime": WHEN + timedelta(minutes=5),
                "FinalMetricDataList": [
                    {"MetricName": name, "Value": value, "Timestamp": WHEN}
                    for name, value in finals.items()
                ],
            }
            stubber.add_response("describe_training_job", description, {"TrainingJobName": "job"})

        yield answer


def test_definitions_find_values_in_the_log(
    session: Session, describe: Describe, write_log: WriteLog
) -> None:
    describe([LOSS, ACCURACY])
    write_log(
        TRAINING_GROUP,
        STREAM,
        "Epoch[0] loss=2.5 accuracy=0.25",
        "nothing here",
        "Epoch[1] loss=nan accuracy=0.5",
        "loss=unknown",
    )
    loss, accuracy = training_metrics(session, "job")
    assert (loss.name, loss.host, loss.source) == ("loss", "algo-1", "log")
    assert loss.values[0] == 2.5
    assert str(loss.values[1]) == "nan"
    assert len(loss.values) == 2
    assert accuracy.values == (0.25, 0.5)
    assert accuracy.times[0] < accuracy.times[1]
    # Seconds, where log lines have milliseconds.
    assert abs(accuracy.times[0] - datetime.now(timezone.utc).timestamp()) < 60


def test_hosts_are_told_apart(session: Session, describe: Describe, write_log: WriteLog) -> None:
    describe([LOSS])
    write_log(TRAINING_GROUP, STREAM, "loss=1")
    write_log(TRAINING_GROUP, "job/algo-2-1511395200", "loss=2")
    found = {series.host: series.values for series in training_metrics(session, "job")}
    assert found == {"algo-1": (1.0,), "algo-2": (2.0,)}


def test_what_the_log_lacks_is_in_cloudwatch(session: Session, describe: Describe) -> None:
    describe([LOSS], loss=0.5)
    session.client("cloudwatch").put_metric_data(
        Namespace=NAMESPACE,
        MetricData=[
            {
                "MetricName": "loss",
                "Dimensions": [{"Name": "Host", "Value": "job/algo-1"}],
                "Value": value,
                "Timestamp": WHEN + timedelta(minutes=minute),
            }
            for minute, value in ((2, 0.5), (1, 2.0))
        ],
    )
    (loss,) = training_metrics(session, "job")
    assert (loss.source, loss.values) == ("cloudwatch", (2.0, 0.5))


def test_the_final_value_is_left_where_nothing_else_can_be_read(
    session: Session,
    describe: Describe,
    refuse: Refuse,
    caplog: pytest.LogCaptureFixture,
) -> None:
    describe([LOSS], loss=0.5)
    denied = {"code": "AccessDeniedException", "message": "no", "status": 403}
    refuse(session.client("logs"), "DescribeLogStreams", **denied)
    refuse(session.client("cloudwatch"), "GetMetricStatistics", **denied)
    with caplog.at_level(logging.WARNING):
        (loss,) = training_metrics(session, "job")
    assert (loss.source, loss.values, loss.times) == ("final", (0.5,), (WHEN.timestamp(),))
    assert "the log of training job job cannot be read" in caplog.text
    assert "metric loss cannot be read from CloudWatch" in caplog.text


def test_a_job_without_metrics_has_none(session: Session, describe: Describe) -> None:
    describe([])
    assert training_metrics(session, "job") == []


def test_an_expression_that_is_none_is_passed_over(
    session: Session,
    describe: Describe,
    write_log: WriteLog,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # As another language may understand it.
    describe([{"Name": "broken", "Regex": "(?<n>x)("}, LOSS])
    write_log(TRAINING_GROUP, STREAM, "loss=1")
    assert [series.name for series in training_metrics(session, "job")] == ["loss"]
    assert "metric broken" in caplog.text


def test_a_job_that_is_not_there(session: Session) -> None:
    with pytest.raises(RequestError, match="Could not find"):
        training_metrics(session, "unknown")
