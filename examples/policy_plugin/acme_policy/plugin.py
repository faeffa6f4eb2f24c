"""The two hooks of the policy; what they need is imported when they are called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sm_core.plugins import hookimpl

if TYPE_CHECKING:
    from sm_core.requests import RequestContext


@hookimpl
def sm_request(context: RequestContext, request: Mapping[str, Any]) -> dict[str, Any] | None:
    """Complete the request: tags, VPC, the mirror's images."""
    if not _concerns_us(context):
        return None
    from acme_policy.rules import completed

    return completed(context.operation, request)


@hookimpl
def sm_check_request(context: RequestContext, request: Mapping[str, Any]) -> None:
    """Refuse what the rules forbid, whoever put it there: the user, or a plugin after ours."""
    if not _concerns_us(context):
        return
    from acme_policy.rules import violations
    from sm_core import ConfigurationError

    found = list(violations(context.operation, request))
    if found:
        raise ConfigurationError(
            f"Acme's policy refuses {context.operation}: {'; '.join(found)}. "
            "Questions: platform@acme.example"
        )


def _concerns_us(context: RequestContext) -> bool:
    return context.service == "sagemaker" and context.backend != "local"
