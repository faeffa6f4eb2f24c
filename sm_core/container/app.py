"""The model server's HTTP: ``/ping`` and ``/invocations``, as an ASGI application."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from sm_core.container.errors import PayloadTooLarge, RequestRefused
from sm_core.container.failure import log_exception
from sm_core.container.inference import InferenceHandler, Request, Response

__all__ = ["Application"]

CUSTOM_ATTRIBUTES = b"x-amzn-sagemaker-custom-attributes"
#: Bytes read beyond the limit before the connection is given up, so that a client that is only
#: somewhat too big reads the answer instead of meeting a closed connection.
_DRAINED = 64 * 1024 * 1024

_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_Headers = Iterable[tuple[bytes, bytes]]


class Disconnected(Exception):
    """The client has gone before its request was complete."""


class ModelCodeFailed(Exception):
    """The model's code raised an exception; the text is its type and message."""


class Application:
    """Answers with a handler, whose calls run in `executor` so that ``/ping`` stays answered."""

    def __init__(
        self,
        handler: InferenceHandler,
        *,
        executor: Executor,
        max_payload: int,
        code_dir: Path,
    ) -> None:
        self._handler = handler
        self._executor = executor
        self._max_payload = max_payload
        self._code_dir = code_dir

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        path, method = scope["path"], scope["method"]
        if path == "/invocations":
            if method != "POST":
                await _send_text(send, 405, f"{method} is not for /invocations; use POST", _ALLOW)
                return
            await self._invoke(dict(scope["headers"]), receive, send)
        elif path == "/ping":
            await _send(send, 200, b"")
        else:
            await _send_text(send, 404, f"there is no {path}, only /ping and /invocations")

    async def _invoke(self, headers: dict[bytes, bytes], receive: _Receive, send: _Send) -> None:
        attributes = headers.get(CUSTOM_ATTRIBUTES)
        passed_on = [] if attributes is None else [(CUSTOM_ATTRIBUTES, attributes)]
        try:
            request = Request(
                body=await self._body(receive),
                content_type=headers.get(b"content-type", b"").decode("latin-1"),
                accept=headers.get(b"accept", b"").decode("latin-1"),
            )
            loop = asyncio.get_running_loop()
            response = await loop.run_in_executor(self._executor, self._handle, request)
        except Disconnected:
            return
        except RequestRefused as error:
            await _send_text(send, error.status, str(error), passed_on)
        except ModelCodeFailed as error:
            await _send_text(send, 500, str(error), passed_on)
        else:
            content_type = response.content_type.encode("latin-1", "replace")
            await _send(send, 200, response.body, [(b"content-type", content_type), *passed_on])

    def _handle(self, request: Request) -> Response:
        try:
            return self._handler.handle(request)
        except RequestRefused:
            raise
        except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001  # user code
            log_exception(error, self._code_dir, text="the model's code raised an exception")
            text = "".join(traceback.format_exception_only(type(error), error)).strip()
            raise ModelCodeFailed(text) from None

    async def _body(self, receive: _Receive) -> bytes:
        chunks: list[bytes] = []
        size = 0
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            chunk = message.get("body", b"")
            size += len(chunk)
            if size <= self._max_payload:
                chunks.append(chunk)
            else:
                chunks.clear()
                if size > self._max_payload + _DRAINED:
                    break
            more = message.get("more_body", False)
        if size > self._max_payload:
            raise PayloadTooLarge(self._max_payload)
        return b"".join(chunks)


_ALLOW = [(b"allow", b"POST")]


async def _send_text(send: _Send, status: int, text: str, headers: _Headers = ()) -> None:
    content_type = (b"content-type", b"text/plain; charset=utf-8")
    await _send(send, status, text.encode("utf-8", "backslashreplace"), [content_type, *headers])


async def _send(send: _Send, status: int, body: bytes, headers: _Headers = ()) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [length, *headers]})
    await send({"type": "http.response.body", "body": body})
