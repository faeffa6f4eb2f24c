"""The model server's HTTP: ``/ping`` and ``/invocations``, as an ASGI application."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from sm_core.container.accesslog import AccessLog
from sm_core.container.connections import GONE
from sm_core.container.errors import PayloadTooLarge, RequestRefused
from sm_core.container.messages import BODILESS, CUSTOM_ATTRIBUTES, Answer, request_frame
from sm_core.container.workerlink import Unanswered

__all__ = ["Application", "Workers"]

_ATTRIBUTES = CUSTOM_ATTRIBUTES.encode()
_TEXT = (b"content-type", b"text/plain; charset=utf-8")

_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Workers(Protocol):
    """What answers requests; `sm_core.container.pool.Pool` is it."""

    @property
    def is_ready(self) -> bool:
        """Whether requests can be answered."""

    def ask(self, frame: bytes, is_gone: Callable[[], bool]) -> asyncio.Future[Answer]:
        """The answer to a request."""


class _Disconnected(Exception):
    """The client has gone before its request was complete."""


class Application:
    """Takes requests from clients to `workers`."""

    def __init__(
        self, workers: Workers, *, max_payload: int, access_log: AccessLog | None = None
    ) -> None:
        """
        Args:
            workers: what answers.
            max_payload: bytes of the largest body.
            access_log: told of each answer.
        """
        self._workers = workers
        self._max_payload = max_payload
        self._access_log = access_log

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        began = time.perf_counter()
        size = 0
        path, method = scope["path"], scope["method"]
        if path == "/invocations":
            if method == "POST":
                try:
                    answer, size = await self._invoke(scope, receive)
                except _Disconnected:
                    return
            else:
                answer = _text(405, f"{method} is not for /invocations; use POST", b"POST")
        elif path == "/ping":
            answer = self._ping(method)
        else:
            answer = _text(404, f"there is no {path}, only /ping and /invocations")
        headers = answer.headers
        if answer.status not in BODILESS:
            headers = [(b"content-length", b"%d" % len(answer.body)), *headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})
        if self._access_log is not None:
            self._access_log.write(scope, answer, size, seconds=time.perf_counter() - began)

    def _ping(self, method: str) -> Answer:
        if method not in ("GET", "HEAD"):
            return _text(405, f"{method} is not for /ping; use GET", b"GET, HEAD")
        return Answer(200, [], b"") if self._workers.is_ready else _text(503, "no worker is ready")

    async def _invoke(self, scope: _Scope, receive: _Receive) -> tuple[Answer, int]:
        """The answer, and how many bytes of a body were taken."""
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        is_gone: Callable[[], bool] = scope.get("state", {}).get(GONE, _never)
        size = 0
        try:
            body = await self._body(headers, receive)
            size = len(body)
            answer = await self._workers.ask(request_frame(headers, body), is_gone)
        except asyncio.CancelledError:
            if is_gone():
                raise _Disconnected from None
            raise
        except RequestRefused as error:
            answer = _text(error.status, str(error))
        except Unanswered as error:
            answer = _text(error.status, str(error))
        return _with_attributes(answer, headers), size

    async def _body(self, headers: list[tuple[bytes, bytes]], receive: _Receive) -> bytes:
        """The whole body. What exceeds the limit is not kept; the server reads it to its end."""
        for name, value in headers:
            if name == b"content-length" and int(value) > self._max_payload:
                raise PayloadTooLarge(self._max_payload)
        message = await receive()
        body: bytes = message.get("body", b"")
        if message.get("more_body", False):
            chunks, size = [body], len(body)
            while message.get("more_body", False) and size <= self._max_payload:
                message = await receive()
                chunks.append(message.get("body", b""))
                size += len(chunks[-1])
            body = b"".join(chunks)
        if message["type"] == "http.disconnect":
            raise _Disconnected
        if len(body) > self._max_payload:
            raise PayloadTooLarge(self._max_payload)
        return body


def _never() -> bool:
    return False


def _with_attributes(answer: Answer, headers: list[tuple[bytes, bytes]]) -> Answer:
    """Custom attributes come back, unless the model's code has set its own."""
    given = next((value for name, value in headers if name == _ATTRIBUTES), None)
    if given is None or any(name == _ATTRIBUTES for name, _ in answer.headers):
        return answer
    return answer._replace(headers=[*answer.headers, (_ATTRIBUTES, given)])


def _text(status: int, text: str, allow: bytes | None = None) -> Answer:
    """A reason, for people."""
    headers = [_TEXT] if allow is None else [_TEXT, (b"allow", allow)]
    return Answer(status, headers, text.encode("utf-8", "backslashreplace"))
