"""The model server's bounds: what it takes from its variables, and what is fixed."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from sm_core.container.environment import ServingEnvironment
from sm_core.errors import ConfigurationError

__all__ = ["ServingLimits"]

_TRUE, _FALSE = ("true", "1"), ("", "false", "0")


@attrs.frozen(kw_only=True)
class ServingLimits:
    """Times are in seconds.

    Attributes:
        max_payload: bytes of the largest body.
        answer: within which a model answers one request; its worker is replaced if it does not.
        startup: within which a worker loads the model.
        transfer: within which a client sends a request, from its first byte to its last, and takes
            each part of a response.
        keep_alive: for which a connection may lie idle.
        grace: after SIGTERM, for the requests under way; the platform kills after 30.
        header: bytes of a request's line and headers.
        connections: at once; the server answers 503 to more.
        waiting: requests that wait for a worker, for each worker; the server answers 503 to more.
        access_log: whether each request is logged.
    """

    max_payload: int
    answer: float = 60
    startup: float = 600
    transfer: float = 60
    keep_alive: float = 75
    grace: float = 25
    header: int = 64 * 1024
    connections: int = 1000
    waiting: int = 100
    access_log: bool = False

    @classmethod
    def read(cls, environment: ServingEnvironment) -> ServingLimits:
        """The limits that the environment's variables set.

        Raises:
            ConfigurationError: a variable has the wrong form; names it.
        """
        variables = environment.variables
        whole = _seconds(variables, "SAGEMAKER_MODEL_SERVER_TIMEOUT", default=60)
        return cls(
            max_payload=environment.max_payload,
            answer=_seconds(variables, "SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS", default=whole),
            startup=_seconds(variables, "SAGEMAKER_STARTUP_TIMEOUT", default=600),
            transfer=_seconds(variables, "SMCORE_SERVER_TRANSFER_TIMEOUT", default=60),
            access_log=_flag(variables, "SMCORE_ACCESS_LOG"),
        )


def _seconds(variables: Mapping[str, str], name: str, *, default: float) -> float:
    text = variables.get(name)
    if not text:
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    # Not a number compares false with everything.
    if not 0 < seconds < float("inf"):
        raise ConfigurationError(f"{name} is {text!r}; it must be a number of seconds above 0")
    return seconds


def _flag(variables: Mapping[str, str], name: str) -> bool:
    text = variables.get(name, "").lower()
    if text not in (*_TRUE, *_FALSE):
        raise ConfigurationError(f"{name} is {text!r}; it must be true or false")
    return text in _TRUE
