"""``Backend``: where a Session's requests go, AWS or a service that a plugin brings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import attrs

from sm_core.errors import ConfigurationError

if TYPE_CHECKING:
    import boto3

__all__ = ["Backend", "Polling"]


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
        default_role: role to send where the user gives none; None where a role is required.
    """

    name: str
    boto_session: Callable[[], boto3.Session]
    polling: Polling
    instance_types: Mapping[str, str] = attrs.field(factory=dict)
    unusable: Callable[[str], str | None] = lambda instance_type: None
    default_role: str | None = None

    def in_requests(self, instance_type: str) -> str:
        """`instance_type` as a request names it.

        Raises:
            ConfigurationError: it is one of `instance_types` and cannot be used.
        """
        reason = self.unusable(instance_type) if instance_type in self.instance_types else None
        if reason is not None:
            raise ConfigurationError(f"instance type {instance_type!r} cannot be used: {reason}")
        return self.instance_types.get(instance_type, instance_type)
