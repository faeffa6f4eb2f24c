"""Jobs, endpoints and log lines, read page by page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest
from botocore.stub import Stubber

from sm_core.errors import RequestError
from sm_core.listings import list_endpoints, list_training_jobs, training_log
from sm_core.logs import TRAINING_GROUP
from sm_core.session import Session

Refuse = Callable[..., None]
WriteLog = Callable[..., None]
WHEN = datetime(2017, 11, 29, 12, 30, tzinfo=timezone.utc)


def job(name: str) -> dict[str, Any]:
    return {
        "TrainingJobName": name,
        "TrainingJobArn": f"arn:aws:sagemaker:us-east-1:123456789012:training-job/{name}",
        "CreationTime": WHEN,
        "TrainingJobStatus": "Completed",
    }


def test_jobs_are_asked_for_newest_first_and_by_page(session: Session) -> None:
    common = {"SortBy": "CreationTime", "SortOrder": "Descending", "MaxResults": 100}
    first = {"TrainingJobSummaries": [job("c"), job("b")], "NextToken": "t"}
    with Stubber(session.sagemaker_client) as stubber:
        stubber.add_response("list_training_jobs", first, common)
        last = {"TrainingJobSummaries": [job("a")]}
        stubber.add_response("list_training_jobs", last, {**common, "NextToken": "t"})
        found = list_training_jobs(session)
        assert next(found)["TrainingJobName"] == "c"
        # The next page is asked for when it is needed.
        assert [each["TrainingJobName"] for each in found] == ["b", "a"]
        stubber.assert_no_pending_responses()


def test_only_as_many_as_are_wanted_and_only_those_that_match(session: Session) -> None:
    expected = {
        "SortBy": "CreationTime",
        "SortOrder": "Descending",
        "MaxResults": 1,
        "StatusEquals": "Completed",
        "NameContains": "b",
    }
    with Stubber(session.sagemaker_client) as stubber:
        answer = {"TrainingJobSummaries": [job("b")], "NextToken": "t"}
        stubber.add_response("list_training_jobs", answer, expected)
        found = list_training_jobs(session, status="Completed", name_contains="b", limit=1)
        assert [each["TrainingJobName"] for each in found] == ["b"]
        stubber.assert_no_pending_responses()


def test_endpoints_are_listed_alike(session: Session) -> None:
    endpoint = {
        "EndpointName": "e",
        "EndpointArn": "arn:aws:sagemaker:us-east-1:123456789012:endpoint/e",
        "CreationTime": WHEN,
        "LastModifiedTime": WHEN,
        "EndpointStatus": "InService",
    }
    expected = {"SortBy": "CreationTime", "SortOrder": "Descending", "MaxResults": 100}
    with Stubber(session.sagemaker_client) as stubber:
        stubber.add_response("list_endpoints", {"Endpoints": [endpoint]}, expected)
        assert list(list_endpoints(session)) == [endpoint]


def test_a_refusal_is_an_error_of_ours(session: Session, refuse: Refuse) -> None:
    client = session.sagemaker_client
    refuse(client, "ListTrainingJobs", code="AccessDeniedException", message="no", status=403)
    with pytest.raises(RequestError, match="ListTrainingJobs: no"):
        list(list_training_jobs(session))


def test_all_lines_of_a_log_are_read(session: Session, write_log: WriteLog) -> None:
    write_log(TRAINING_GROUP, "job/algo-1-1511395200", *(f"line {n}" for n in range(25)))
    write_log(TRAINING_GROUP, "job/algo-2-1511395200", "other")
    write_log(TRAINING_GROUP, "job2/algo-1-1511395200", "not ours")
    lines = [line for lines in training_log(session, "job") for line in lines]
    by_host = [line.text for line in lines if line.source == "algo-1"]
    assert by_host == [f"line {n}" for n in range(25)]
    assert [line.text for line in lines if line.source == "algo-2"] == ["other"]
    assert len(lines) == 26
    assert list(training_log(session, "unknown")) == []
