"""What there is in an account, page by page as it is read: jobs, endpoints, a job's log lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sm_core.clients import translated_errors
from sm_core.logs import TRAINING_GROUP, LogLine, LogTail

if TYPE_CHECKING:
    from sm_core.session import Session

__all__ = ["list_endpoints", "list_training_jobs", "training_log"]

#: What the List operations give at most in one answer.
_MOST = 100


def list_training_jobs(
    session: Session,
    *,
    status: str | None = None,
    name_contains: str | None = None,
    limit: int | None = None,
) -> Iterator[Mapping[str, Any]]:
    """Summaries of training jobs as ListTrainingJobs gives them, the newest first.

    Args:
        session: whose.
        status: only jobs of this TrainingJobStatus.
        name_contains: only jobs with this in their name.
        limit: how many at most; None for all.

    Raises:
        RequestError: the service refuses; while they are read.
    """
    return _listed(
        session,
        "list_training_jobs",
        "TrainingJobSummaries",
        limit=limit,
        StatusEquals=status,
        NameContains=name_contains,
    )


def list_endpoints(
    session: Session,
    *,
    status: str | None = None,
    name_contains: str | None = None,
    limit: int | None = None,
) -> Iterator[Mapping[str, Any]]:
    """Summaries of endpoints as ListEndpoints gives them; arguments as of `list_training_jobs`."""
    return _listed(
        session,
        "list_endpoints",
        "Endpoints",
        limit=limit,
        StatusEquals=status,
        NameContains=name_contains,
    )


def training_log(session: Session, job_name: str) -> Iterator[list[LogLine]]:
    """All that a job has logged so far, in pieces: the lines of each host in their order.

    Raises:
        RequestError: they cannot be read.
    """
    log = LogTail(session.client("logs"), TRAINING_GROUP, f"{job_name}/")
    more = True
    while more:
        more = False
        for lines in log.pages():
            more = True
            yield lines


def _listed(
    session: Session, operation: str, member: str, *, limit: int | None, **filters: str | None
) -> Iterator[Mapping[str, Any]]:
    request: dict[str, Any] = {name: value for name, value in filters.items() if value is not None}
    # A page is no larger than what is wanted of it.
    size = _MOST if limit is None else min(limit, _MOST)
    with translated_errors():
        pages = session.sagemaker_client.get_paginator(operation).paginate(
            SortBy="CreationTime",
            SortOrder="Descending",
            PaginationConfig={"MaxItems": limit, "PageSize": size},
            **request,
        )
        for page in pages:
            yield from page[member]
