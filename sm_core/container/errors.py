"""The exceptions of the container toolkit.

::

    SMError
    └── ContainerError                the container cannot do its work; the text says why
        ├── ScriptFailed              the user's script ended with an exit code other than zero
        ├── RequirementsFailed        requirements.txt, or the user's package, cannot be installed
        ├── InstallerFailed           uv or pip ended with an error
        ├── HostsUnreachable          other hosts of the job could not be resolved by name
        └── RequestRefused            a request to the model server is at fault (HTTP 4xx)
            ├── BadPayload            400: the body cannot be decoded or has the wrong shape
            ├── NotAcceptable         406: no content type that the client accepts can be written
            ├── PayloadTooLarge       413: the body exceeds the limit
            └── UnsupportedMediaType  415: the body's content type cannot be read

What is wrong with a user's code before it runs is an `sm_core.errors.SourceError`, with the job's
configuration an `sm_core.errors.ConfigurationError`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sm_core.errors import SMError

__all__ = [
    "BadPayload",
    "ContainerError",
    "HostsUnreachable",
    "InstallerFailed",
    "NotAcceptable",
    "PayloadTooLarge",
    "RequestRefused",
    "RequirementsFailed",
    "ScriptFailed",
    "UnsupportedMediaType",
]


class ContainerError(SMError):
    """The container cannot do its work."""


class ScriptFailed(ContainerError):
    """The user's script ended with an exit code other than zero.

    Attributes:
        exit_code: as a shell reports it: 128 plus the signal's number where one ended the script.
    """

    def __init__(self, reason: str, *, exit_code: int) -> None:
        super().__init__(reason)
        self.exit_code = exit_code


class RequirementsFailed(ContainerError):
    """requirements.txt, or the user's package, cannot be installed; the installer's own words."""


class InstallerFailed(ContainerError):
    """uv or pip ended with an error; the text is the end of what it said.

    Attributes:
        command: how it was started.
        exit_code: its own.
    """

    def __init__(self, said: str, *, command: Sequence[str], exit_code: int) -> None:
        super().__init__(said)
        self.command = tuple(command)
        self.exit_code = exit_code


class HostsUnreachable(ContainerError):
    """Other hosts of the job could not be resolved by name in time."""

    def __init__(self, hosts: Mapping[str, str], seconds: float) -> None:
        """
        Args:
            hosts: name → why.
            seconds: how long they were waited for.
        """
        why = ", ".join(f"{host} ({reason})" for host, reason in hosts.items())
        super().__init__(
            f"hosts of this job could not be resolved by name within {seconds:.0f} seconds: {why}. "
            "Each host of a job must reach all others; a security group or a network of yours may "
            "keep them apart, or another host may have ended before"
        )


class RequestRefused(ContainerError):
    """A request to the model server is at fault; the text is the response's body.

    Attributes:
        status: the HTTP status.
    """

    status = 400

    def __init__(self, reason: str, *, status: int | None = None) -> None:
        super().__init__(reason)
        if status is not None:
            self.status = status


class BadPayload(RequestRefused):
    """The body cannot be decoded, or has the wrong shape."""


class NotAcceptable(RequestRefused):
    """None of the content types that the client accepts can be written."""

    status = 406

    def __init__(self, accept: str, supported: Sequence[str]) -> None:
        super().__init__(
            f"cannot answer with {accept!r}; this model answers with: {', '.join(supported)}"
        )


class PayloadTooLarge(RequestRefused):
    """The body exceeds the limit."""

    status = 413

    def __init__(self, limit: int) -> None:
        super().__init__(f"the body exceeds the limit of {limit} bytes")


class UnsupportedMediaType(RequestRefused):
    """The body's content type cannot be read."""

    status = 415

    def __init__(self, content_type: str, supported: Sequence[str]) -> None:
        super().__init__(
            f"cannot read a body of type {content_type!r}; this model reads: {', '.join(supported)}"
        )
