"""HTTP connections whose clients cannot hold the server up, however slow or endless they are."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sm_core.container.limits import ServingLimits

__all__ = ["GONE", "BoundedConnection"]

logger = logging.getLogger(__name__)

#: Key in the ASGI scope's state of a function that tells whether the client has gone.
GONE = "sm_core.gone"
_HEADER_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


class _Joined(asyncio.Transport):
    """Writes the head of a response together with its body: one packet, and one waking, not two."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport = transport
        self._head = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if data[-4:] == b"\r\n\r\n" and data[:13] != b"HTTP/1.1 100 ":
            self.flush()
            self._head = bytes(data)
        elif self._head:
            head, self._head = self._head, b""
            self._transport.writelines((head, data))
        else:
            self._transport.write(data)

    def flush(self) -> None:
        """Write a head that no body has followed."""
        if self._head:
            self._transport.write(self._head)
            self._head = b""

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()


class BoundedConnection(HttpToolsProtocol):
    """Closes a connection whose client takes too long, and refuses endless headers."""

    def __init__(self, limits: ServingLimits, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._limits = limits
        self._in_head = False
        self._head_size = 0
        self._receiving: float | None = None
        self._sending: float | None = None
        self._joined: _Joined

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """A new client has to send its request in time too."""
        super().connection_made(transport)
        self._joined = _Joined(transport)
        self._receiving = self.loop.time()

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self.scope["state"][GONE] = self.transport.is_closing
        self._receiving = self.loop.time()
        self._in_head = True
        self._head_size = 0

    def on_headers_complete(self) -> None:
        """The end of a request's headers."""
        self._in_head = False
        super().on_headers_complete()
        if self.cycle is not None:
            self.cycle.transport = self._joined

    def on_response_complete(self) -> None:
        """All of a response has been handed over; some have no body."""
        self._joined.flush()
        super().on_response_complete()

    def on_message_complete(self) -> None:
        """The last byte of a request."""
        self._receiving = None
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Parse what came; headers have an end."""
        super().data_received(data)
        if not self._in_head:
            return
        self._head_size += len(data)
        if self._head_size > self._limits.header and not self.transport.is_closing():
            self.transport.write(_HEADER_TOO_LARGE)
            self.transport.close()

    def check(self, now: float) -> None:
        """Close the connection if its client has had its time.

        Args:
            now: the loop's time.
        """
        if self.flow.read_paused:
            # It is not the client who makes the other one wait.
            self._receiving = None if self._receiving is None else now
        if self.transport.get_write_buffer_size() == 0:
            self._sending = None
        elif self._sending is None:
            self._sending = now
        for since, what in (
            (self._receiving, "send its request"),
            (self._sending, "take its answer"),
        ):
            if since is not None and now - since > self._limits.transfer:
                logger.info("a client did not %s within %g seconds", what, self._limits.transfer)
                self.transport.abort()
                return
