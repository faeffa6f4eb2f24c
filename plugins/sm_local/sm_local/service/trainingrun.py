"""One training job from its turn to its end; every phase can be done again after a crash."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, NoReturn, TypeVar

from sm_core.errors import LocalServiceError
from sm_local import processes
from sm_local.feeder import Stream
from sm_local.gpu import has_gpus
from sm_local.service.artifacts import UploadError, output_location, upload
from sm_local.service.channels import DownloadError, download, stage
from sm_local.service.checkpoints import CheckpointFolder
from sm_local.service.context import Context
from sm_local.service.datasets import input_mode
from sm_local.service.detached import completed, detached
from sm_local.service.diskspace import full_disk_note, once_there_is_room
from sm_local.service.environmentstore import Container, Environments
from sm_local.service.errors import ServiceError
from sm_local.service.folders import remove_tree
from sm_local.service.stores import Store
from sm_local.service.trainingfolder import BESIDE_LOGS, GRACE, clean_up, make_folder
from sm_local.service.traininghosts import TrainingHosts, job_folder, stream_file
from sm_local.service.trainingjob import FAILURE_REASON_LIMIT, Outcome, Phase, TrainingJob

__all__ = ["TrainingRun"]

logger = logging.getLogger(__name__)

#: Seconds between two looks at a supervisor.
_POLL = 0.05
#: Seconds between two looks at a job's checkpoints, at least.
_CHECKPOINT_PAUSE = 1.0

T = TypeVar("T")

#: How a reason begins that is the container's own.
_BLAMED = "AlgorithmError: "
#: How one begins that AWS's own algorithms blame on the request, and the service passes on.
_CUSTOMER = "ClientError: "


class _Stopped(Exception):
    """A stop was asked for before training began."""


class _Expired(Exception):
    """The job may wait no longer, and training has not begun."""


class _Failed(Exception):
    """The job fails; the text is its FailureReason."""


class TrainingRun:
    """Takes one job through its phases, from wherever it is."""

    def __init__(
        self,
        context: Context,
        *,
        store: Store[TrainingJob],
        environments: Environments,
        job: TrainingJob,
    ) -> None:
        self.job = job
        self._context = context
        self._store = store
        self._environments = environments
        self._hosts = TrainingHosts(context, job)
        self._folder = job_folder(context, job)
        self._ports: list[range] = []
        self._checkpoints = self._hosts.kept_checkpoints()
        self._unsaved = ""
        self._in_vain = False  # what the job has written is needed for nothing, not even a restart
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Notice that the job's record says so: stopping."""
        self._stop.set()

    async def run(self) -> None:
        """Return when the job has ended and its folder holds logs only.

        Cancelling leaves everything as it is, for the next service to go on with.
        """
        if self.job.stopping:
            self._stop.set()
        try:
            await self._phases()
        except _Stopped:
            await self._change(lambda job, now: job.end(now, Outcome.stopped()))
        except _Expired:
            await self._change(lambda job, now: job.end(now, Outcome.waited_too_long()))
        except _Failed as failure:
            await self._fail(str(failure))
        except Exception as error:
            logger.exception("training job %s", self.job.name)
            await self._fail(f"InternalServerError: {type(error).__name__}: {error}")
        finally:
            self._context.networks.give_back(self._ports)
        await detached(partial(clean_up, self._context, self.job), name=f"clean {self.job.name}")

    async def _fail(self, reason: str) -> None:
        self._in_vain |= self.job.before(Phase.LAUNCHING)
        await self._change(lambda job, now: job.end(now, Outcome.failed(reason)))

    async def _phases(self) -> None:
        if self.job.before(Phase.TRAINING):
            await self._set_up()
        if self.job.phase is Phase.TRAINING:
            saving = asyncio.create_task(self._save_checkpoints())
            try:
                outcome = await self._watch()
            finally:
                saving.cancel()
                await asyncio.gather(saving, return_exceptions=True)
            self._in_vain = outcome.status == "Failed"
            metrics = await asyncio.to_thread(self._hosts.final_metrics)
            await self._change(lambda job, now: job.leave_training(outcome, now, metrics))
        await self._upload()
        await self._change(lambda job, now: job.end(now))

    async def _set_up(self) -> None:
        if self.job.phase is Phase.LAUNCHING and await self._was_launched():
            await self._enter(Phase.TRAINING)
            return
        await self._enter(Phase.PREPARING)
        await asyncio.to_thread(make_folder, self._context, self.job)
        with await self._prepare() as container:
            await self._enter(Phase.DOWNLOADING)
            if self.job.before(Phase.LAUNCHING):
                await self._download()
            await self._enter(Phase.LAUNCHING)
            await completed(partial(self._launch, container), name=f"launch {self.job.name}")
        await self._enter(Phase.TRAINING)

    async def _enter(self, phase: Phase) -> None:
        """Go on to `phase`, unless the job has been there before the service was started."""
        if phase is not Phase.TRAINING:
            if self._stop.is_set():
                raise _Stopped
            if time.time() >= self.job.expires:
                raise _Expired
        if self.job.before(phase):
            await self._change(lambda job, now: job.enter(phase, now))

    async def _change(self, function: Callable[[TrainingJob, float], TrainingJob]) -> None:
        change = partial(self._store.change, self.job.name, lambda job: function(job, time.time()))
        self.job = await once_there_is_room(change, self._make_room, name=self.job.name)
        if self.job.stopping:
            self._stop.set()

    def _make_room(self) -> None:
        for name in (*BESIDE_LOGS, *self.job.hosts) if self._in_vain else ("scratch",):
            remove_tree(self._folder / name)

    async def _prepare(self) -> Container:
        def progress(text: str) -> None:
            if self._stop.is_set():
                raise _Stopped
            self._hosts.log(text)

        build = partial(self._environments.ensure, self.job.environment, progress)
        try:
            container = await self._unless_stopped(detached(build, name=f"build {self.job.name}"))
        except LocalServiceError as error:
            self._hosts.log(str(error))
            raise _Failed(f"ClientError: {error}") from error
        instance_type = self.job.request["ResourceConfig"]["InstanceType"]
        if container.spec.device == "cpu" and has_gpus(instance_type):
            self._hosts.log(f"{instance_type} has GPUs; here the job runs on the CPU")
        return container

    async def _unless_stopped(self, work: Coroutine[Any, Any, T]) -> T:
        working = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
            if self._stop.is_set():
                raise _Stopped
            return await working
        finally:
            working.cancel()
            stopping.cancel()

    async def _download(self) -> None:
        pipes = self._hosts.plan.parent
        for folder in (pipes, *(tree.data for tree in self._hosts.trees)):
            await detached(partial(remove_tree, folder), name=f"clear {self.job.name}")
        streams: list[Stream] = []
        for channel in self.job.request.get("InputDataConfig", ()):
            try:
                if input_mode(channel, self.job.request) == "Pipe":
                    folder = pipes / f"{len(streams)}"
                    work = partial(stage, self._context.objects, channel, folder=folder)
                    streams.append(await detached(work, name=f"stage {self.job.name}"))
                else:
                    await self._download_files(channel)
            except DownloadError as error:
                raise _Failed(f"ClientError: Data download failed:{error}") from error
            if self._stop.is_set():
                raise _Stopped
        if self._checkpoints is not None:
            await self._restore(self._checkpoints)
        if streams:
            await asyncio.to_thread(self._hosts.write_plan, streams)

    async def _restore(self, checkpoints: CheckpointFolder) -> None:
        try:
            await detached(checkpoints.restore, name=f"restore {self.job.name}")
        except (ServiceError, DownloadError, OSError) as error:
            reason = error.message if isinstance(error, ServiceError) else error
            raise _Failed(f"ClientError: Checkpoint download failed:{reason}") from error

    async def _download_files(self, channel: Mapping[str, Any]) -> None:
        for number, tree in enumerate(self._hosts.trees):
            work = partial(
                download,
                self._context.objects,
                channel,
                folder=tree.data / channel["ChannelName"],
                host=number,
                hosts=len(self.job.hosts),
            )
            await detached(work, name=f"download {self.job.name}")

    def _launch(self, container: Container) -> None:
        """Write what the hosts read, and start the supervisor. Blocks."""
        limit, _ = self.job.limit(time.time())
        try:
            network = self._hosts.network()
            if not network.private and len(self.job.hosts) > 1:
                self._ports = self._context.networks.take_ports(len(self.job.hosts))
            hosts = self._hosts.prepare(container, network=network, ports=self._ports)
            processes.launch(self._folder, hosts, max_runtime=limit, grace=GRACE)
        except LocalServiceError as error:
            raise _Failed(f"InternalServerError: {error}") from error

    async def _was_launched(self) -> bool:
        status = await asyncio.to_thread(processes.status, self._folder)
        return status.alive or status.started is not None

    async def _save_checkpoints(self) -> None:
        """Keep the job's checkpoints in S3, until cancelled."""
        while self._checkpoints is not None:
            began = time.monotonic()
            save = partial(self._save, self._checkpoints, settled=True)
            await completed(save, name=f"save {self.job.name}")
            # Many large ones must not take all of the machine.
            await asyncio.sleep(max(_CHECKPOINT_PAUSE, 10 * (time.monotonic() - began)))

    def _save(self, checkpoints: CheckpointFolder, *, settled: bool) -> None:
        try:
            checkpoints.save(settled=settled)
        except (ServiceError, OSError, UnicodeEncodeError, sqlite3.OperationalError) as error:
            reason = error.message if isinstance(error, ServiceError) else str(error)
            if reason != self._unsaved:
                self._hosts.log(f"checkpoints are not saved: {reason}")
            self._unsaved = reason

    async def _watch(self) -> Outcome:
        """How the training ended, once it has."""
        asked = False
        while True:
            status = await asyncio.to_thread(processes.status, self._folder)
            if status.finished is not None:
                return await asyncio.to_thread(self._outcome, status, status.finished)
            if not status.alive:
                # Looked at twice: it may have ended between the look at its lock and its events.
                status = await asyncio.to_thread(processes.status, self._folder)
                if status.finished is None:
                    return await detached(
                        partial(self._lost, status), name=f"sweep {self.job.name}"
                    )
                continue
            if self._stop.is_set() and not asked:
                asked = await asyncio.to_thread(processes.stop, self._folder)
            await self._pause(asked)

    async def _pause(self, asked: bool) -> None:
        if asked:
            await asyncio.sleep(_POLL)
            return
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._stop.wait(), _POLL)

    def _lost(self, status: processes.Status) -> NoReturn:
        processes.sweep(self._folder)
        self._in_vain = True
        if self._checkpoints is not None:
            self._save(self._checkpoints, settled=False)
        words = f": {status.message}" if status.message else full_disk_note(self._folder)
        # At once: what such a job has written by chance is no model, and is not uploaded.
        raise _Failed(
            "InternalServerError: the supervisor of the training job ended before the job did "
            f"(it was killed, or the machine was restarted){words}"
        )

    def _outcome(self, status: processes.Status, finished: processes.Finished) -> Outcome:
        if finished.outcome == "completed":
            return Outcome.completed()
        if finished.outcome == "stopped":
            return Outcome.stopped()
        if finished.outcome == "max_runtime":
            return self.job.limit(status.started or time.time())[1]
        if status.failed is not None and status.failed not in self.job.hosts:
            log = stream_file(self._context, self.job, host=status.failed)
            words = " ".join(text for _, text in processes.read_log(log)[0][-3:])
            said = f": {words}" if words else ""
            return Outcome.failed(
                f"InternalServerError: the {status.failed} of the job ended before it did{said}"
            )
        # What the others say, or have for an exit code, is often a consequence only.
        host = status.failed or self.job.hosts[0]
        code = finished.codes[host]
        if len(self.job.hosts) > 1:
            self._hosts.log(f"{host} failed with exit code {processes.exit_text(code)}")
        # The service gives the exit code behind what the container says.
        end = f", exit code: {code if code >= 0 else 128 - code}"
        room = FAILURE_REASON_LIMIT - len(_BLAMED) - len(end)
        if text := self._hosts.tree(host).failure(room):
            blamed = "" if text.startswith(_CUSTOMER) else _BLAMED
            return Outcome.failed(f"{blamed}{text}{end}")
        note = full_disk_note(self._folder)
        return Outcome.failed(f"{_BLAMED}ExitCode {processes.exit_text(code)}{note}")

    async def _upload(self) -> None:
        if self._checkpoints is not None:
            save = partial(self._save, self._checkpoints, settled=False)
            await completed(save, name=f"save {self.job.name}")
        where = output_location(self.job.request["OutputDataConfig"]["S3OutputPath"], self.job.name)
        work = partial(
            upload,
            self._context.objects,
            self._hosts.trees,
            where=where,
            scratch=self._folder / "scratch",
            warn=self._hosts.log,
        )
        try:
            await detached(work, name=f"upload {self.job.name}")
        except UploadError as error:
            settled = self.job.outcome
            if settled is not None and settled.status == "Failed":
                # The first failure is the one to report.
                logger.warning("training job %s: %s", self.job.name, error)
                return
            raise _Failed(f"ClientError: Artifact upload failed:{error}") from error
