"""The model server's HTTP, called as ASGI."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from sm_core.container.accesslog import AccessLog
from sm_core.container.app import Application
from sm_core.container.connections import GONE
from sm_core.container.messages import Answer
from sm_core.container.workerlink import Unanswered

LIMIT = 10
Call = Callable[..., tuple[int, dict[str, str], bytes]]


class Echo:
    """Answers with the request's frame; a body may ask for trouble."""

    def __init__(self) -> None:
        self.is_ready = True
        self.frames: list[bytes] = []

    def ask(self, frame: bytes, is_gone: Callable[[], bool]) -> asyncio.Future[Answer]:
        self.frames.append(frame)
        answer = asyncio.get_running_loop().create_future()
        if frame.endswith(b"none"):
            answer.set_result(Answer(204, [], b""))
        elif frame.endswith(b"die"):
            answer.set_exception(Unanswered(504, "no answer"))
        elif frame.endswith(b"leave"):
            answer.cancel()
        else:
            own = [(b"x-amzn-sagemaker-custom-attributes", b"own")] * frame.endswith(b"own")
            answer.set_result(Answer(201, [(b"content-type", b"a/b"), *own], frame[-4:]))
        return answer


@pytest.fixture
def workers() -> Echo:
    return Echo()


@pytest.fixture
def log() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def call(workers: Echo, log: io.StringIO) -> Call:
    """Make one request; status, headers and body of the answer."""
    application = Application(workers, max_payload=LIMIT, access_log=AccessLog(log))

    def make(
        method: str,
        path: str,
        *chunks: bytes,
        headers: Mapping[str, str] | None = None,
        gone: bool = False,
    ) -> tuple[int, dict[str, str], bytes]:
        messages: list[dict[str, Any]] = [
            {"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks
        ]
        messages.append({"type": "http.disconnect"} if gone else {"type": "http.request"})
        scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": [(k.lower().encode(), v.encode()) for k, v in (headers or {}).items()],
            "state": {GONE: lambda: gone},
        }
        return asyncio.run(exchange(application, scope, messages))

    return make


async def exchange(
    application: Application, scope: dict[str, Any], messages: list[dict[str, Any]]
) -> tuple[int, dict[str, str], bytes]:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    await application(scope, receive, send)
    if not sent:
        return 0, {}, b""
    start, *bodies = sent
    answered = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], answered, b"".join(message["body"] for message in bodies)


def test_ping_is_empty_and_tells_whether_there_is_a_worker(call: Call, workers: Echo) -> None:
    assert call("GET", "/ping") == (200, {"content-length": "0"}, b"")
    assert call("HEAD", "/ping")[0] == 200
    workers.is_ready = False
    assert call("GET", "/ping")[0] == 503


def test_an_invocation_reaches_the_workers(call: Call, workers: Echo) -> None:
    status, answered, body = call("POST", "/invocations", b"1,", b"2", headers={"Accept": "*/*"})
    assert (status, answered["content-type"], body) == (201, "a/b", b"/*1,2"[-4:])
    assert answered["content-length"] == "4"
    assert b"accept:*/*" in workers.frames[0]


@pytest.mark.parametrize("body", [b"fine", b"die", b"x" * (LIMIT + 1)])
def test_custom_attributes_come_back(body: bytes, call: Call) -> None:
    headers = {"X-Amzn-SageMaker-Custom-Attributes": "trace=7"}
    _, answered, _ = call("POST", "/invocations", body, headers=headers)
    assert answered["x-amzn-sagemaker-custom-attributes"] == "trace=7"


def test_the_model_s_own_custom_attributes_win(call: Call) -> None:
    headers = {"X-Amzn-SageMaker-Custom-Attributes": "trace=7"}
    _, answered, _ = call("POST", "/invocations", b"own", headers=headers)
    assert answered["x-amzn-sagemaker-custom-attributes"] == "own"


def test_a_response_without_a_body_has_no_length_either(call: Call) -> None:
    assert call("POST", "/invocations", b"none") == (204, {}, b"")


def test_a_request_that_nobody_answers_has_a_status_and_a_reason(call: Call) -> None:
    status, answered, body = call("POST", "/invocations", b"die")
    assert (status, body) == (504, b"no answer")
    assert answered["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("chunks", [(b"x" * (LIMIT + 1),), (b"x" * LIMIT, b"y"), (b"x",) * 20])
def test_too_much_is_413(call: Call, workers: Echo, chunks: tuple[bytes, ...]) -> None:
    status, _, body = call("POST", "/invocations", *chunks)
    assert (status, body) == (413, b"the body exceeds the limit of 10 bytes")
    assert call("POST", "/invocations", b"x" * LIMIT)[0] == 201
    assert len(workers.frames) == 1


def test_a_length_over_the_limit_is_refused_before_the_body_is_read(call: Call) -> None:
    headers = {"Content-Length": str(LIMIT + 1), "Expect": "100-continue"}
    assert call("POST", "/invocations", gone=True, headers=headers)[0] == 413


@pytest.mark.parametrize("body", [b"half", b"leave"])
def test_a_client_that_has_gone_gets_nothing(body: bytes, call: Call) -> None:
    assert call("POST", "/invocations", body, gone=True)[0] == 0


def test_other_paths_and_methods(call: Call) -> None:
    status, answered, _ = call("GET", "/invocations")
    assert (status, answered["allow"]) == (405, "POST")
    assert call("POST", "/ping")[0] == 405
    assert call("GET", "/")[0] == 404


def test_the_access_log_has_a_line_of_json_for_each_answer(call: Call, log: io.StringIO) -> None:
    call("POST", "/invocations", b"1234567")
    call("GET", "/nowhere\n{}")
    first, second = (json.loads(line) for line in log.getvalue().splitlines())
    assert (first["method"], first["path"], first["status"]) == ("POST", "/invocations", 201)
    assert (first["bytes_in"], first["bytes_out"]) == (7, 4)
    assert 0 <= first["seconds"] < 10
    assert first["time"].endswith("+00:00")
    assert (second["path"], second["status"]) == ("/nowhere\n{}", 404)
