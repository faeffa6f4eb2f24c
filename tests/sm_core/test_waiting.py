"""Ever longer pauses, and patience with faults that pass by themselves."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import botocore.exceptions
import pytest

from sm_core.backends import Polling
from sm_core.clients import translated_errors
from sm_core.errors import RequestError
from sm_core.waiting import intervals, patiently

AT_ONCE = Polling(first=0, factor=1, ceiling=0)


@pytest.mark.parametrize(
    ("polling", "seconds"),
    [
        (Polling(first=5, factor=1.5, ceiling=30), [5, 7.5, 11.25, 16.875, 25.3125, 30, 30]),
        (Polling(first=0.5, factor=2, ceiling=1), [0.5, 1, 1, 1]),
        (Polling(first=0, factor=2, ceiling=1), [0, 0]),
    ],
)
def test_questions_come_ever_more_seldom(polling: Polling, seconds: list[float]) -> None:
    assert list(itertools.islice(intervals(polling), len(seconds))) == seconds


def refusal(code: str, status: int = 400) -> Exception:
    """An error that AWS answers."""
    answer: Any = {
        "Error": {"Code": code, "Message": "not now"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return botocore.exceptions.ClientError(answer, "DescribeTrainingJob")


def question(*faults: Exception) -> Callable[[], str]:
    """Fails with each of `faults`, then answers."""
    left = list(faults)

    def ask() -> str:
        with translated_errors():
            if left:
                raise left.pop(0)
        return "answer"

    return ask


PASSING = [
    refusal("ThrottlingException"),
    refusal("Throttling"),
    refusal("RequestLimitExceeded", 503),
    refusal("InternalFailure", 500),
    refusal("", 502),
    botocore.exceptions.EndpointConnectionError(endpoint_url="https://aws"),
    botocore.exceptions.ConnectTimeoutError(endpoint_url="https://aws"),
    botocore.exceptions.ReadTimeoutError(endpoint_url="https://aws"),
    botocore.exceptions.ConnectionClosedError(endpoint_url="https://aws"),
]


def test_passing_faults_are_waited_out_and_mentioned_once() -> None:
    said: list[str] = []
    assert patiently(question(*PASSING), polling=AT_ONCE, say=said.append) == "answer"
    assert said == [
        "DescribeTrainingJob: not now (ThrottlingException); trying again for 5 minutes"
    ]


@pytest.mark.parametrize(
    "fault",
    [
        refusal("AccessDeniedException"),
        refusal("ValidationException"),
        botocore.exceptions.UnknownServiceError(service_name="x", known_service_names=[]),
    ],
)
def test_other_faults_are_raised_at_once(fault: Exception) -> None:
    said: list[str] = []
    with pytest.raises(RequestError) as caught:
        patiently(question(fault), polling=AT_ONCE, say=said.append)
    assert caught.value.__cause__ is fault
    assert said == []


def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = itertools.count(step=100)
    monkeypatch.setattr("time.monotonic", lambda: next(seconds))
    asked = itertools.count()

    def ask() -> None:
        next(asked)
        with translated_errors():
            raise refusal("Throttling")

    with pytest.raises(RequestError, match="not now"):
        patiently(ask, polling=AT_ONCE, say=lambda text: None)
    assert next(asked) == 4
