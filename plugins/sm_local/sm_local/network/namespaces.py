"""Makes a job's network: each host has a namespace with an address, all of them joined by a bridge.

Root needs no user namespace for that. Any other user gets one, in which the user has the same
number as outside and the rights to do this; they end with the next program that is started.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from sm_local.network.enter import NEW_NETWORK, NEW_USER, join, unshare
from sm_local.network.netlink import Links

__all__ = ["HostNamespace", "JobNamespaces", "address", "hosts_text", "make"]

#: The network 10.254.0.0/16, which nobody outside of the namespaces sees.
_BASE_ADDRESS = 10 << 24 | 254 << 16
_PREFIX = 16
_BRIDGE = "hosts"
#: The link of every host, named as on SageMaker.
INTERFACE = "eth0"
_BACKLOG = 128
_MOST_DESCRIPTORS = 16  # of one host


class HostNamespace:
    """One host's namespaces.

    Attributes:
        entry: descriptors to enter them by; see `sm_local.network.enter.enter_network`.
        listeners: by port of the host's loopback interface.
    """

    def __init__(self, entry: list[int], listeners: Mapping[int, socket.socket]) -> None:
        self.entry = entry
        self.listeners = listeners


class JobNamespaces:
    """The namespaces of all hosts, and the one with the bridge.

    They last as long as their descriptors and what has entered them.
    """

    def __init__(self, bridge: int, hosts: list[HostNamespace]) -> None:
        self.bridge = bridge
        self.hosts = hosts


def address(number: int) -> str:
    """The address of the host that has this number, from 1."""
    return socket.inet_ntoa((_BASE_ADDRESS + number).to_bytes(4, "big"))


def hosts_text(hosts: Sequence[str]) -> str:
    """What /etc/hosts says in the namespaces: the machine's own, and all hosts."""
    own = Path("/etc/hosts").read_text(encoding="utf-8", errors="surrogateescape")
    lines = (f"{address(number)} {host}" for number, host in enumerate(hosts, start=1))
    return "\n".join((*lines, own))


def make(count: int, ports: Sequence[int]) -> JobNamespaces:
    """Make the namespaces of `count` hosts that listen on loopback ports; this process enters none.

    Raises:
        OSError: the kernel does not allow it; says what it refused.
    """
    ours, theirs = socket.socketpair()
    with ours:
        child = os.fork()
        if child == 0:
            os._exit(_send(theirs, count, ports))
        theirs.close()
        try:
            (bridge,) = _receive(ours)
            return JobNamespaces(bridge, [_host(_receive(ours), ports) for _ in range(count)])
        finally:
            os.waitpid(child, 0)


def _send(connection: socket.socket, count: int, ports: Sequence[int]) -> int:
    """Make all and hand it over; the exit code of this process, which goes into the namespaces."""
    try:
        users = _own_user()
        unshare(NEW_NETWORK)
        with closing(Links()) as links:
            links.add_bridge(_BRIDGE)
            links.set_up(_BRIDGE)
            socket.send_fds(connection, [b"+"], [_namespace("net")])
            for number in range(1, count + 1):
                _make_host(connection, links, number=number, ports=ports, users=users)
    except OSError as error:
        what = f"{error.filename}: " if error.filename else ""
        connection.sendall(f"!{what}{error.strerror or error}".encode())
        return 1
    return 0


def _own_user() -> list[int]:
    """The descriptor of a user namespace entered now, unless this process is root."""
    user, group = os.geteuid(), os.getegid()
    if user == 0:
        return []
    unshare(NEW_USER)
    Path("/proc/self/setgroups").write_text("deny", encoding="utf-8")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="utf-8")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="utf-8")
    return [_namespace("user")]


def _make_host(
    connection: socket.socket,
    links: Links,
    *,
    number: int,
    ports: Sequence[int],
    users: Sequence[int],
) -> None:
    outer = _namespace("net")
    unshare(NEW_NETWORK)
    inner = _namespace("net")
    name = f"host{number}"
    links.add_veth(name, peer=INTERFACE, namespace=inner)
    with closing(Links()) as own:
        own.set_up("lo")
        own.add_address(INTERFACE, address(number), prefix=_PREFIX)
        own.set_up(INTERFACE)
    listeners = [_listener(port) for port in ports]
    join(outer, NEW_NETWORK)
    os.close(outer)
    links.set_up(name, bridge=_BRIDGE)
    descriptors = [*users, inner, *(each.fileno() for each in listeners)]
    socket.send_fds(connection, [b"+"], descriptors)


def _listener(port: int) -> socket.socket:
    return socket.create_server(("127.0.0.1", port), backlog=_BACKLOG)


def _namespace(kind: str) -> int:
    return os.open(f"/proc/self/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)


def _receive(connection: socket.socket) -> list[int]:
    said, descriptors, _, _ = socket.recv_fds(connection, 1, _MOST_DESCRIPTORS)
    if said != b"+":
        reason = connection.makefile("rb").read().decode("utf-8", "replace")
        raise OSError(reason or "the namespaces were not made")
    return descriptors


def _host(descriptors: list[int], ports: Sequence[int]) -> HostNamespace:
    entry = descriptors[: len(descriptors) - len(ports)]
    listeners = (socket.socket(fileno=each) for each in descriptors[len(entry) :])
    return HostNamespace(entry, dict(zip(ports, listeners, strict=True)))
