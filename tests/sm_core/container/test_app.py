"""The model server's HTTP, called as ASGI."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from sm_core.container.app import Application
from sm_core.container.errors import RequestRefused
from sm_core.container.inference import InferenceHandler, Request, Response

LIMIT = 10
Call = Callable[..., tuple[int, dict[str, str], bytes]]


class Handler(InferenceHandler):
    """Answers with the request; a body may ask for trouble."""

    def __init__(self) -> None:
        self.threads: set[str] = set()

    def handle(self, request: Request) -> Response:
        self.threads.add(threading.current_thread().name)
        match request.body:
            case b"refuse":
                raise RequestRefused("not this one", status=418)
            case b"raise":
                raise ValueError("bad ä\nin two lines")
            case b"exit":
                raise SystemExit(3)
        return Response(b"|".join(part.encode() for part in request[1:]), "text/plain")


@pytest.fixture
def handler() -> Handler:
    return Handler()


@pytest.fixture
def call(handler: Handler, tmp_path: Path) -> Iterator[Call]:
    """Make one request; status, headers and body of the answer."""
    with ThreadPoolExecutor(1, thread_name_prefix="model") as executor:
        application = Application(handler, executor=executor, max_payload=LIMIT, code_dir=tmp_path)

        def make(
            method: str,
            path: str,
            *chunks: bytes,
            headers: Mapping[str, str] | None = None,
            gone: bool = False,
        ) -> tuple[int, dict[str, str], bytes]:
            return asyncio.run(request(application, method, path, chunks, headers or {}, gone))

        yield make


async def request(*args: Any) -> tuple[int, dict[str, str], bytes]:
    application, method, path, chunks, headers, gone = args
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks
    ]
    messages.append({"type": "http.disconnect"} if gone else {"type": "http.request"})
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await application(scope, receive, send)
    if not sent:
        return 0, {}, b""
    start, *bodies = sent
    answered = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], answered, b"".join(message["body"] for message in bodies)


def test_ping_is_empty(call: Call) -> None:
    assert call("GET", "/ping") == (200, {"content-length": "0"}, b"")


def test_an_invocation_reaches_the_handler_s_thread(call: Call, handler: Handler) -> None:
    headers = {"Content-Type": "text/csv", "Accept": "*/*"}
    status, answered, body = call("POST", "/invocations", b"1,", b"2", headers=headers)
    assert (status, answered["content-type"], body) == (200, "text/plain", b"text/csv|*/*")
    assert handler.threads == {"model_0"}


def test_custom_attributes_come_back(call: Call) -> None:
    headers = {"X-Amzn-SageMaker-Custom-Attributes": "trace=7"}
    for body in (b"fine", b"raise", b"refuse"):
        _, answered, _ = call("POST", "/invocations", body, headers=headers)
        assert answered["x-amzn-sagemaker-custom-attributes"] == "trace=7"


def test_a_refusal_has_its_status_and_reason(call: Call) -> None:
    status, answered, body = call("POST", "/invocations", b"refuse")
    assert (status, body) == (418, b"not this one")
    assert answered["content-type"] == "text/plain; charset=utf-8"


def test_an_exception_is_500_with_type_and_message(
    call: Call, caplog: pytest.LogCaptureFixture
) -> None:
    status, _, body = call("POST", "/invocations", b"raise")
    assert (status, body.decode()) == (500, "ValueError: bad ä\nin two lines")
    assert "Traceback" in caplog.text
    assert call("POST", "/invocations", b"exit")[0] == 500


@pytest.mark.parametrize("chunks", [(b"x" * (LIMIT + 1),), (b"x" * LIMIT, b"y")])
def test_too_much_is_413(call: Call, chunks: tuple[bytes, ...]) -> None:
    status, _, body = call("POST", "/invocations", *chunks)
    assert (status, body) == (413, b"the body exceeds the limit of 10 bytes")
    assert call("POST", "/invocations", b"x" * LIMIT)[0] == 200


def test_a_client_that_has_gone_gets_nothing(call: Call, handler: Handler) -> None:
    assert call("POST", "/invocations", b"half", gone=True)[0] == 0
    assert not handler.threads


def test_other_paths_and_methods(call: Call) -> None:
    status, answered, _ = call("GET", "/invocations")
    assert (status, answered["allow"]) == (405, "POST")
    assert call("GET", "/")[0] == 404
