"""Ports for containers that are one machine."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack

__all__ = ["free_ports"]


def free_ports(count: int) -> int:
    """The first of several ports that follow each other and are free."""
    # Below the ports that the system gives out by itself; anywhere, since others look for some too.
    begin = random.SystemRandom().randrange(15000, 30000)
    for first in range(begin, 32000, count):
        with ExitStack() as probes:
            try:
                for port in range(first, first + count):
                    probe = probes.enter_context(socket.socket())
                    probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
    raise AssertionError("no free ports")
