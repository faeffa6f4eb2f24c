"""Training jobs: created, queued, taken through their lives, and found again after a restart."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import secrets
import time
from collections import deque
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from sm_local import processes
from sm_local.service.checks import arn, invalid, tags_of
from sm_local.service.context import Context
from sm_local.service.database import RecordExists
from sm_local.service.detached import detached
from sm_local.service.environmentstore import Environments
from sm_local.service.errors import ServiceError
from sm_local.service.folders import remove_tree
from sm_local.service.paging import list_page
from sm_local.service.stores import Store
from sm_local.service.trainingfolder import clean_up, make_folder, needs_cleaning
from sm_local.service.traininghosts import job_folder, stream_file
from sm_local.service.trainingjob import Phase, TrainingJob
from sm_local.service.trainingrequests import (
    check_channels,
    check_job_update,
    check_training_request,
    describe_job,
    list_entry,
)
from sm_local.service.trainingrun import TrainingRun
from sm_local.service.wire import Caller

__all__ = ["TRAINING_JOB", "Training"]

logger = logging.getLogger(__name__)

#: The kind of the jobs' records.
TRAINING_JOB = "training-job"


class Training:
    """All training jobs of the service."""

    def __init__(
        self,
        context: Context,
        *,
        environments: Environments | None = None,
        parallel: int | None = None,
    ) -> None:
        """
        Args:
            context: of the service.
            environments: where jobs get theirs; None for the context's.
            parallel: jobs that run at once; None for half of this machine's cores, at least one.
        """
        self._context = context
        self._environments = environments or Environments(context)
        self._parallel = parallel or max(1, (os.cpu_count() or 1) // 2)
        self._store = Store(context, TrainingJob, kind=TRAINING_JOB)
        self._runs: dict[str, TrainingRun] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._queue: deque[TrainingJob] = deque()

    async def start(self) -> None:
        """Go on with the jobs that the last service left; those under way come before new ones."""
        for job in await self._store.all():
            if job.ended:
                if await asyncio.to_thread(needs_cleaning, self._context, job):
                    work = partial(clean_up, self._context, job)
                    _ = self._context.spawn(detached(work, name=f"clean {job.name}"))
            elif job.phase is Phase.QUEUED and not job.stopping:
                self._enqueue(job)
            else:
                logger.info("training job %s goes on: %s", job.name, job.phase.value)
                self._run(job)
        self._next()

    async def stop(self) -> None:
        """Let go of all jobs; they run on under their supervisors."""
        self._queue.clear()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def running(self) -> list[str]:
        """Names of the jobs that have not ended, the waiting ones included."""
        return [*self._runs, *(job.name for job in self._queue)]

    def environments(self) -> set[str]:
        """Digests of the environments of the jobs that have not ended. Blocks."""
        return {job.environment for job in self._store.read_all() if not job.ended}

    async def create(self, request: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        """CreateTrainingJob."""
        checked = check_training_request(request)
        name: str = checked["TrainingJobName"]
        if await self._store.get(name) is not None:
            raise self._exists(name)
        tags = tags_of(request)
        image = checked["AlgorithmSpecification"]["TrainingImage"]
        region = self._context.region
        await asyncio.to_thread(check_channels, self._context.objects, checked, region=region)
        resources = checked["ResourceConfig"]
        environment = await asyncio.to_thread(
            self._environments.resolve,
            tags,
            image,
            hosts=resources["InstanceCount"],
            instance_type=resources["InstanceType"],
        )
        job = TrainingJob.new(
            name=name,
            arn=arn(self._context, TRAINING_JOB, name=name),
            request=checked,
            tags=tags,
            folder=f"{name}-{secrets.token_hex(4)}",
            environment=environment,
            now=time.time(),
        )
        try:
            await self._store.insert(name, job)
        except RecordExists as error:
            raise self._exists(name) from error
        before = [*self._runs, *(waiting.name for waiting in self._queue)]
        self._enqueue(job)
        self._next()
        logger.info("training job %s created by %s", name, caller.owner)
        if name not in self._runs:
            await asyncio.to_thread(self._announce_wait, job, before)
        return {"TrainingJobArn": job.arn}

    async def describe(self, name: str) -> dict[str, Any]:
        """DescribeTrainingJob."""
        return describe_job(await self._get(name))

    async def stop_job(self, name: str) -> None:
        """StopTrainingJob."""
        await self._get(name)
        try:
            job = await self._store.change(name, lambda job: job.request_stop(time.time()))
        except ValueError as error:
            status = (await self._get(name)).status
            raise invalid(
                f"The request was rejected because the training job is in status {status}."
            ) from error
        waiting = [each for each in self._queue if each.name == name]
        if name in self._runs:
            self._runs[name].stop()
        elif waiting:
            self._queue.remove(waiting[0])
            self._run(job)

    async def update(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """UpdateTrainingJob: of a job under way, to what it is already, as nothing else is here."""
        job = await self._get(request["TrainingJobName"])
        if job.status != "InProgress":
            raise invalid(
                f"The request was rejected because the training job is in status {job.status}."
            )
        check_job_update(request)
        return {"TrainingJobArn": job.arn}

    async def delete(self, name: str) -> None:
        """DeleteTrainingJob: its logs go too, what it has put into S3 stays."""
        job = await self._get(name)
        if not job.ended:
            raise invalid(
                f"The request was rejected because the training job is in status {job.status}."
            )
        if name in self._tasks:
            # What the job left is being cleaned up; waiting must not cancel that.
            await asyncio.wait({self._tasks[name]})
        await detached(partial(self._remove, job), name=f"remove {name}")
        # The record last: whoever finds it can delete the job again.
        if not await self._store.delete(name):
            raise invalid("Requested resource not found.")

    def _remove(self, job: TrainingJob) -> None:
        if needs_cleaning(self._context, job):
            clean_up(self._context, job)
        remove_tree(job_folder(self._context, job))

    async def list(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """ListTrainingJobs."""
        entries = [list_entry(job) for job in await self._store.all()]
        if request.keys() & {"WarmPoolStatusEquals", "TrainingPlanArnEquals"}:
            entries = []  # No job here has a warm pool or a training plan.
        summaries, token = list_page(entries, request, descending=False)
        return {"TrainingJobSummaries": summaries, "NextToken": token}

    async def _get(self, name: str) -> TrainingJob:
        job = await self._store.get(name)
        if job is None:
            raise invalid("Requested resource not found.")
        return job

    def _exists(self, name: str) -> ServiceError:
        where = arn(self._context, TRAINING_JOB, name=name)
        return ServiceError(
            "ResourceInUse",
            "Training job names must be unique within an AWS account and region, and a training "
            f"job with this name already exists ({where})",
        )

    def _enqueue(self, job: TrainingJob) -> None:
        self._queue.append(job)
        if job.expires < math.inf:
            left = job.expires - time.time()
            asyncio.get_running_loop().call_later(left, self._expire, job.name)

    def _expire(self, name: str) -> None:
        """Let a job end that still waits when it may wait no longer."""
        for job in [each for each in self._queue if each.name == name]:
            self._queue.remove(job)
            self._run(job)

    def _next(self) -> None:
        """Let waiting jobs begin, in their order, while there is room."""
        while self._queue and len(self._runs) < self._parallel:
            self._run(self._queue.popleft())

    def _run(self, job: TrainingJob) -> None:
        run = TrainingRun(
            self._context, store=self._store, environments=self._environments, job=job
        )
        self._runs[job.name] = run
        self._tasks[job.name] = self._context.spawn(self._follow(run))

    async def _follow(self, run: TrainingRun) -> None:
        name = run.job.name
        try:
            await run.run()
        finally:
            del self._runs[name], self._tasks[name]
        logger.info("training job %s ended: %s", name, run.job.status)
        self._next()

    def _announce_wait(self, job: TrainingJob, before: Sequence[str]) -> None:
        log = stream_file(self._context, job, host=job.hosts[0])
        make_folder(self._context, job)
        if not log.exists():
            processes.log_line(
                log,
                f"waiting for {', '.join(before)}: this machine trains {self._parallel} at a time; "
                "`sm --backend local jobs stop NAME` (StopTrainingJob) ends "
                "one of them, `sm local down --all` ends all",
            )
