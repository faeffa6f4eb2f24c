"""The state machine of a training job."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sm_local.service.trainingjob import FAILURE_REASON_LIMIT, Outcome, Phase, TrainingJob

SET_UP = (Phase.PREPARING, Phase.DOWNLOADING, Phase.LAUNCHING, Phase.TRAINING)


def new_job() -> TrainingJob:
    return TrainingJob.new(
        name="job",
        arn="arn:job",
        request={"ResourceConfig": {"InstanceCount": 1}},
        tags={},
        folder="job-00000000",
        environment="digest",
        now=1.0,
    )


def training_job() -> TrainingJob:
    job = new_job()
    for number, phase in enumerate(SET_UP, start=2):
        job = job.enter(phase, float(number))
    return job


def shown(job: TrainingJob) -> list[str]:
    return [transition.status for transition in job.transitions]


def test_a_job_that_completes() -> None:
    job = training_job().leave_training(Outcome.completed(), 10.0).end(12.0)
    assert job.status == "Completed"
    assert shown(job) == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert [transition.message for transition in job.transitions] == [
        "Preparing the instances for training",
        "Downloading input data",
        "Training image download completed. Training in progress.",
        "Uploading generated training model",
        "Training job completed",
    ]
    assert (job.training_started, job.training_ended, job.modified) == (3.0, 12.0, 12.0)


def test_a_job_that_fails_ended_training_when_it_failed() -> None:
    job = training_job().leave_training(Outcome.failed("AlgorithmError: x"), 10.0).end(12.0)
    assert (job.status, job.secondary_status, job.training_ended) == ("Failed", "Failed", 10.0)
    assert job.outcome is not None
    assert job.outcome.reason == "AlgorithmError: x"


def test_a_reason_is_cut_at_the_limit() -> None:
    assert len(Outcome.failed("x" * 5000).reason) == FAILURE_REASON_LIMIT


def test_a_job_that_is_stopped_while_it_trains() -> None:
    job = training_job().request_stop(9.0)
    assert (job.status, job.secondary_status) == ("Stopping", "Stopping")
    job = job.leave_training(Outcome.stopped(), 10.0)
    assert (job.status, job.secondary_status) == ("Stopping", "Uploading")
    job = job.end(11.0)
    assert (job.status, job.secondary_status) == ("Stopped", "Stopped")


def test_a_job_that_is_stopped_before_it_trains() -> None:
    job = new_job().request_stop(2.0).end(3.0, Outcome.stopped())
    assert shown(job) == ["Starting", "Stopping", "Stopped"]
    assert job.training_started is None


def test_a_stop_that_comes_after_the_training() -> None:
    job = training_job().leave_training(Outcome.completed(), 10.0).request_stop(11.0).end(12.0)
    assert job.status == "Stopped"


def test_a_job_that_runs_out_of_time() -> None:
    job = training_job().leave_training(Outcome.out_of_time(), 10.0).end(12.0)
    assert (job.status, job.secondary_status) == ("Stopped", "MaxRuntimeExceeded")
    assert shown(job)[-3:] == ["Stopping", "Uploading", "MaxRuntimeExceeded"]


def test_a_spot_training_ends_when_it_may_wait_no_longer() -> None:
    request = {"StoppingCondition": {"MaxRuntimeInSeconds": 10, "MaxWaitTimeInSeconds": 12}}
    job = attrs.evolve(new_job(), request={**new_job().request, **request})
    created = job.created
    assert job.limit(created + 2) == (10, Outcome.out_of_time())
    assert job.limit(created + 2.5) == (10, Outcome.waited_too_long())
    assert job.limit(created + 9) == (3, Outcome.waited_too_long())
    assert job.limit(created + 99) == (1, Outcome.waited_too_long())
    ended = attrs.evolve(training_job(), request=job.request)
    ended = ended.leave_training(Outcome.waited_too_long(), 10.0).end(12.0)
    assert (ended.status, ended.secondary_status) == ("Stopped", "MaxWaitTimeExceeded")
    assert shown(ended)[-3:] == ["Stopping", "Uploading", "MaxWaitTimeExceeded"]


@pytest.mark.parametrize(
    "step",
    [
        lambda job: job.enter(Phase.UPLOADING, 9.0),
        lambda job: job.enter(Phase.DOWNLOADING, 9.0),
        lambda job: job.enter(Phase.ENDED, 9.0),
        lambda job: job.end(9.0),
        lambda job: job.request_stop(9.0).request_stop(9.0),
        lambda job: job.end(9.0, Outcome.stopped()).end(9.0, Outcome.stopped()),
        lambda job: job.end(9.0, Outcome.stopped()).request_stop(9.0),
        lambda job: job.leave_training(Outcome.completed(), 9.0).leave_training(
            Outcome.completed(), 9.0
        ),
    ],
)
def test_steps_that_there_are_not(step: Any) -> None:
    with pytest.raises(ValueError, match="job: "):
        step(training_job())


@given(
    times=st.lists(st.floats(0, 100), min_size=8, max_size=8),
    stop_before=st.sampled_from([*SET_UP, Phase.UPLOADING, Phase.ENDED, None]),
    outcome=st.sampled_from([Outcome.completed(), Outcome.failed("x"), Outcome.out_of_time()]),
)
def test_transitions_join_without_gap_whatever_the_clock_does(
    times: list[float], stop_before: Phase | None, outcome: Outcome
) -> None:
    clock = iter(times)
    job = new_job()
    for phase in (*SET_UP, Phase.UPLOADING, Phase.ENDED):
        if phase is stop_before:
            job = job.request_stop(next(clock))
        if phase is Phase.UPLOADING:
            job = job.leave_training(outcome, next(clock))
        elif phase is Phase.ENDED:
            job = job.end(next(clock))
        else:
            job = job.enter(phase, next(clock))
    for earlier, later in zip(job.transitions, job.transitions[1:], strict=False):
        assert earlier.started <= later.started == earlier.ended
        assert earlier.status != later.status
    assert job.ended
    assert job.transitions[-1].status == job.secondary_status
    assert job.transitions[-1].ended is not None
