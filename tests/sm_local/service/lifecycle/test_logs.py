"""CloudWatch Logs over the files of jobs and model servers."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.integ

GROUP = "/aws/sagemaker/TrainingJobs"
COUNT = 100


@pytest.fixture(scope="module")
def stream(shared: Any) -> dict[str, Any]:
    """The stream of a job that has ended, with lines that the test knows."""
    shared.train("logged")
    shared.ended("logged")
    (path,) = shared.home.jobs.glob("logged-*/logs/algo-1.log")
    lines = [f"{1000 + number} line {number}" for number in range(COUNT)]
    path.write_text("".join(f"{line}\n" for line in lines) + "9999 not yet whole")
    found = shared.client("logs").describe_log_streams(
        logGroupName=GROUP, logStreamNamePrefix="logged/"
    )["logStreams"]
    (described,) = found
    return {"logGroupName": GROUP, "logStreamName": described["logStreamName"]}


def numbers(answer: dict[str, Any]) -> list[int]:
    return [int(event["message"].removeprefix("line ")) for event in answer["events"]]


def test_the_streams_of_jobs(shared: Any, stream: dict[str, Any]) -> None:
    shared.train("logged-too")
    shared.ended("logged-too")
    logs = shared.client("logs")
    assert stream["logStreamName"].startswith("logged/algo-1-1")
    pages = logs.get_paginator("describe_log_streams").paginate(
        logGroupName=GROUP, PaginationConfig={"PageSize": 1}
    )
    streams = [each for page in pages for each in page["logStreams"]]
    assert [each["logStreamName"].partition("/")[0] for each in streams] == ["logged-too", "logged"]
    assert streams[1]["firstEventTimestamp"] == 1000
    assert streams[1]["arn"].endswith(f":log-group:{GROUP}:log-stream:{stream['logStreamName']}")
    newest = logs.describe_log_streams(
        logGroupName=GROUP, orderBy="LastEventTime", descending=True, limit=1
    )
    assert len(newest["logStreams"]) == 1


def test_the_stream_of_an_endpoint(shared: Any) -> None:
    shared.deploy("logged")
    assert shared.endpoint("logged")["EndpointStatus"] == "InService"
    logs = shared.client("logs")
    group = "/aws/sagemaker/Endpoints/logged"
    (described,) = logs.describe_log_streams(logGroupName=group)["logStreams"]
    assert described["logStreamName"].startswith("AllTraffic/i-")
    answer = logs.get_log_events(
        logGroupName=group, logStreamName=described["logStreamName"], startFromHead=True
    )
    assert [event["message"] for event in answer["events"]][:2] == [
        "building the environment",
        "serving",
    ]


def test_from_the_head_and_from_the_tail(shared: Any, stream: dict[str, Any]) -> None:
    logs = shared.client("logs")
    head = logs.get_log_events(**stream, startFromHead=True, limit=3)
    assert numbers(head) == [0, 1, 2]
    assert head["events"][0]["timestamp"] == 1000
    tail = logs.get_log_events(**stream, limit=3)
    assert numbers(tail) == [COUNT - 3, COUNT - 2, COUNT - 1]
    assert numbers(logs.get_log_events(**stream, nextToken=tail["nextBackwardToken"], limit=2)) == [
        COUNT - 5,
        COUNT - 4,
    ]


def test_times(shared: Any, stream: dict[str, Any]) -> None:
    logs = shared.client("logs")
    middle = {"startTime": 1010, "endTime": 1013}
    assert numbers(logs.get_log_events(**stream, **middle, startFromHead=True)) == [10, 11, 12]
    assert numbers(logs.get_log_events(**stream, **middle)) == [10, 11, 12]
    assert numbers(logs.get_log_events(**stream, startTime=5000)) == []
    far = {"startTime": 1090, "startFromHead": True, "limit": 4}
    assert numbers(logs.get_log_events(**stream, **far)) == [90, 91, 92, 93]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10)
@given(limit=st.integers(1, COUNT + 5), forward=st.booleans())
def test_pages_together_are_the_log(
    shared: Any, stream: dict[str, Any], limit: int, forward: bool
) -> None:
    logs = shared.client("logs")
    token = "nextForwardToken" if forward else "nextBackwardToken"
    found: list[int] = []
    request = {**stream, "limit": limit, "startFromHead": forward}
    while True:
        answer = logs.get_log_events(**request)
        found = found + numbers(answer) if forward else numbers(answer) + found
        if answer[token] == request.get("nextToken"):
            break
        request["nextToken"] = answer[token]
    assert found == list(range(COUNT))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"logGroupName": "/aws/other"}, "ResourceNotFoundException"),
        ({"logGroupName": "/aws/sagemaker/Endpoints/nobody"}, "ResourceNotFoundException"),
        ({"logStreamName": "logged/algo-1-1"}, "ResourceNotFoundException"),
        ({"logStreamName": "nobody/algo-1-1"}, "ResourceNotFoundException"),
        ({"nextToken": "f/x"}, "InvalidParameterException"),
    ],
)
def test_what_is_not_there(
    shared: Any, stream: dict[str, Any], changes: dict[str, str], code: str
) -> None:
    with pytest.raises(ClientError) as caught:
        shared.client("logs").get_log_events(**{**stream, **changes})
    assert caught.value.response["Error"]["Code"] == code


def test_there_is_no_group_before_the_first_line(service: Any) -> None:
    with pytest.raises(ClientError, match="The specified log group does not exist"):
        service.client("logs").describe_log_streams(logGroupName=GROUP)
