"""Training jobs that run, or ran, in the cloud: describe, wait, stop."""

from __future__ import annotations

import re
import time
import warnings
from collections import deque
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sm_core.backends import Polling
from sm_core.clients import translated_errors
from sm_core.errors import TrainingJobFailed
from sm_core.logs import TRAINING_GROUP, LogTail, WaitView

if TYPE_CHECKING:
    from sm_core.session import Session

__all__ = ["TrainingJob", "intervals"]

#: Statuses from which a job does not move on.
TERMINAL = ("Completed", "Failed", "Stopped")
#: Log lines that a failure carries.
TAIL = 20


def intervals(polling: Polling) -> Iterator[float]:
    """Seconds to wait before each further question, growing to the ceiling."""
    seconds = polling.first
    while True:
        yield seconds
        seconds = min(seconds * polling.factor, polling.ceiling)


class TrainingJob:
    """A training job by its name."""

    def __init__(self, name: str, session: Session) -> None:
        """
        Args:
            name: the job's.
            session: the Session it was started with, or any of the same account and region.
        """
        self.name = name
        self._session = session

    def __repr__(self) -> str:
        return f"TrainingJob({self.name!r})"

    def describe(self) -> Mapping[str, Any]:
        """DescribeTrainingJob's answer."""
        with translated_errors():
            answer: Mapping[str, Any] = self._session.sagemaker_client.describe_training_job(
                TrainingJobName=self.name
            )
        return answer

    def stop(self) -> None:
        """Ask the job to stop: SIGTERM, and SIGKILL after 120 seconds; returns at once."""
        with translated_errors():
            self._session.sagemaker_client.stop_training_job(TrainingJobName=self.name)

    def wait(self, *, logs: bool = True) -> Mapping[str, Any]:
        """Block until the job ends; show its statuses and log lines meanwhile.

        A job that was stopped, by a user or by its time limit, gives a warning.

        Returns:
            the final description.

        Raises:
            TrainingJobFailed: the job ended as Failed.
        """
        try:
            with WaitView(f"training job {self.name}", quiet=not logs) as view:
                description, tail = self._follow(view)
        except KeyboardInterrupt:
            WaitView(self.name).step(
                f"Training job {self.name} goes on without you. To stop it: "
                f"TrainingJob({self.name!r}, session).stop()"
            )
            raise
        self._judge(description, tail)
        return description

    def _follow(self, view: WaitView) -> tuple[Mapping[str, Any], deque[str]]:
        polling = self._session.backend.polling
        log = LogTail(self._session.client("logs"), TRAINING_GROUP, f"{self.name}/")
        tail: deque[str] = deque(maxlen=TAIL)
        shown: tuple[int, str] = (0, "")
        pauses = intervals(polling)
        while True:
            description = self.describe()
            before = shown
            shown = _show_transitions(description, view, shown)
            fresh = _show_lines(log, view, tail)
            if description["TrainingJobStatus"] in TERMINAL:
                break
            if fresh or shown != before:
                pauses = intervals(polling)
            time.sleep(next(pauses))
        # CloudWatch may deliver the last lines after the job's last status.
        time.sleep(polling.first)
        _show_lines(log, view, tail)
        return description, tail

    def _judge(self, description: Mapping[str, Any], tail: deque[str]) -> None:
        status = description["TrainingJobStatus"]
        reason = description.get("FailureReason", "")
        if status == "Failed":
            found = re.search(r"ExitCode:?\s+(-?\d+)", reason)
            raise TrainingJobFailed(
                self.name,
                failure_reason=reason or "the service gives no reason",
                exit_code=int(found[1]) if found else None,
                log_tail=tail,
            )
        if status == "Stopped":
            secondary = description.get("SecondaryStatus", "Stopped")
            why = f": {reason}" if reason else ""
            warnings.warn(
                f"training job {self.name} was stopped ({secondary}){why}; "
                "its model is what had been saved by then",
                stacklevel=4,
            )


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


def _show_lines(log: LogTail, view: WaitView, tail: deque[str]) -> bool:
    fresh = False
    with translated_errors():
        for line in log.new_lines():
            view.line(line)
            tail.append(line.text)
            fresh = True
    return fresh
