"""``Backend``: where a Session's requests go, AWS or a service of a plugin; finding one by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING

import attrs

from sm_core.errors import ConfigurationError, PluginError, UnknownBackendError
from sm_core.images import family_of

if TYPE_CHECKING:
    import boto3

    from sm_core.plugins import PluginManager

__all__ = ["Backend", "Polling", "backend_of", "find_backend"]

#: Back ends of this project's own plugins, the distributions that bring them and their instance
#: types, so that a missing one can be named with the command that installs it.
_KNOWN_DISTRIBUTIONS = {"local": "sm-local"}
_KNOWN_INSTANCE_TYPES = {"local": "local", "local_gpu": "local"}


@attrs.frozen(kw_only=True)
class Polling:
    """How often to ask about something that is under way.

    Attributes:
        first: seconds before the second question.
        factor: what each interval is multiplied by, while nothing changes.
        ceiling: seconds that no interval exceeds.
    """

    first: float
    factor: float
    ceiling: float

    def every(self, seconds: float | None) -> Polling:
        """This, or a question every so many `seconds`."""
        if seconds is None:
            return self
        return Polling(first=seconds, factor=1, ceiling=seconds)


@attrs.frozen(kw_only=True)
class Backend:
    """A place that answers SageMaker's API.

    Attributes:
        name: what users write in ``Session(backend=…)``.
        boto_session: makes the boto3 session that all clients come from; called on first use.
        polling: how often to ask about jobs and endpoints.
        instance_types: instance types that only this back end knows, and what each stands for in
            a request (``local`` → ``ml.c5.xlarge``). Naming one chooses the back end.
        unusable: why one of `instance_types` cannot be used here and now, and what can; None for
            one that can. Asked before anything is sent.
        runs_own_containers: whether it runs containers of the plugins' own wherever a request names
            an image of a framework; else the image itself runs, and knows what it knows.
        default_role: role to send where the user gives none; None where a role is required.
    """

    name: str
    boto_session: Callable[[], boto3.Session]
    polling: Polling
    instance_types: Mapping[str, str] = attrs.field(factory=dict)
    unusable: Callable[[str], str | None] = lambda instance_type: None
    runs_own_containers: bool = False
    default_role: str | None = None

    def in_requests(self, instance_type: str) -> str:
        """`instance_type` as a request names it.

        Raises:
            ConfigurationError: it is no instance type, or one of `instance_types` that cannot be
                used.
        """
        if not instance_type:
            raise ConfigurationError("an instance type is missing; one looks like 'ml.c5.xlarge'")
        reason = self.unusable(instance_type) if instance_type in self.instance_types else None
        if reason is not None:
            raise ConfigurationError(f"instance type {instance_type!r} cannot be used: {reason}")
        known = self.instance_types.get(instance_type, instance_type)
        family_of(known)
        return known


def find_backend(name: str) -> Backend:
    """The back end called `name`.

    Raises:
        UnknownBackendError: no installed plugin brings it; names the command that would.
        PluginError: several plugins bring it.
    """
    backends = _backends()
    if name not in backends:
        raise UnknownBackendError(_unknown_backend(name))
    (backend, *others) = backends[name].values()
    if others:
        raise PluginError(
            f"several plugins bring the back end {name!r}: {', '.join(backends[name])}; "
            "uninstall all but one of them"
        )
    return backend


def backend_of(instance_type: str) -> str | None:
    """The back end that alone knows `instance_type`, if there is one."""
    for name, brought in _backends().items():
        if any(instance_type in backend.instance_types for backend in brought.values()):
            return name
    return _KNOWN_INSTANCE_TYPES.get(instance_type)


def _backends() -> dict[str, dict[str, Backend]]:
    from sm_core.plugins import client_plugins

    return _collected(client_plugins())


@cache
def _collected(plugins: PluginManager) -> dict[str, dict[str, Backend]]:
    """Back ends by name, and of each name by the plugin that brings it."""
    backends: dict[str, dict[str, Backend]] = {}
    for plugin, backend in plugins.collect("sm_backends", Backend):
        backends.setdefault(backend.name, {})[plugin] = backend
    return backends


def _unknown_backend(name: str) -> str:
    from sm_core.plugins import client_plugins

    text = f"no installed plugin brings the back end {name!r}"
    distribution = _KNOWN_DISTRIBUTIONS.get(name)
    broken = [load for load in client_plugins().broken() if load.distribution == distribution]
    if broken:
        return f"{text}: {broken[0].describe()}"
    if distribution is not None:
        return f"{text}; install it with: pip install {distribution}"
    names = sorted(_backends())
    near = difflib.get_close_matches(name, [*names, *_KNOWN_DISTRIBUTIONS], n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    return f"{text}{hint} There are: {', '.join(names)}"
