"""Training jobs that run, or ran, in the cloud: describe, wait, stop."""

from __future__ import annotations

import re
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import Any

from sm_core.backends import Polling
from sm_core.clients import is_passing, translated_errors
from sm_core.connection import Connection
from sm_core.errors import ConfigurationError, RequestError, SMError, TrainingJobFailed
from sm_core.logs import TRAINING_GROUP, LogLine, LogTail, WaitView
from sm_core.notices import warn_user
from sm_core.requests import TrainingJobRequest, to_aws
from sm_core.waiting import intervals, jittered, patiently

__all__ = ["TrainingJob", "is_ended", "trained_model"]

#: Statuses from which a job does not move on.
TERMINAL = ("Completed", "Failed", "Stopped", "Deleting")
#: Log lines that a failure carries.
TAIL = 20
#: How often late lines are looked for once a job has ended, as long as some still come.
LATE = 3


#: How a reason gives the container's exit code: the service at its end; else, where that was cut
#: off or is missing, the toolkit on a line of its own, before anything of the user's.
_EXIT_CODE = re.compile(r"\AAlgorithmError: [\s\S]*, exit code: (-?\d+)\s*\Z")
_TOOLKITS_EXIT_CODE = re.compile(r"^(?:AlgorithmError: )?ExitCode:? (-?\d+)\b", re.MULTILINE)


class TrainingJob:
    """A training job by its name."""

    def __init__(self, name: str, session: Connection) -> None:
        """
        Args:
            name: the job's.
            session: the Session it was started with, or any of the same account and region.
        """
        self.name = name
        self._session = session

    @classmethod
    def start(cls, request: TrainingJobRequest, session: Connection) -> TrainingJob:
        """Submit a training job; returns at once.

        Raises:
            RequestError: the service refused it.
        """
        with translated_errors():
            session.sagemaker_client.create_training_job(**to_aws(request))
        return cls(request.training_job_name, session)

    def __repr__(self) -> str:
        return f"TrainingJob({self.name!r})"

    def describe(self) -> Mapping[str, Any]:
        """DescribeTrainingJob's answer."""
        with translated_errors(f"training job {self.name!r} in {self._session.region}"):
            answer: Mapping[str, Any] = self._session.sagemaker_client.describe_training_job(
                TrainingJobName=self.name
            )
        return answer

    def stop(self) -> None:
        """Ask the job to stop: SIGTERM, and SIGKILL after 120 seconds; returns at once."""
        with translated_errors(f"training job {self.name}"):
            self._session.sagemaker_client.stop_training_job(TrainingJobName=self.name)

    def wait(self, *, logs: bool = True, poll: float | None = None) -> Mapping[str, Any]:
        """Block until the job ends; show its statuses and log lines meanwhile.

        A job that was stopped, by a user or by its time limit, or is being deleted, gives a
        warning. The job goes on, and the user is told how to come back to it, if the waiting ends
        before: by Ctrl-C, or by an error such as credentials that have expired.

        Args:
            logs: show them; else nothing is shown.
            poll: seconds between questions; None for the back end's own, ever longer.

        Returns:
            the final description.

        Raises:
            TrainingJobFailed: the job ended as Failed.
            RequestError: it cannot be asked for any longer.
        """
        polling = self._session.backend.polling.every(poll)
        with WaitView(f"training job {self.name}", quiet=not logs) as view:
            lines = self._lines(view)
            try:
                description = self._follow(view, lines, polling, logs=logs)
            except KeyboardInterrupt:
                view.notice(self._goes_on())
                # The dozens of frames of what was under way would hide the notice.
                raise KeyboardInterrupt from None
        self._judge(description, lines.tail())
        return description

    @property
    def model_data(self) -> str:
        """S3 URI of the model that the job wrote.

        Raises:
            ConfigurationError: there is none, or none yet.
        """
        return trained_model(self.describe())

    def show_logs(self) -> None:
        """Show the log lines that there are by now, without waiting for more."""
        with WaitView(f"training job {self.name}") as view:
            self._lines(view).finish(logs=True)

    def _lines(self, view: WaitView) -> _Lines:
        log = LogTail(self._session.client("logs"), TRAINING_GROUP, f"{self.name}/")
        return _Lines(log, view)

    def _goes_on(self) -> str:
        name = self.name
        return (
            f"Training job {name} goes on without you. To wait for it again: "
            f"sm_core.Estimator.attach({name!r}, session); to stop it: "
            f"sm_core.Estimator.attach({name!r}, session, wait=False).latest_training_job.stop()"
        )

    def _follow(
        self, view: WaitView, lines: _Lines, polling: Polling, *, logs: bool
    ) -> Mapping[str, Any]:
        shown: tuple[int, str] = (0, "")
        pauses = intervals(polling)
        ask = partial(patiently, self.describe, polling=polling, say=view.step)
        description = ask()
        while True:
            before = shown
            shown = _show_transitions(description, view, shown)
            fresh = logs and lines.show()
            if is_ended(description):
                break
            if fresh or shown != before:
                pauses = intervals(polling)
            time.sleep(jittered(next(pauses)))
            try:
                description = ask()
            except SMError:
                # It is not the job that failed.
                view.notice(self._goes_on())
                raise
        if logs or description["TrainingJobStatus"] == "Failed":
            # CloudWatch may deliver the last lines after the job's last status.
            for _ in range(LATE):
                time.sleep(polling.first)
                if not lines.finish(logs=logs):
                    break
        return description

    def _judge(self, description: Mapping[str, Any], tail: Sequence[str]) -> None:
        status = description["TrainingJobStatus"]
        reason = description.get("FailureReason", "")
        if status == "Failed":
            found = _EXIT_CODE.search(reason) or _TOOLKITS_EXIT_CODE.search(reason)
            raise TrainingJobFailed(
                self.name,
                failure_reason=reason or "the service gives no reason",
                exit_code=int(found[1]) if found else None,
                log_tail=tail,
            )
        if status == "Stopped":
            secondary = description.get("SecondaryStatus", "Stopped")
            why = f": {reason}" if reason else ""
            warn_user(
                f"training job {self.name} was stopped ({secondary}){why}; "
                "its model is what had been saved by then"
            )
        if status == "Deleting":
            warn_user(f"training job {self.name} is being deleted; nobody can tell how it ended")


def is_ended(description: Mapping[str, Any]) -> bool:
    """Whether a described job will not move on."""
    return description["TrainingJobStatus"] in TERMINAL


def trained_model(description: Mapping[str, Any]) -> str:
    """S3 URI of a described job's model.

    Raises:
        ConfigurationError: it has none, or none yet.
    """
    name, status = description["TrainingJobName"], description["TrainingJobStatus"]
    uri: str | None = (description.get("ModelArtifacts") or {}).get("S3ModelArtifacts")
    if uri and status in ("Completed", "Stopped"):
        return uri
    hint = "" if is_ended(description) else f"; Session.wait_for_job({name!r}) waits for its end"
    raise ConfigurationError(f"training job {name} has no model: its status is {status}{hint}")


class _Lines:
    """A job's log lines as they come: shown, and the last ones kept."""

    def __init__(self, log: LogTail, view: WaitView) -> None:
        self._log = log
        self._view = view
        self._readable = True
        self._kept: dict[str, deque[LogLine]] = defaultdict(lambda: deque(maxlen=TAIL))

    def tail(self) -> list[str]:
        """The last lines of all hosts, by time."""
        kept = [line for lines in self._kept.values() for line in lines]
        return [line.text for line in sorted(kept, key=attrgetter("timestamp"))][-TAIL:]

    def show(self) -> bool:
        """Show what is new, or some of it; True if anything is."""
        return self._take(self._log.pages())

    def finish(self, *, logs: bool) -> bool:
        """Show what is left now that the job has ended; without `logs` only keep the last lines.

        Returns:
            whether anything was.
        """
        rest = self._log.rest(self._view.notice) if logs else self._last_page()
        return self._take(rest, final=True)

    def _last_page(self) -> Iterator[list[LogLine]]:
        lines = self._log.last_lines(TAIL)
        if lines:
            yield lines

    def _take(self, pages: Iterable[list[LogLine]], *, final: bool = False) -> bool:
        """Show and keep lines; True if there are any.

        Where logs may not be read, say so once: the job's outcome matters more than its lines.
        """
        fresh = False
        if not self._readable:
            return fresh
        try:
            for lines in pages:
                self._view.lines(lines)
                for line in lines:
                    self._kept[line.source].append(line)
                fresh = True
        except RequestError as error:
            if is_passing(error) and not final:
                # The next time they may be readable.
                return fresh
            self._readable = False
            self._view.notice(f"The job's log lines cannot be read: {error}")
        return fresh


def _show_transitions(
    description: Mapping[str, Any], view: WaitView, shown: tuple[int, str]
) -> tuple[int, str]:
    """Show secondary statuses beyond `shown`: how many there were, and the last one's message."""
    transitions = description.get("SecondaryStatusTransitions") or []
    count, message = shown
    for number, transition in enumerate(transitions, start=1):
        text = transition.get("StatusMessage", "")
        if number < count or (number == count and text == message):
            continue
        stamp = transition["StartTime"].strftime("%Y-%m-%d %H:%M:%S")
        view.step(f"{stamp} {transition['Status']} - {text}")
        count, message = number, text
    return count, message
