"""The model server's HTTP side: the ASGI server, run until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import cast

import uvicorn

from sm_core.container.app import Application
from sm_core.container.connections import BoundedConnection
from sm_core.container.limits import ServingLimits

__all__ = ["serve_http"]

#: Seconds between two looks at how long clients take.
_TICK = 0.5
#: Seconds that the last answers may take once the grace is over.
_LAST_ANSWERS = 2


class _Server(uvicorn.Server):
    """Leaves signals to its caller."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve_http(
    application: Application,
    listener: socket.socket,
    *,
    limits: ServingLimits,
    stopping: asyncio.Event,
) -> None:
    """Answer on `listener`, which is closed in the end, until `stopping` is set and then all that
    is under way has been answered."""
    connection = partial(BoundedConnection, limits)
    config = uvicorn.Config(
        application,
        http=cast("type[asyncio.Protocol]", connection),
        lifespan="off",
        ws="none",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=limits.connections,
        timeout_keep_alive=int(limits.keep_alive),
        timeout_graceful_shutdown=int(limits.grace) + _LAST_ANSWERS,
    )
    root = logging.getLogger()
    logging.getLogger("uvicorn").setLevel(max(logging.WARNING, root.level))
    server = _Server(config)
    helpers = [
        asyncio.create_task(_stop(server, stopping)),
        asyncio.create_task(_check_connections(server)),
    ]
    try:
        await server.serve(sockets=[listener])
    finally:
        for helper in helpers:
            helper.cancel()


async def _stop(server: uvicorn.Server, stopping: asyncio.Event) -> None:
    await stopping.wait()
    server.should_exit = True


async def _check_connections(server: uvicorn.Server) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(_TICK)
        now = loop.time()
        for connection in tuple(server.server_state.connections):
            if isinstance(connection, BoundedConnection):
                connection.check(now)
