"""Any bytes at all, on real connections: no error is the server's own fault, and it stays up."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import pytest

from sm_core.testing.containers import Container, ModelServer

pytestmark = pytest.mark.integ

#: Takes any request, so that whatever fails is the server.
SCRIPT = """
def model_fn(model_dir): ...
def transform_fn(model, data, content_type, accept, context):
    return data if isinstance(data, bytes) else data.encode("utf-8", "replace")
"""
#: Seconds after which a server that says nothing is taken to wait for more.
SILENCE = 0.05
METHODS = ("GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "CONNECT", "TRACE", "PRI", "NO SUCH")
TARGETS = ("/ping", "/invocations", "/", "*", "//", "/%", "/%ff?x", "http://x/ping", "x:1", "/\\..")
LINES = (
    "Host: x",
    "Content-Length: 3",
    "Content-Length: 3, 3",
    "Content-Length: -1",
    "Content-Length: 99999999999999999999",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip, chunked",
    "Expect: 100-continue",
    "Connection: close",
    "Connection: keep-alive, Upgrade",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Upgrade: h2c",
    "Sec-WebSocket-Key: x",
    "Content-Encoding: gzip",
    "Content-Type: application/json",
    "Content-Type: text/csv; charset=idna",
    "Content-Type: text/csv; charset=utf-16",
    "Content-Type: ;;=,",
    "Accept: */*;q=0",
    "Accept: application/json;q=0.5, text/*",
    'Accept: "',
    "X-Amzn-SageMaker-Custom-Attributes: a=b\t\xe9",
    "X-Amzn-SageMaker-Custom-Attributes:",
    " folded",
    ": no name",
    "No colon",
)
PHRASES = st.sampled_from(LINES) | st.builds("{}: {}".format, st.text(), st.text())
BODIES = st.binary(max_size=200) | st.sampled_from(
    [b"3\r\nabc\r\n0\r\n\r\n", b"fffffffffffffffff\r\n", b"3;x=y\r\nabc\r\n0\r\nTrailer: x\r\n\r\n"]
)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """What looks like HTTP, more or less."""
    method, target = draw(st.sampled_from(METHODS)), draw(st.sampled_from(TARGETS) | st.text())
    version = draw(st.sampled_from(["HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/9", ""]))
    lines = [f"{method} {target} {version}", *draw(st.lists(PHRASES, max_size=5))]
    end = draw(st.sampled_from(["\r\n", "\n", "\r"]))
    head = (end.join(lines) + end * 2).encode("latin-1", "replace")
    return head + draw(BODIES)


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Container:
    container = Container(tmp_path_factory.mktemp("fuzz"))
    container.write_code({"serve.py": SCRIPT})
    return container


@pytest.fixture(scope="module")
def server(container: Container) -> Iterator[ModelServer]:
    with container.serve(variables={"SAGEMAKER_PROGRAM": "serve.py"}) as server:
        yield server
        assert server.stop() == 0
    log = container.log()
    assert "Traceback" not in log
    assert "is replaced" not in log


def answer(path: Path, data: bytes) -> bytes:
    """What comes back for `data`, until the server closes the connection or falls silent."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.settimeout(SILENCE)
        received = b""
        try:
            connection.sendall(data)
            while more := connection.recv(65536):
                received += more
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            pass  # it has read enough, or waits for more
        return received


def check(server: ModelServer, container: Container, data: bytes) -> None:
    for status in re.findall(rb"^HTTP/1\.1 (\d+) ", answer(container.socket, data), re.MULTILINE):
        assert int(status) < 500, data
    assert server.request("GET", "/ping").status == 200
    assert server.process.poll() is None


@hypothesis.settings(deadline=None)
@hypothesis.given(data=st.lists(requests(), min_size=1, max_size=3).map(b"".join))
def test_requests_of_every_kind(server: ModelServer, container: Container, data: bytes) -> None:
    check(server, container, data)


@hypothesis.settings(deadline=None)
@hypothesis.given(data=st.binary())
def test_bytes_of_every_kind(server: ModelServer, container: Container, data: bytes) -> None:
    check(server, container, data)


@hypothesis.settings(deadline=None)
@hypothesis.given(
    body=st.binary(),
    headers=st.dictionaries(
        st.sampled_from(["Content-Type", "Accept", "X-Amzn-SageMaker-Custom-Attributes"]),
        st.text(st.characters(min_codepoint=32, max_codepoint=126)),
    ),
)
def test_whatever_the_headers_say(
    server: ModelServer, container: Container, body: bytes, headers: dict[str, str]
) -> None:
    found = server.request("POST", "/invocations", body=body, headers=headers)
    assert found.status in (200, 400)
    name = "X-Amzn-SageMaker-Custom-Attributes"
    if name in headers:
        assert found.headers[name.lower()].strip() == headers[name].strip()


def test_an_answer_is_seen(server: ModelServer, container: Container) -> None:
    """Else the tests above would prove nothing."""
    data = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
    answered = b"".join(answer(container.socket, data) for _ in range(20))
    assert b"HTTP/1.1 200 OK" in answered
    assert b"HTTP/1.1 400 " in answer(container.socket, b"\0")
