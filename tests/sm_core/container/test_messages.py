"""Frames between server and worker."""

from __future__ import annotations

import socket

import hypothesis
import hypothesis.strategies as st
import pytest

from sm_core.container.messages import (
    BODILESS,
    Answer,
    FrameReader,
    Response,
    request_frame,
    response_frame,
    wait_for_request,
)

NAMES = st.text("abcxyz-", min_size=1)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126)).map(str.strip)


@hypothesis.given(st.dictionaries(NAMES, VALUES), st.binary())
def test_a_request_arrives_as_it_was_sent(headers: dict[str, str], body: bytes) -> None:
    server, worker = socket.socketpair()
    with server, worker:
        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        server.sendall(request_frame(pairs, body))
        request = wait_for_request(worker)
        assert request is not None
        assert request.body == body
        assert {name: request.headers[name] for name in headers} == headers


def test_headers_of_one_name_are_joined_and_the_end_is_none() -> None:
    server, worker = socket.socketpair()
    with worker:
        with server:
            server.sendall(request_frame([(b"accept", b"a/b"), (b"accept", b"c/d")], b""))
        request = wait_for_request(worker)
        assert request is not None
        assert (request.accept, request.content_type) == ("a/b, c/d", "")
        assert wait_for_request(worker) is None


@hypothesis.given(st.binary(), st.integers(200, 599), st.integers(1, 50))
def test_a_response_is_put_together_from_its_parts(body: bytes, status: int, size: int) -> None:
    body = b"" if status in BODILESS else body
    frame = response_frame(Response(body, "a/b", status, {"X-Own": "é"}))
    reader = FrameReader()
    found = [reader.feed(frame[start : start + size]) for start in range(0, len(frame), size)]
    headers = [(b"content-type", b"a/b"), (b"x-own", "é".encode("latin-1"))]
    assert found[-1] == Answer(status, headers, body)
    assert set(found[:-1]) <= {None}


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (Response(b"", "a/b", 700), "status is 700"),
        (Response(b"x", "a/b", 204), "status 204 cannot have a body"),
        (Response(b"", "a/b\r\nx: y"), "content-type has characters that HTTP forbids"),
        (Response(b"", "a/b", 200, {"x": "€"}), "x has characters that HTTP forbids"),
        (Response(b"", "a/b", 200, {"x y": ""}), "cannot have a header 'x y'"),
        (Response(b"", "a/b", 200, {"Content-Length": "5"}), "cannot have a header"),
    ],
)
def test_what_http_forbids_is_refused(response: Response, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        response_frame(response)
