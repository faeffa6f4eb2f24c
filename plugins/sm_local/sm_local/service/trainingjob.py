"""A training job as a value, and the steps of its life; nothing here does anything.

::

    QUEUED ─► PREPARING ─► DOWNLOADING ─► LAUNCHING ─► TRAINING ─► UPLOADING ─► ENDED
       └──────────┴─────────────┴────────────┴───── fails, or is stopped ───────► ENDED

The phase says what a service that finds the job has to do next. What users see (TrainingJobStatus,
SecondaryStatus, SecondaryStatusTransitions) follows from it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

import attrs

__all__ = ["FAILURE_REASON_LIMIT", "FinalMetric", "Outcome", "Phase", "TrainingJob", "Transition"]

#: Characters of a FailureReason.
FAILURE_REASON_LIMIT = 1024


class Phase(str, Enum):
    """What is being done for a job."""

    QUEUED = "queued"
    PREPARING = "preparing"
    DOWNLOADING = "downloading"
    LAUNCHING = "launching"
    TRAINING = "training"
    UPLOADING = "uploading"
    ENDED = "ended"


#: SecondaryStatus and StatusMessage that a phase begins with; LAUNCHING is no news for users.
_ANNOUNCED: Mapping[Phase, tuple[str, str]] = {
    Phase.QUEUED: ("Starting", "Starting the training job"),
    Phase.PREPARING: ("Starting", "Preparing the instances for training"),
    Phase.DOWNLOADING: ("Downloading", "Downloading input data"),
    Phase.TRAINING: ("Training", "Training image download completed. Training in progress."),
    Phase.UPLOADING: ("Uploading", "Uploading generated training model"),
}
#: Of jobs that are stopped without anybody asking.
_OUT_OF_TIME = ("MaxRuntimeExceeded", "MaxWaitTimeExceeded")
_STOPPING = ("Stopping", "Stopping the training job")
_ORDER = tuple(Phase)


@attrs.frozen(kw_only=True)
class Transition:
    """One secondary status: times in epoch seconds, `ended` None for the current one."""

    status: str
    started: float
    message: str
    ended: float | None = None


@attrs.frozen(kw_only=True)
class Outcome:
    """How a job ends.

    Attributes:
        status: TrainingJobStatus: ``Completed``, ``Failed`` or ``Stopped``.
        secondary: SecondaryStatus.
        message: of the last transition.
        reason: FailureReason, or "".
    """

    status: str
    secondary: str
    message: str
    reason: str = ""

    @classmethod
    def completed(cls) -> Outcome:
        """All went well."""
        return cls(status="Completed", secondary="Completed", message="Training job completed")

    @classmethod
    def failed(cls, reason: str) -> Outcome:
        """Something went wrong; a reason beyond AWS's limit is cut."""
        return cls(
            status="Failed",
            secondary="Failed",
            message="Training job failed",
            reason=reason[:FAILURE_REASON_LIMIT],
        )

    @classmethod
    def stopped(cls) -> Outcome:
        """Somebody asked for it."""
        return cls(status="Stopped", secondary="Stopped", message="Training job stopped")

    @classmethod
    def out_of_time(cls) -> Outcome:
        """MaxRuntimeInSeconds was over."""
        return cls(
            status="Stopped",
            secondary="MaxRuntimeExceeded",
            message="Training job runtime exceeded MaxRuntimeInSeconds provided",
        )

    @classmethod
    def waited_too_long(cls) -> Outcome:
        """MaxWaitTimeInSeconds, in which waiting and training count, was over."""
        return cls(
            status="Stopped",
            secondary="MaxWaitTimeExceeded",
            message="Training job waiting time exceeded MaxWaitTimeInSeconds provided",
        )


@attrs.frozen(kw_only=True)
class FinalMetric:
    """The last value of a metric, and when it was logged in epoch seconds."""

    name: str
    value: float
    time: float


@attrs.frozen(kw_only=True)
class TrainingJob:
    """One job; every method returns another value.

    Attributes:
        name: of the job.
        arn: of the job.
        request: CreateTrainingJob's, without tags.
        tags: the request's, key to value.
        folder: name of the job's folder in the home's ``jobs``.
        environment: digest of the environment specification.
        created: epoch seconds.
        modified: epoch seconds.
        transitions: the last one is the current one.
        phase: see the module.
        stopping: a stop was asked for.
        outcome: how the job will end, or has.
        training_started: epoch seconds.
        training_ended: epoch seconds.
        metrics: the last values of those that the request defines.
    """

    name: str
    arn: str
    request: dict[str, Any]
    tags: dict[str, str]
    folder: str
    environment: str
    created: float
    modified: float
    transitions: tuple[Transition, ...]
    phase: Phase = Phase.QUEUED
    stopping: bool = False
    outcome: Outcome | None = None
    training_started: float | None = None
    training_ended: float | None = None
    metrics: tuple[FinalMetric, ...] = ()

    @classmethod
    def new(
        cls,
        *,
        name: str,
        arn: str,
        request: dict[str, Any],
        tags: dict[str, str],
        folder: str,
        environment: str,
        now: float,
    ) -> TrainingJob:
        """A job that waits for its turn."""
        secondary, message = _ANNOUNCED[Phase.QUEUED]
        return cls(
            name=name,
            arn=arn,
            request=request,
            tags=tags,
            folder=folder,
            environment=environment,
            created=now,
            modified=now,
            transitions=(Transition(status=secondary, started=now, message=message),),
        )

    @property
    def ended(self) -> bool:
        """Nothing will change any more."""
        return self.phase is Phase.ENDED

    @property
    def status(self) -> str:
        """TrainingJobStatus."""
        if self.ended and self.outcome is not None:
            return self.outcome.status
        return "Stopping" if self.stopping else "InProgress"

    @property
    def secondary_status(self) -> str:
        """SecondaryStatus."""
        return self.transitions[-1].status

    @property
    def began_logging(self) -> int:
        """The number at the end of the log streams' names: whole epoch seconds."""
        return int(self.created)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names of its hosts."""
        count = self.request["ResourceConfig"]["InstanceCount"]
        return tuple(f"algo-{number}" for number in range(1, count + 1))

    @property
    def expires(self) -> float:
        """When MaxWaitTimeInSeconds, of a spot training, is over; never where there is none."""
        stopping: Mapping[str, float] = self.request["StoppingCondition"]
        return self.created + stopping.get("MaxWaitTimeInSeconds", math.inf)

    def limit(self, began: float) -> tuple[int, Outcome]:
        """Seconds that a training may take that begins at `began`, and how it ends after them."""
        longest: int = self.request["StoppingCondition"]["MaxRuntimeInSeconds"]
        left = self.expires - began
        if longest <= left:
            return longest, Outcome.out_of_time()
        return max(1, math.ceil(left)), Outcome.waited_too_long()

    def before(self, phase: Phase) -> bool:
        """Whether `phase` has not begun yet."""
        return _ORDER.index(self.phase) < _ORDER.index(phase)

    def enter(self, phase: Phase, now: float) -> TrainingJob:
        """The job in its next phase, at `now` in epoch seconds.

        Raises:
            ValueError: `phase` does not lie ahead, or needs `leave_training` or `end`.
        """
        if phase in (Phase.UPLOADING, Phase.ENDED) or not self.before(phase):
            raise ValueError(f"{self.name}: no way from {self.phase.value} to {phase.value}")
        job = attrs.evolve(self, phase=phase, modified=now)
        if phase is Phase.DOWNLOADING:
            job = attrs.evolve(job, training_started=now)
        if phase in _ANNOUNCED and not self.stopping:
            job = job._announce(_ANNOUNCED[phase], now)
        return job

    def request_stop(self, now: float) -> TrainingJob:
        """The job after StopTrainingJob.

        Raises:
            ValueError: it is being stopped already, or has ended.
        """
        if self.stopping or self.ended:
            raise ValueError(f"{self.name}: cannot be stopped, its status is {self.status}")
        return attrs.evolve(self, stopping=True, modified=now)._announce(_STOPPING, now)

    def leave_training(
        self, outcome: Outcome, now: float, metrics: Sequence[FinalMetric] = ()
    ) -> TrainingJob:
        """The job that will end with `outcome`, after what it made is uploaded.

        Args:
            outcome: of the training.
            now: epoch seconds.
            metrics: last values.

        Raises:
            ValueError: it is not training.
        """
        if self.phase is not Phase.TRAINING:
            raise ValueError(f"{self.name}: {self.phase.value}, not training")
        job = attrs.evolve(
            self, phase=Phase.UPLOADING, outcome=outcome, modified=now, metrics=tuple(metrics)
        )
        if outcome.secondary in _OUT_OF_TIME and not self.stopping:
            job = job._announce(_STOPPING, now)
        if outcome.status == "Failed":
            job = attrs.evolve(job, training_ended=now)
        return job._announce(_ANNOUNCED[Phase.UPLOADING], now)

    def end(self, now: float, outcome: Outcome | None = None) -> TrainingJob:
        """The job at its end.

        Args:
            now: epoch seconds.
            outcome: None for the one that is settled already.

        Raises:
            ValueError: it has ended, or nothing is settled.
        """
        final = outcome or self.outcome
        if self.ended or final is None:
            raise ValueError(f"{self.name}: cannot end ({self.phase.value}, {final})")
        if self.stopping and final.status == "Completed":
            final = Outcome.stopped()
        job = attrs.evolve(
            self,
            phase=Phase.ENDED,
            outcome=final,
            modified=now,
            training_ended=self.training_ended or now,
        )._announce((final.secondary, final.message), now)
        *earlier, last = job.transitions
        return attrs.evolve(job, transitions=(*earlier, attrs.evolve(last, ended=last.started)))

    def _announce(self, announced: tuple[str, str], now: float) -> TrainingJob:
        status, message = announced
        *earlier, last = self.transitions
        if last.status == status:
            return attrs.evolve(self, transitions=(*earlier, attrs.evolve(last, message=message)))
        # The clock may have been set back: no status ends before it began.
        moment = max(now, last.started)
        return attrs.evolve(
            self,
            transitions=(
                *earlier,
                attrs.evolve(last, ended=moment),
                Transition(status=status, started=moment, message=message),
            ),
        )
