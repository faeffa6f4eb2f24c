"""What leads out of a job's network: to one port of this machine, and as an HTTP proxy to any host.

Requests pass unchanged, so that signatures stay valid. The proxy goes through the user's own one
where the variables for that (``HTTPS_PROXY``, ``NO_PROXY`` and so on) say so.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import urllib.parse
import urllib.request
from collections.abc import Iterator

__all__ = ["forward", "serve_proxy"]

_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_BLOCK = 256 * 1024
_HEAD_LIMIT = 64 * 1024  # bytes of a request's head
_HEAD_SECONDS = 30.0


#: What is being relayed: the loop itself forgets a connection while it reads from neither side.
_relaying: set[asyncio.Task[object] | None] = set()


@contextlib.contextmanager
def _kept() -> Iterator[None]:
    task = asyncio.current_task()
    _relaying.add(task)
    try:
        yield
    finally:
        _relaying.discard(task)


async def forward(listener: socket.socket, port: int) -> asyncio.AbstractServer:
    """Relay every connection to a port of this machine."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with _kept(), contextlib.suppress(OSError), contextlib.closing(writer):
            await _join((reader, writer), await asyncio.open_connection("127.0.0.1", port))

    return await asyncio.start_server(connected, sock=listener)


async def serve_proxy(listener: socket.socket) -> asyncio.AbstractServer:
    """Be an HTTP proxy: CONNECT, and requests for ``http://`` addresses."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with _kept(), contextlib.closing(writer):
            try:
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _HEAD_SECONDS)
                await _proxy(head, (reader, writer))
            except (asyncio.IncompleteReadError, ConnectionError):
                return  # the client has gone
            except (ValueError, asyncio.TimeoutError, asyncio.LimitOverrunError) as error:
                reason = str(error) or type(error).__name__
                text = f"HTTP/1.1 502 Bad Gateway\r\ncontent-length: {len(reason.encode())}\r\n"
                writer.write(f"{text}connection: close\r\n\r\n{reason}".encode())
                with contextlib.suppress(ConnectionError):
                    await writer.drain()

    return await asyncio.start_server(connected, sock=listener, limit=_HEAD_LIMIT)


async def _proxy(head: bytes, client: _Streams) -> None:
    line, _, rest = head.partition(b"\r\n")
    method, target, version = line.decode("latin-1").split(" ")
    tunnel = method == "CONNECT"
    parts = urllib.parse.urlsplit(f"//{target}" if tunnel else target)
    host, port = parts.hostname, parts.port or 80
    if host is None or (not tunnel and parts.scheme != "http"):
        raise ValueError(f"{target!r} is no address that this proxy knows")
    upstream = _upstream("https" if tunnel else "http", host, port)
    if upstream is not None:
        server = await _dial(upstream.hostname or "", upstream.port or 80)
        server[1].write(line + b"\r\n" + _authorization(upstream) + rest)
    elif tunnel:
        server = await _dial(host, port)
        client[1].write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    else:
        server = await _dial(host, port)
        path = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        server[1].write(f"{method} {path} {version}\r\n".encode("latin-1") + _end_to_end(rest))
    await _join(client, server)


async def _dial(host: str, port: int) -> _Streams:
    try:
        return await asyncio.open_connection(host, port)
    except OSError as error:
        # Not to be taken for an error of the client's connection.
        raise ValueError(f"{host}:{port} cannot be reached: {error}") from error


def _upstream(scheme: str, host: str, port: int) -> urllib.parse.SplitResult | None:
    """The user's own proxy for a host, if there is one."""
    proxies = urllib.request.getproxies_environment()
    url = proxies.get(scheme) or proxies.get("all")
    if not url or urllib.request.proxy_bypass(f"{host}:{port}"):
        return None
    return urllib.parse.urlsplit(url if "://" in url else f"http://{url}")


def _authorization(proxy: urllib.parse.SplitResult) -> bytes:
    if proxy.username is None:
        return b""
    parts = (urllib.parse.unquote(part or "") for part in (proxy.username, proxy.password))
    return b"Proxy-Authorization: Basic %b\r\n" % base64.b64encode(":".join(parts).encode())


def _end_to_end(headers: bytes) -> bytes:
    """Headers without those for the proxy; the connection is for one request."""
    kept = [
        line
        for line in headers.split(b"\r\n")
        if not line.lower().startswith((b"proxy-", b"connection:", b"keep-alive:"))
    ]
    return b"Connection: close\r\n" + b"\r\n".join(kept)


async def _join(one: _Streams, other: _Streams) -> None:
    """Copy both ways until both sides have ended."""
    with contextlib.closing(other[1]):
        await asyncio.gather(_copy(one[0], other[1]), _copy(other[0], one[1]))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while block := await reader.read(_BLOCK):
            writer.write(block)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
        return
    # One side is gone; the other one must not wait for it.
    writer.close()
