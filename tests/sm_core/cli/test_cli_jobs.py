"""``sm jobs``: listed, described, followed, measured, stopped."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from botocore.stub import Stubber
from click.testing import CliRunner, Result

from sm_core.cli import main
from sm_core.jobs import TrainingJob
from sm_core.logs import TRAINING_GROUP
from sm_core.session import Session

Run = Callable[..., Result]
WriteLog = Callable[..., None]
WHEN = datetime(2017, 11, 29, 12, 30, tzinfo=timezone.utc)
STREAM = "job/algo-1-1511395200"


@pytest.fixture
def stubber(session: Session) -> Iterator[Stubber]:
    with Stubber(session.sagemaker_client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def summary(name: str, status: str, **others: Any) -> dict[str, Any]:
    return {
        "TrainingJobName": name,
        "TrainingJobArn": f"arn:aws:sagemaker:us-east-1:123456789012:training-job/{name}",
        "CreationTime": WHEN,
        "TrainingJobStatus": status,
        **others,
    }


def description(status: str = "Completed", **others: Any) -> dict[str, Any]:
    return summary(
        "job",
        status,
        **{
            "SecondaryStatus": "MaxRuntimeExceeded" if status == "Stopped" else status,
            "ModelArtifacts": {"S3ModelArtifacts": "s3://b/job/output/model.tar.gz"},
            "AlgorithmSpecification": {"TrainingInputMode": "File", "TrainingImage": "image:1"},
            "ResourceConfig": {
                "InstanceType": "ml.c5.xlarge",
                "InstanceCount": 2,
                "VolumeSizeInGB": 30,
            },
            "StoppingCondition": {},
            "TrainingEndTime": WHEN + timedelta(seconds=3723),
            **others,
        },
    )


def test_a_list(run: Run, stubber: Stubber) -> None:
    expected = {
        "SortBy": "CreationTime",
        "SortOrder": "Descending",
        "MaxResults": 5,
        "StatusEquals": "Failed",
        "NameContains": "o",
    }
    jobs = [
        summary("other-job", "Failed", TrainingEndTime=WHEN + timedelta(minutes=2)),
        summary("job", "Failed", LastModifiedTime=WHEN + timedelta(seconds=3)),
    ]
    stubber.add_response("list_training_jobs", {"TrainingJobSummaries": jobs}, expected)
    result = run("jobs", "list", "--max", "5", "--status", "failed", "--name-contains", "o")
    assert result.exit_code == 0, result.output
    created = WHEN.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    assert result.stdout.splitlines() == [
        f"Job        Status  Created{' ' * (len(created) - 7)}  Took",
        f"other-job  Failed  {created}  2m00s",
        f"job        Failed  {created}  3s",
    ]


def test_a_list_as_json(run: Run, stubber: Stubber) -> None:
    expected = {"SortBy": "CreationTime", "SortOrder": "Descending", "MaxResults": 20}
    answer = {"TrainingJobSummaries": [summary("job", "InProgress")]}
    stubber.add_response("list_training_jobs", answer, expected)
    (job,) = json.loads(run("jobs", "list", "--json").stdout)
    assert job["TrainingJobName"] == "job"
    assert datetime.fromisoformat(job["CreationTime"]) == WHEN


def test_an_unknown_status(run: Run) -> None:
    result = run("jobs", "list", "--status", "Done")
    assert result.exit_code == 2
    assert "'inprogress'" in result.stderr


def test_a_description(run: Run, stubber: Stubber) -> None:
    described = description(
        "Stopped",
        RoleArn="arn:aws:iam::123456789012:role/Role",
        FailureReason="first\nsecond\x1b[31m",
        HyperParameters={"epochs": "5", "sagemaker_program": "a.py"},
        InputDataConfig=[
            {
                "ChannelName": "train",
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/d"}},
            }
        ],
        FinalMetricDataList=[{"MetricName": "loss", "Value": 0.25, "Timestamp": WHEN}],
        OutputDataConfig={"S3OutputPath": "s3://b/"},
    )
    stubber.add_response("describe_training_job", described, {"TrainingJobName": "job"})
    result = run("jobs", "describe", "job")
    assert result.exit_code == 0, result.output
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["Job", "job"],
        ["Status", "Stopped", "(MaxRuntimeExceeded)"],
        ["Reason", "first"],
        ["second"],
        ["Created", *WHEN.astimezone().strftime("%Y-%m-%d %H:%M:%S").split()],
        ["Took", "1h02m03s"],
        ["Image", "image:1"],
        ["Instances", "2", "x", "ml.c5.xlarge"],
        ["Role", "arn:aws:iam::123456789012:role/Role"],
        ["Inputs", "train:", "s3://b/d"],
        ["Hyperparameters", "epochs", "=", "5"],
        ["Metrics", "loss", "=", "0.25"],
        ["Output", "s3://b/"],
        ["Model", "s3://b/job/output/model.tar.gz"],
    ]


def test_a_description_as_json(run: Run, stubber: Stubber) -> None:
    stubber.add_response("describe_training_job", description(), {"TrainingJobName": "job"})
    described = json.loads(run("jobs", "describe", "job", "--json").stdout)
    assert described["ResourceConfig"]["InstanceCount"] == 2


@pytest.mark.parametrize("command", ["describe", "logs", "metrics"])
def test_a_job_that_is_not_there(run: Run, command: str) -> None:
    result = run("jobs", command, "unknown")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert "ould not find" in result.stderr or "not found" in result.stderr


def test_log_lines(run: Run, stubber: Stubber, write_log: WriteLog) -> None:
    stubber.add_response("describe_training_job", description("InProgress"))
    write_log(TRAINING_GROUP, STREAM, "first", "second")
    result = run("jobs", "logs", "job")
    assert (result.exit_code, result.stdout) == (0, "algo-1 | first\nalgo-1 | second\n")


def test_characters_that_a_terminal_lacks(
    session: Session, stubber: Stubber, write_log: WriteLog
) -> None:
    stubber.add_response("describe_training_job", description("InProgress"))
    write_log(TRAINING_GROUP, STREAM, "caf\u00e9")
    result = CliRunner(charset="ascii").invoke(main, ["jobs", "logs", "job"])
    assert (result.exit_code, result.stdout) == (0, "algo-1 | caf?\n")


def test_log_lines_are_followed_to_the_end(run: Run, stubber: Stubber, write_log: WriteLog) -> None:
    stubber.add_response("describe_training_job", description("InProgress"))
    stubber.add_response("describe_training_job", description("Failed", FailureReason="broken"))
    write_log(TRAINING_GROUP, STREAM, "first", "second")
    result = run("jobs", "logs", "job", "-f")
    assert result.exit_code == 1
    assert result.stdout == "algo-1 | first\nalgo-1 | second\n"
    assert "Error: training job job failed: broken" in result.stderr


def test_ctrl_c_leaves_the_job_alone(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(self: TrainingJob) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(TrainingJob, "wait", interrupt)
    result = run("jobs", "logs", "job", "--follow")
    assert result.exit_code == 130
    assert "sm jobs stop job" in result.stderr


def test_a_job_is_stopped(run: Run, stubber: Stubber) -> None:
    stubber.add_response("stop_training_job", {}, {"TrainingJobName": "job"})
    result = run("jobs", "stop", "job")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "Training job job is asked to stop.\n"


@pytest.fixture
def measured(stubber: Stubber, write_log: WriteLog) -> None:
    """A job that has logged a metric."""
    definitions = [{"Name": "loss", "Regex": r"loss=(\S+)"}]
    algorithm = {"TrainingInputMode": "File", "MetricDefinitions": definitions}
    described = description(AlgorithmSpecification=algorithm)
    stubber.add_response("describe_training_job", described)
    write_log(TRAINING_GROUP, STREAM, "loss=0.5", "loss=2", "loss=0.125")


def test_metrics(run: Run, measured: None) -> None:
    result = run("jobs", "metrics", "job")
    assert result.exit_code == 0, result.output
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["Metric", "Host", "Last", "Least", "Greatest", "Values"],
        ["loss", "algo-1", "0.125", "0.125", "2", "3"],
    ]


def test_metrics_are_plotted_where_that_is_asked_for(run: Run, measured: None) -> None:
    result = run("jobs", "metrics", "job", "--plot")
    assert "loss (algo-1)" in result.stdout
    assert "2 ┤" in result.stdout
    assert "\x1b" not in result.stdout


def test_metrics_are_plotted_in_ascii_where_nothing_else_can_be_shown(
    session: Session, measured: None
) -> None:
    result = CliRunner(charset="ascii").invoke(main, ["jobs", "metrics", "job", "--plot"])
    assert result.exit_code == 0, result.output
    assert "2 |" in result.stdout
    assert result.stdout.isascii()


def test_metrics_as_json(run: Run, measured: None) -> None:
    (series,) = json.loads(run("jobs", "metrics", "job", "--json").stdout)
    assert (series["name"], series["host"], series["source"]) == ("loss", "algo-1", "log")
    assert [point["value"] for point in series["points"]] == [0.5, 2, 0.125]


@pytest.mark.parametrize("option", ["--json", "--plot"])
def test_a_metric_that_is_no_number_any_more(
    run: Run, measured: None, write_log: WriteLog, option: str
) -> None:
    write_log(TRAINING_GROUP, STREAM, "loss=nan", "loss=inf")
    result = run("jobs", "metrics", "job", option)
    assert result.exit_code == 0, result.output
    if option == "--json":
        (series,) = json.loads(result.stdout)
        assert [point["value"] for point in series["points"]] == [0.5, 2, 0.125, None, None]


def test_no_metrics(run: Run, stubber: Stubber) -> None:
    stubber.add_response("describe_training_job", description())
    result = run("jobs", "metrics", "job")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "has no metrics" in result.stderr
