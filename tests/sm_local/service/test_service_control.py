"""The service's requests about itself (`sm_local.service.control`), over HTTP."""

from __future__ import annotations

import asyncio
import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials

from sm_local.home import Credentials
from sm_local.jobnetwork import NETWORK_VARIABLE

if TYPE_CHECKING:
    from tests.sm_local.service.conftest import Served

pytestmark = pytest.mark.integ


def ask(
    served: Served, method: str, path: str, body: bytes = b"", pair: Credentials | None = None
) -> tuple[int, Any]:
    """(status, answer) of a signed request."""
    import orjson
    import urllib3

    pair = pair or served.context.home.credentials()
    request = AWSRequest(method=method, url=served.url + path, data=body)
    credentials = BotoCredentials(pair.access_key_id, pair.secret_access_key)
    SigV4Auth(credentials, "sm-local", "us-east-1").add_auth(request)
    answer = urllib3.request(
        method, served.url + path, body=body, headers=dict(request.headers), retries=False
    )
    return answer.status, orjson.loads(answer.data)


def test_status(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NETWORK_VARIABLE, "shared")
    assert ask(served, "GET", "/_sm_local/status") == (
        200,
        {
            "version": version("sm-local"),
            "home": str(served.context.home.path),
            "port": served.port,
            "jobs": {"running": 1},
            "endpoints": ["endpoint-1"],
            "hosts": {"network": "shared", "reason": f"{NETWORK_VARIABLE} says so"},
        },
    )


def test_shutdown_leaves_jobs_alone(served: Served) -> None:
    assert ask(served, "POST", "/_sm_local/shutdown", b'{"jobs": false}') == (
        200,
        {"endpoints_stopped": ["endpoint-1"], "jobs_running": ["job-1"]},
    )
    assert served.app.shutdown_requested.is_set()
    assert served.jobs.calls == ["start"]
    assert served.endpoints.calls == ["start", "stop_all"]


def test_shutdown_stops_jobs_when_asked(served: Served) -> None:
    assert ask(served, "POST", "/_sm_local/shutdown", b'{"jobs": true}') == (
        200,
        {"endpoints_stopped": ["endpoint-1"], "jobs_running": []},
    )
    assert served.jobs.calls == ["start", "stop job-1"]


def test_shutdown_waits_for_the_jobs(served: Served) -> None:
    jobs = served.jobs
    stop_job = jobs.stop_job
    ending: list[asyncio.Task[None]] = []

    async def slowly(name: str) -> None:
        async def end() -> None:
            await asyncio.sleep(0.3)
            await stop_job(name)

        ending.append(served.context.spawn(end()))

    jobs.stop_job = slowly  # type: ignore[method-assign]  # a job that takes its time
    begin = time.monotonic()
    _, answer = ask(served, "POST", "/_sm_local/shutdown", b'{"jobs": true}')
    assert time.monotonic() - begin >= 0.3
    assert answer["jobs_running"] == []


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"jobs": 1}'])
def test_a_bad_shutdown_does_nothing(served: Served, body: bytes) -> None:
    status, answer = ask(served, "POST", "/_sm_local/shutdown", body)
    assert status == 400
    assert answer["__type"] in ("SerializationException", "ValidationException")
    assert not served.app.shutdown_requested.is_set()


def test_a_job_may_not_ask(served: Served) -> None:
    pair = served.context.keys.issue("job")
    status, answer = ask(served, "POST", "/_sm_local/shutdown", b"{}", pair)
    assert (status, answer["__type"]) == (403, "AccessDeniedException")
    assert not served.app.shutdown_requested.is_set()


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/_sm_local/shutdown"), ("GET", "/_sm_local/x"), ("GET", "/")]
)
def test_what_there_is_not(served: Served, method: str, path: str) -> None:
    status, answer = ask(served, method, path)
    assert (status, answer["__type"]) == (404, "UnknownOperationException")
