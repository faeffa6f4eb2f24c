"""What a worker answers, whatever the model's code does."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sm_core.container.errors import RequestRefused
from sm_core.container.inference import InferenceHandler
from sm_core.container.messages import Answer, FrameReader, Request, Response
from sm_core.container.worker import answer


class Handler(InferenceHandler):
    """A body asks for trouble."""

    def handle(self, request: Request) -> Response:
        match request.body:
            case b"refuse":
                raise RequestRefused("not this one", status=418)
            case b"raise":
                raise ValueError("bad ä\nin two lines")
            case b"exit":
                raise SystemExit(3)
            case b"cancel":
                raise asyncio.CancelledError
            case b"split":
                return Response(b"", "a/b\r\nX-Injected: yes")
        return Response(request.body, "text/plain")


def ask(body: bytes, folder: Path) -> Answer:
    found = FrameReader().feed(answer(Handler(), Request(body), code_dir=folder))
    assert found is not None
    return found


def test_an_answer(tmp_path: Path) -> None:
    assert ask(b"hi", tmp_path) == Answer(200, [(b"content-type", b"text/plain")], b"hi")


def test_a_refusal_has_its_status_and_reason(tmp_path: Path) -> None:
    text = [(b"content-type", b"text/plain; charset=utf-8")]
    assert ask(b"refuse", tmp_path) == Answer(418, text, b"not this one")


def test_an_exception_is_500_with_type_and_message(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    status, _, body = ask(b"raise", tmp_path)
    assert (status, body.decode()) == (500, "ValueError: bad ä\nin two lines")
    assert "Traceback" in caplog.text
    assert ask(b"exit", tmp_path).body == b"SystemExit: 3"
    assert ask(b"cancel", tmp_path).status == 500


def test_a_content_type_cannot_smuggle_a_header(tmp_path: Path) -> None:
    status, headers, body = ask(b"split", tmp_path)
    assert (status, len(headers)) == (500, 1)
    assert b"content-type has characters that HTTP forbids" in body
