"""The port of a home: chosen once, kept, and listened on at 127.0.0.1 only."""

from __future__ import annotations

import errno
import os
import random
import socket

from sm_core.errors import ConfigurationError, LocalServiceError
from sm_local.home import Home, write_private

__all__ = ["HOST", "PORT_VARIABLE", "listen"]

HOST = "127.0.0.1"
#: Names the port to start on; 0 for the kept one, or any free one where that is taken.
PORT_VARIABLE = "SMCORE_LOCAL_PORT"

#: Ports are drawn from below those that Linux gives to outgoing connections (32768 and up), so that
#: a kept port is unlikely to be in use by chance when the service comes back.
_CHOICE = range(20000, 32768)
_ATTEMPTS = 100
_BACKLOG = 1024


def listen(home: Home, wanted: int | None) -> socket.socket:
    """A socket that listens on the home's port; the port is kept for the next start.

    Args:
        home: whose port.
        wanted: port to use from now on; 0 for the kept one if it is free and any other otherwise;
            None for what ``SMCORE_LOCAL_PORT`` says, else the kept one.

    Raises:
        LocalServiceError: the port is in use or may not be opened; says what to do.
        ConfigurationError: the port is not a number from 0 to 65535.
    """
    if wanted is None:
        wanted = _from_environment()
    kept = _kept(home)
    if wanted:
        opened = _bind(wanted)
    elif kept is None:
        opened = _any_free()
    else:
        try:
            opened = _bind(kept)
        except LocalServiceError:
            if wanted is None:
                raise
            opened = _any_free()
    write_private(home.port_file, b"%d\n" % opened.getsockname()[1])
    return opened


def _from_environment() -> int | None:
    text = os.environ.get(PORT_VARIABLE)
    if not text:
        return None
    try:
        return _checked(int(text))
    except ValueError as error:
        raise ConfigurationError(
            f"{PORT_VARIABLE} is {text!r}; it must be a number from 0 to 65535"
        ) from error


def _checked(port: int) -> int:
    if not 0 <= port <= 65535:
        raise ValueError(port)
    return port


def _kept(home: Home) -> int | None:
    """The kept port; a file that holds none is as good as missing."""
    try:
        return _checked(int(home.port_file.read_text(encoding="ascii"))) or None
    except (FileNotFoundError, ValueError):
        return None


def _any_free() -> socket.socket:
    for port in random.sample(_CHOICE, _ATTEMPTS):
        try:
            return _bind(port)
        except LocalServiceError:
            continue
    return _bind(0)


def _bind(port: int) -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # Connections of the last service that are still being closed must not block the next one;
        # a port on which somebody listens stays refused.
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((HOST, port))
        opened.listen(_BACKLOG)
    except OSError as error:
        opened.close()
        what = "in use by another program" if error.errno == errno.EADDRINUSE else error.strerror
        raise LocalServiceError(
            f"the local service cannot listen on port {port} of {HOST}: {what}. Choose another "
            f"port with `sm local up --port N` (0 picks a free one), or name it in {PORT_VARIABLE}"
        ) from error
    return opened
