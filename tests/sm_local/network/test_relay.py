"""What leads out of a job's network."""

from __future__ import annotations

import asyncio
import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from sm_local.network.relay import forward, serve_proxy

pytestmark = pytest.mark.integ


class Handler(BaseHTTPRequestHandler):
    """Answers with what it saw."""

    protocol_version = "HTTP/1.1"
    name = "server"

    def do_GET(self) -> None:
        names = ("host", "connection", "proxy-authorization", "x-mine")
        seen = [f"{name}={self.headers[name]}" for name in names if name in self.headers]
        self._answer(f"{self.name} {self.path} {' '.join(seen)}")

    def do_CONNECT(self) -> None:
        self._answer("no")

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self._answer(str(len(body)))

    def _answer(self, text: str) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Upstream(Handler):
    """A proxy that goes no further."""

    name = "upstream"


@contextmanager
def serving(handler: type[Handler]) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def relaying(port: int | None) -> Iterator[int]:
    """A relay to `port`, or a proxy; where it listens."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    listener = socket.create_server(("127.0.0.1", 0))
    begin = serve_proxy(listener) if port is None else forward(listener, port)
    server = asyncio.run_coroutine_threadsafe(begin, loop).result(10)
    try:
        yield listener.getsockname()[1]
    finally:

        async def end() -> None:
            server.close()
            # The clients have gone, and so does what was relayed for them.
            if tasks := asyncio.all_tasks() - {asyncio.current_task()}:
                _, left = await asyncio.wait(tasks, timeout=20)
                assert not left

        asyncio.run_coroutine_threadsafe(end(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    with serving(Handler) as port:
        yield port


@pytest.fixture
def proxy() -> Iterator[int]:
    with relaying(None) as port:
        yield port


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def ask(port: int, path: str, **headers: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def test_requests_reach_the_service_unchanged(server: int) -> None:
    with relaying(server) as port:
        assert ask(port, "/a?b=c", host="127.0.0.1:1") == "server /a?b=c host=127.0.0.1:1"
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("PUT", "/", body=b"x" * 5_000_000)
        assert connection.getresponse().read() == b"5000000"
        connection.close()


def test_a_service_that_is_away() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        unused = listener.getsockname()[1]
    with (
        relaying(unused) as port,
        pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)),
    ):
        ask(port, "/")


def test_the_proxy_answers_requests_for_addresses(server: int, proxy: int) -> None:
    url = f"http://127.0.0.1:{server}/a?b=c"
    headers = {"host": f"127.0.0.1:{server}", "x-mine": "1", "proxy-connection": "keep-alive"}
    assert ask(proxy, url, **headers) == (
        f"server /a?b=c host=127.0.0.1:{server} connection=close x-mine=1"
    )


def test_the_proxy_makes_tunnels(server: int, proxy: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", proxy, timeout=20)
    connection.set_tunnel("127.0.0.1", server)
    for path in ("/first", "/second"):
        connection.request("GET", path)
        assert connection.getresponse().read().decode().startswith(f"server {path} ")
    connection.close()


def test_the_proxy_says_what_is_wrong(proxy: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        unused = listener.getsockname()[1]
    assert f"127.0.0.1:{unused} cannot be reached: " in ask(proxy, f"http://127.0.0.1:{unused}/")
    assert "'/nowhere' is no address that this proxy knows" in ask(proxy, "/nowhere")
    assert "'ftp://x/y' is no address" in ask(proxy, "ftp://x/y")
    connection = http.client.HTTPConnection("127.0.0.1", proxy, timeout=20)
    connection.set_tunnel("127.0.0.1", unused)
    with pytest.raises(OSError, match="Tunnel connection failed: 502"):
        connection.request("GET", "/")
    connection.close()


def test_the_users_own_proxy_is_used(
    server: int, proxy: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(Upstream) as upstream:
        monkeypatch.setenv("http_proxy", f"http://me:pass%20word@127.0.0.1:{upstream}")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        url = "http://somewhere.example/a"
        assert ask(proxy, url, host="somewhere.example") == (
            f"upstream {url} host=somewhere.example proxy-authorization=Basic bWU6cGFzcyB3b3Jk"
        )
        near = ask(proxy, f"http://127.0.0.1:{server}/b", host="x")
        assert near == "server /b host=x connection=close"
