"""The exceptions of every ``sm_*`` distribution.

::

    SMError
    ├── ConfigurationError            something is missing or wrong before any request is made
    │   ├── UnknownFrameworkError     no installed plugin registers the framework
    │   ├── UnknownBackendError       no installed plugin registers the back end
    │   ├── ImageError                no image for that framework, version, region or instance type
    │   ├── SourceError               the entry point or source folder cannot be packaged
    │   ├── InputError                a channel of ``fit`` does not name usable data
    │   └── PluginError               a plugin cannot be loaded or breaks a hook's contract
    ├── ArchiveError                  an archive is damaged, or leads out of its folder
    ├── CodecError                    a payload cannot be encoded or decoded
    ├── RequestError                  AWS, or the local service, refused or failed a call
    │   └── ModelError                the container answered a prediction with an error
    ├── LocalServiceError             the local service cannot be started, reached or used
    ├── TrainingJobFailed             the job ended as Failed: reason, exit code, last log lines
    └── EndpointFailed                the endpoint did not come into service: reason, last log lines

A misspelt or duplicate argument of a constructor is a plain ``TypeError``, as everywhere in Python.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from sm_core.text import printable, shortened

__all__ = [
    "ArchiveError",
    "CodecError",
    "ConfigurationError",
    "EndpointFailed",
    "ImageError",
    "InputError",
    "LocalServiceError",
    "ModelError",
    "PluginError",
    "RequestError",
    "SMError",
    "SourceError",
    "TrainingJobFailed",
    "UnknownBackendError",
    "UnknownFrameworkError",
]


#: Characters that the text of an error shows: of the reason, of each log line, of all together.
_REASON_LIMIT, _LINE_LIMIT, _LIMIT = 4096, 1000, 8192


class SMError(Exception):
    """The root of every error that this SDK raises on purpose."""


class ConfigurationError(SMError):
    """Something is missing or wrong, found before any request was made."""


class UnknownFrameworkError(ConfigurationError):
    """No installed plugin registers this framework."""


class UnknownBackendError(ConfigurationError):
    """No installed plugin registers this back end."""


class ImageError(ConfigurationError):
    """No container image fits the framework, version, Python version, region or instance type."""


class SourceError(ConfigurationError):
    """The user's code cannot be found or packaged."""


class InputError(ConfigurationError):
    """A channel handed to ``fit`` does not name usable data."""


class PluginError(ConfigurationError):
    """A plugin cannot be loaded, or what it returned breaks the hook's contract."""


class ArchiveError(SMError):
    """An archive is damaged, cannot be made, or holds what would lead out of its folder."""


class CodecError(SMError):
    """A payload cannot be encoded for, or decoded from, its content type."""


class RequestError(SMError):
    """AWS, or the local service, refused or failed a call.

    Attributes:
        code: the service's error code (``ValidationException``), or "" where there is none.
        operation: the operation's name (``CreateTrainingJob``).
    """

    def __init__(self, message: str, *, code: str = "", operation: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.operation = operation


class ModelError(RequestError):
    """The container answered a prediction with an error, or with nothing.

    ``str(error)`` holds the container's own message, cut where it is long; the attributes hold it
    whole.

    Attributes:
        status: the container's HTTP status: 4xx where it refused the request, 5xx where it failed;
            0 where it did not answer at all.
        container_message: what it said.
    """

    def __init__(self, message: str, *, status: int, container_message: str) -> None:
        super().__init__(message, code="ModelError", operation="InvokeEndpoint")
        self.status = status
        self.container_message = container_message

    def __reduce__(self) -> tuple[Any, ...]:
        """Survive the way back from another process."""
        rebuild = partial(ModelError, status=self.status, container_message=self.container_message)
        return rebuild, (str(self),)


class LocalServiceError(SMError):
    """The local service cannot be started, reached or used."""


class TrainingJobFailed(SMError):
    """A training job ended as ``Failed``.

    ``str(error)`` holds the job's name, the failure reason (the script's own exception in it) and
    the last log lines, long ones cut, 8 KiB in all; the attributes hold them whole.

    Attributes:
        job_name: the training job.
        failure_reason: the service's ``FailureReason``.
        exit_code: of the container, where the service reports one.
        log_tail: the last lines that the job logged, oldest first.
    """

    def __init__(
        self,
        job_name: str,
        *,
        failure_reason: str,
        exit_code: int | None = None,
        log_tail: Sequence[str] = (),
    ) -> None:
        self.job_name = job_name
        self.failure_reason = failure_reason
        self.exit_code = exit_code
        self.log_tail = tuple(log_tail)
        super().__init__(_with_log(f"training job {job_name} failed: {failure_reason}", log_tail))

    def __reduce__(self) -> tuple[Any, ...]:
        """Survive the way back from another process, where a pool may have run ``fit``."""
        rebuild = partial(
            TrainingJobFailed,
            failure_reason=self.failure_reason,
            exit_code=self.exit_code,
            log_tail=self.log_tail,
        )
        return rebuild, (self.job_name,)


class EndpointFailed(SMError):
    """An endpoint did not come into service.

    Attributes:
        endpoint_name: the endpoint.
        failure_reason: the service's ``FailureReason``.
        log_tail: the last lines that its containers logged, oldest first.
    """

    def __init__(
        self, endpoint_name: str, *, failure_reason: str, log_tail: Sequence[str] = ()
    ) -> None:
        self.endpoint_name = endpoint_name
        self.failure_reason = failure_reason
        self.log_tail = tuple(log_tail)
        # A service may put log lines into the reason, which the tail would repeat.
        reason = _without_log(failure_reason, log_tail)
        # Each worker process that cannot load the model logs the same traceback.
        shown = _unrepeated(log_tail)
        super().__init__(_with_log(f"endpoint {endpoint_name} failed: {reason}", shown))

    def __reduce__(self) -> tuple[Any, ...]:
        """Survive the way back from another process."""
        rebuild = partial(
            EndpointFailed, failure_reason=self.failure_reason, log_tail=self.log_tail
        )
        return rebuild, (self.endpoint_name,)


def _with_log(text: str, log_tail: Sequence[str]) -> str:
    """`text` and as many of the last log lines as fit, cut so that all can be read at a glance."""
    text = shortened(printable(text), _REASON_LIMIT)
    kept: list[str] = []
    room = _LIMIT - len(text)
    for line in reversed(log_tail):
        shown = f"  {shortened(printable(line), _LINE_LIMIT)}"
        room -= len(shown) + 1
        if room < 0:
            break
        kept.insert(0, shown)
    return "\n".join([text, "last log lines:", *kept]) if kept else text


def _without_log(reason: str, log_tail: Sequence[str]) -> str:
    """`reason` without the log lines at its end, and their title, that `log_tail` shows too."""
    lines = reason.splitlines()
    shown = set(log_tail)
    count = len(lines)
    while count > 1 and lines[count - 1] in shown:
        count -= 1
    if count == len(lines):
        return reason
    # What remains ends in a title: "It failed. Its last log lines:".
    sentence, stop, title = lines[count - 1].rpartition(". ")
    if stop and title.endswith(":"):
        lines[count - 1] = f"{sentence}."
    return "\n".join(lines[:count])


def _unrepeated(lines: Sequence[str]) -> list[str]:
    """`lines`, where three or more that come again at once are shown only once."""
    kept = list(lines)
    for size in range(len(kept) // 2, 2, -1):
        start = 0
        while start + 2 * size <= len(kept):
            if kept[start : start + size] == kept[start + size : start + 2 * size]:
                del kept[start : start + size]
            else:
                start += 1
    return kept
