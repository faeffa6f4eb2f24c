"""A job goes on from wherever a crash has left it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sm_local.home import Home
from sm_local.leftovers import end_jobs
from sm_local.service.context import Context
from sm_local.service.environmentstore import Environments
from sm_local.service.stores import Store
from sm_local.service.training import TRAINING_JOB, Training
from sm_local.service.trainingfolder import needs_cleaning
from sm_local.service.trainingjob import Outcome, Phase, TrainingJob
from sm_local.service.trainingrun import TrainingRun

pytestmark = pytest.mark.integ


class Crash(BaseException):
    """The service is gone."""


class CrashingStore(Store[TrainingJob]):
    """Crashes once, when a job enters a phase: before that is recorded, or after."""

    def __init__(self, context: Context, phase: Phase, *, recorded: bool) -> None:
        super().__init__(context, TrainingJob, kind=TRAINING_JOB)
        self._phase = phase
        self._recorded = recorded

    async def change(
        self, name: str, function: Callable[[TrainingJob], TrainingJob]
    ) -> TrainingJob:
        before = self.read(name)
        assert before is not None
        if function(before).phase is self._phase:
            if self._recorded:
                await super().change(name, function)
            raise Crash
        return await super().change(name, function)


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    home = Home(tmp_path / "home").create()
    context = Context.open(home, port=9)
    context.objects.create_bucket("models")
    context.objects.put_bytes("models", "data/a.csv", b"1")
    yield context
    end_jobs(home)
    context.database.close()


@pytest.fixture
def environments(context: Context, driver: ModuleType, tmp_path: Path) -> Environments:
    folder = tmp_path / "environment"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    ready: Environments = driver.ReadyMade(context, folder)
    return ready


def new_job(**changes: Any) -> TrainingJob:
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://models/data"}
    return TrainingJob.new(
        name="job",
        arn="arn:job",
        request={
            "TrainingJobName": "job",
            "AlgorithmSpecification": {"TrainingImage": "test", "TrainingInputMode": "File"},
            "InputDataConfig": [{"ChannelName": "train", "DataSource": {"S3DataSource": source}}],
            "OutputDataConfig": {"S3OutputPath": "s3://models"},
            "ResourceConfig": {"InstanceType": "ml.c4.xlarge", "InstanceCount": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
            **changes,
        },
        tags={},
        folder="job-00000000",
        environment="test",
        now=1.0,
    )


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.QUEUED])
def test_a_crash_anywhere(
    context: Context, environments: Environments, phase: Phase, recorded: bool
) -> None:
    crashing = CrashingStore(context, phase, recorded=recorded)
    store = Store(context, TrainingJob, kind=TRAINING_JOB)

    async def run(store: Store[TrainingJob]) -> TrainingJob:
        job = await store.get("job")
        assert job is not None
        work = TrainingRun(context, store=store, environments=environments, job=job)
        await work.run()
        return work.job

    async def crash_and_go_on() -> TrainingJob:
        await store.insert("job", new_job())
        with pytest.raises(Crash):
            await run(crashing)
        if phase is not Phase.ENDED or not recorded:
            return await run(store)
        training = Training(context, environments=environments)
        await training.start()
        await asyncio.gather(*context.background)
        job = await store.get("job")
        assert job is not None
        return job

    job = asyncio.run(crash_and_go_on())
    assert job.status == "Completed", job.outcome
    assert [transition.status for transition in job.transitions] == [
        "Starting",
        "Downloading",
        "Training",
        "Uploading",
        "Completed",
    ]
    assert context.objects.info("models", "job/output/model.tar.gz") is not None
    folder = context.home.jobs / job.folder
    assert (folder / "logs" / "algo-1.log").read_text().count("training: complete") == 1
    assert {path.name for path in folder.iterdir()} == {
        "logs",
        "events.jsonl",
        "lock",
        "supervisor.log",
    }
    assert not needs_cleaning(context, job)


def test_an_error_of_ours_fails_the_job_and_ends_its_processes(
    context: Context, environments: Environments, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(context, TrainingJob, kind=TRAINING_JOB)
    parameters = {"mode": "wait", "until": "/nowhere"}
    job = new_job(HyperParameters=parameters)

    async def broken() -> Outcome:
        raise RuntimeError("ours")

    async def run() -> TrainingJob:
        await store.insert("job", job)
        work = TrainingRun(context, store=store, environments=environments, job=job)
        monkeypatch.setattr(work, "_watch", broken)
        await work.run()
        return work.job

    ended = asyncio.run(run())
    assert ended.outcome is not None
    assert ended.outcome.reason == "InternalServerError: RuntimeError: ours"
    assert not needs_cleaning(context, ended)
