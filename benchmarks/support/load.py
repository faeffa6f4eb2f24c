"""A load generator: ``python -m benchmarks.support.load PORT CONNECTIONS SECONDS BODY``.

Each connection is kept and sends one request after the other, ``POST /invocations`` with the file
BODY as JSON. The first second is not counted. Prints JSON: requests per second, and the median and
99th percentile of the times between a request and the end of its answer, in milliseconds.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from pathlib import Path

import httptools
import uvloop

WARM_UP = 1.0


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, request: bytes, latencies: list[tuple[float, float]]) -> None:
        self._request = request
        self._latencies = latencies
        self._parser = httptools.HttpResponseParser(self)
        self._asked = 0.0
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # a stream's transport is one
        self._ask()

    def _ask(self) -> None:
        self._asked = time.perf_counter()
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        now = time.perf_counter()
        if self._parser.get_status_code() != 200:
            self.lost.set_exception(RuntimeError(f"status {self._parser.get_status_code()}"))
            self.transport.abort()
            return
        self._latencies.append((now, now - self._asked))
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(None)


def _message(port: int, body: bytes) -> bytes:
    head = (
        f"POST /invocations HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: application/json\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def request(port: int, *, connections: int, count: int, body: bytes) -> None:
    """Make `count` requests or a few more over `connections`, all of which must be answered."""
    uvloop.run(_request(_message(port, body), port, connections=connections, count=count))


async def _request(message: bytes, port: int, *, connections: int, count: int) -> None:
    latencies: list[tuple[float, float]] = []
    clients = await _connect(message, latencies, port=port, connections=connections)
    answered = 0
    while answered < count:
        await asyncio.sleep(0.05)
        answered += len(latencies)
        latencies.clear()
        for client in clients:
            if client.lost.done():
                client.lost.result()
                raise RuntimeError(f"the server closed a connection; {answered} were answered")
    for client in clients:
        client.transport.abort()


async def _connect(
    message: bytes, latencies: list[tuple[float, float]], *, port: int, connections: int
) -> list[Client]:
    loop = asyncio.get_running_loop()
    return [
        (await loop.create_connection(lambda: Client(message, latencies), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]


async def generate(port: int, connections: int, seconds: float, body: bytes) -> dict[str, float]:
    """Load the server on `port` for `seconds`."""
    latencies: list[tuple[float, float]] = []
    clients = await _connect(_message(port, body), latencies, port=port, connections=connections)
    start = time.perf_counter() + WARM_UP
    done, _ = await asyncio.wait(
        [client.lost for client in clients],
        timeout=WARM_UP + seconds,
        return_when=asyncio.FIRST_COMPLETED,
    )
    end = time.perf_counter()
    for each in done:
        each.result()
        raise RuntimeError("the server closed a connection")
    for client in clients:
        client.transport.abort()
    counted = sorted(latency for when, latency in latencies if start <= when < end)
    return {
        "throughput": len(counted) / (end - start),
        "median": 1000 * statistics.median(counted),
        "p99": 1000 * counted[int(len(counted) * 0.99)],
    }


def main(port: str, connections: str, seconds: str, body: str) -> None:
    """Print what was measured."""
    found = uvloop.run(
        generate(int(port), int(connections), float(seconds), Path(body).read_bytes())
    )
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
