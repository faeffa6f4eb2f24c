"""Training jobs: waited for, shown, judged."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any

import pytest
from botocore.stub import Stubber

from sm_core.errors import RequestError, TrainingJobFailed
from sm_core.jobs import TrainingJob
from sm_core.logs import TRAINING_GROUP
from sm_core.session import Session

WriteLog = Callable[..., None]
Refuse = Callable[..., None]
WHEN = datetime(2017, 11, 29, 12, 30, tzinfo=timezone.utc)
STREAM = "job/algo-1-1511395200"


def description(status: str, *transitions: tuple[str, str], **others: Any) -> dict[str, Any]:
    """What DescribeTrainingJob answers."""
    return {
        "TrainingJobName": "job",
        "TrainingJobArn": "arn:aws:sagemaker:us-east-1:123456789012:training-job/job",
        "ModelArtifacts": {"S3ModelArtifacts": "s3://b/job/output/model.tar.gz"},
        "TrainingJobStatus": status,
        "SecondaryStatus": status if status != "InProgress" else "Training",
        "AlgorithmSpecification": {"TrainingInputMode": "File"},
        "ResourceConfig": {"VolumeSizeInGB": 30},
        "StoppingCondition": {},
        "CreationTime": WHEN,
        "SecondaryStatusTransitions": [
            {"Status": name, "StartTime": WHEN, "StatusMessage": message}
            for name, message in transitions
        ],
        **others,
    }


@pytest.fixture
def job(session: Session) -> TrainingJob:
    return TrainingJob("job", session)


@pytest.fixture
def described(session: Session) -> Iterator[Callable[..., None]]:
    """Set what DescribeTrainingJob answers, one answer after the other."""
    with Stubber(session.sagemaker_client) as stubber:

        def answer(*descriptions: dict[str, Any]) -> None:
            for each in descriptions:
                stubber.add_response("describe_training_job", each, {"TrainingJobName": "job"})

        yield answer
        stubber.assert_no_pending_responses()


Described = Callable[..., None]


def test_statuses_are_shown_once_each(
    job: TrainingJob, described: Described, capsys: pytest.CaptureFixture[str]
) -> None:
    starting = ("Starting", "Starting the training job")
    launched = ("Starting", "Launching requested ML instances")
    training = ("Training", "Training image download completed. Training in progress.")
    completed = ("Completed", "Training job completed")
    described(
        description("InProgress"),
        description("InProgress", starting),
        description("InProgress", starting),
        description("InProgress", launched),
        description("InProgress", launched, ("Downloading", "Downloading input data"), training),
        description("Completed", launched, ("Downloading", ""), training, completed),
    )
    final = job.wait()
    assert final["TrainingJobStatus"] == "Completed"
    assert capsys.readouterr().out.splitlines() == [
        "2017-11-29 12:30:00 Starting - Starting the training job",
        "2017-11-29 12:30:00 Starting - Launching requested ML instances",
        "2017-11-29 12:30:00 Downloading - Downloading input data",
        "2017-11-29 12:30:00 Training - Training image download completed. Training in progress.",
        "2017-11-29 12:30:00 Completed - Training job completed",
    ]


def test_log_lines_are_shown_with_their_host(
    job: TrainingJob,
    described: Described,
    write_log: WriteLog,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_log(TRAINING_GROUP, STREAM, "epoch 1", "epoch 2")
    described(description("InProgress"), description("Completed"))
    job.wait()
    assert capsys.readouterr().out.splitlines() == ["algo-1 | epoch 1", "algo-1 | epoch 2"]


def test_without_logs_nothing_is_shown_or_read(
    job: TrainingJob,
    described: Described,
    session: Session,
    write_log: WriteLog,
    refuse: Refuse,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_log(TRAINING_GROUP, STREAM, "epoch 1")
    refuse(session.client("logs"), "DescribeLogStreams", code="Unexpected", message="read")
    described(description("InProgress", ("Starting", "x")), description("Completed"))
    job.wait(logs=False)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("logs", [True, False])
def test_a_failed_job_gives_reason_exit_code_and_last_lines(
    job: TrainingJob, described: Described, write_log: WriteLog, logs: bool
) -> None:
    reason = "AlgorithmError: ExecuteUserScriptError:\nExitCode 3\nValueError: too few digits"
    write_log(TRAINING_GROUP, STREAM, *[f"line {number}" for number in range(30)])
    described(description("InProgress"), description("Failed", FailureReason=reason))
    with pytest.raises(TrainingJobFailed) as caught:
        job.wait(logs=logs)
    error = caught.value
    assert error.job_name == "job"
    assert error.failure_reason == reason
    assert error.exit_code == 3
    assert error.log_tail == tuple(f"line {number}" for number in range(10, 30))
    assert "ValueError: too few digits" in str(error)
    assert "last log lines:\n  line 10\n" in str(error)


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("AlgorithmError: ExitCode 1", 1),
        ("AlgorithmError: , exit code: 137", 137),
        ("AlgorithmError: ExitCode -9", -9),
        ("AlgorithmError: ExitCode: 2\nmore", 2),
        ("AlgorithmError: uncaught exception during training:\nExitCode 1\nE: ExitCode 77", 1),
        # What the user's code wrote is not the service's word.
        ("AlgorithmError: my own reason, exit code: 7", 7),
        ("AlgorithmError: X:\nExitCode 1\nthe child: ExitCode 77, exit code: 1", 1),
        ("AlgorithmError: the child ended with exit code 77", None),
        ("AlgorithmError: my own reason\nexit code 77, ExitCode 77", None),
        ("ClientError: tool failed, exit code: 77", None),
        ("ClientError: Data download failed:404", None),
        ("", None),
    ],
)
def test_exit_codes_are_read_from_the_reason(
    job: TrainingJob, described: Described, reason: str, code: int | None
) -> None:
    described(description("Failed", FailureReason=reason))
    with pytest.raises(TrainingJobFailed) as caught:
        job.wait()
    assert caught.value.exit_code == code
    assert caught.value.failure_reason == reason or "gives no reason" in str(caught.value)


def test_a_stopped_job_is_a_warning_at_the_user_s_line(
    job: TrainingJob, described: Described
) -> None:
    described(description("Stopped", SecondaryStatus="MaxRuntimeExceeded"))
    with pytest.warns(UserWarning, match=r"job was stopped \(MaxRuntimeExceeded\); its model") as w:
        job.wait()
    assert w[0].filename == __file__


def test_logs_that_may_not_be_read_do_not_hide_the_outcome(
    job: TrainingJob,
    described: Described,
    session: Session,
    refuse: Refuse,
    capsys: pytest.CaptureFixture[str],
) -> None:
    refuse(session.client("logs"), "DescribeLogStreams", code="AccessDeniedException", message="no")
    described(description("InProgress"), description("Failed", FailureReason="oh no"))
    with pytest.raises(TrainingJobFailed, match="oh no"):
        job.wait()
    assert capsys.readouterr().out == (
        "The job's log lines cannot be read: DescribeLogStreams: no (AccessDeniedException)\n"
    )


@pytest.mark.parametrize("logs", [True, False])
def test_an_interrupted_wait_says_that_the_job_goes_on(
    job: TrainingJob,
    session: Session,
    capsys: pytest.CaptureFixture[str],
    logs: bool,
) -> None:
    def interrupt(**_: object) -> None:
        raise KeyboardInterrupt

    session.sagemaker_client.meta.events.register("before-call", interrupt)
    with pytest.raises(KeyboardInterrupt):
        job.wait(logs=logs)
    assert capsys.readouterr().out == (
        "Training job job goes on without you. To wait for it again: "
        "sm_core.Estimator.attach('job', session); to stop it: "
        "sm_core.Estimator.attach('job', session, wait=False).latest_training_job.stop()\n"
    )


def test_a_wait_that_fails_says_that_the_job_goes_on(
    job: TrainingJob, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    with Stubber(session.sagemaker_client) as stubber:
        stubber.add_response("describe_training_job", description("InProgress"))
        stubber.add_client_error(
            "describe_training_job", "ExpiredTokenException", "too old", http_status_code=400
        )
        with pytest.raises(RequestError, match=r"too old \(ExpiredTokenException\)"):
            job.wait(logs=False)
    assert "Training job job goes on without you. To wait" in capsys.readouterr().out


def test_a_job_that_is_deleted_meanwhile_is_a_warning(
    job: TrainingJob, described: Described
) -> None:
    described(description("Deleting"))
    with pytest.warns(UserWarning, match="training job job is being deleted"):
        job.wait(logs=False)


def test_a_job_that_is_not_there_is_a_request_error(
    job: TrainingJob, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RequestError) as caught:
        job.wait()
    assert caught.value.operation == "DescribeTrainingJob"
    assert capsys.readouterr().out == ""
    assert repr(job) == "TrainingJob('job')"


def test_a_job_is_stopped(job: TrainingJob, session: Session) -> None:
    with Stubber(session.sagemaker_client) as stubber:
        stubber.add_response("stop_training_job", {}, {"TrainingJobName": "job"})
        job.stop()
        stubber.assert_no_pending_responses()


def test_a_passing_fault_does_not_end_the_wait(
    job: TrainingJob, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    with Stubber(session.sagemaker_client) as stubber:
        stubber.add_client_error(
            "describe_training_job", "ThrottlingException", "slowly", http_status_code=400
        )
        stubber.add_response("describe_training_job", description("Completed"))
        assert job.wait()["TrainingJobStatus"] == "Completed"
    assert "slowly (ThrottlingException); trying again" in capsys.readouterr().out


def test_a_passing_fault_of_the_log_does_not_end_its_lines(
    job: TrainingJob,
    described: Described,
    session: Session,
    write_log: WriteLog,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Busy:
        status_code = 400

    answers = itertools.count()

    def throttle(**_: object) -> tuple[Busy, dict[str, Any]] | None:
        if next(answers):
            return None
        return Busy(), {"Error": {"Code": "ThrottlingException", "Message": "slowly"}}

    session.client("logs").meta.events.register("before-call.logs.GetLogEvents", throttle)
    write_log(TRAINING_GROUP, STREAM, "epoch 1")
    described(description("InProgress"), description("Completed"))
    job.wait()
    assert capsys.readouterr().out == "algo-1 | epoch 1\n"


def test_lines_do_not_hold_up_the_status(
    job: TrainingJob,
    described: Described,
    session: Session,
    write_log: WriteLog,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def small(params: dict[str, int], **_: object) -> dict[str, int]:
        return {"limit": 1, **params}

    events = session.client("logs").meta.events
    events.register_first("provide-client-params.logs.GetLogEvents", small)
    write_log(TRAINING_GROUP, STREAM, *[f"line {number}" for number in range(500)])
    described(description("InProgress"), description("Failed", FailureReason="r"))
    with pytest.raises(TrainingJobFailed) as caught:
        job.wait()
    shown = capsys.readouterr().out
    assert "line 23\nalgo-1: here log lines are left out" in shown
    assert shown.endswith("line 499\n")
    assert caught.value.log_tail[-1] == "line 499"
