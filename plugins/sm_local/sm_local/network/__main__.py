"""``python -S -m sm_local.network``: keeps a job's private network, and hands out its namespaces.

``--probe`` makes a network and enters it, to see whether this kernel allows that; what is wrong is
said on standard output. Otherwise the arguments are the job's folder, the service's port, the
proxy's port and the names of the hosts. It ends when all of these have come and gone.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import struct
import sys
import tempfile
from collections.abc import Sequence

from sm_local.network.enter import HOSTS_FILE, NEW_NETWORK, SOCKET_NAME, enter_network, join
from sm_local.network.namespaces import HostNamespace, address, hosts_text, make
from sm_local.network.relay import forward, serve_proxy

_CREDENTIALS = struct.Struct("3i")  # struct ucred of unix(7): process, user, group
_PROBE_PORT, _PROBE_SECONDS = 5000, 10
_LIFELINE_VARIABLE = "SMCORE_LIFELINE_FD"


class Keeper:
    """Holds the namespaces, relays, and knows when the last host has ended."""

    def __init__(self, hosts: dict[str, HostNamespace]) -> None:
        self._hosts = hosts
        self._expected = set(hosts)
        self._alive: set[int] = set()
        self._stopping = False
        self.done = asyncio.Event()

    async def relay(self, service_port: int, proxy_port: int) -> list[asyncio.AbstractServer]:
        """Lead out of every namespace."""
        servers = []
        for host in self._hosts.values():
            servers.append(await forward(host.listeners[service_port], service_port))
            servers.append(await serve_proxy(host.listeners[proxy_port]))
        return servers

    def stop(self) -> None:
        """Wait for no more hosts; those that have come may take their time to end."""
        self._stopping = True
        self._look()

    async def hand_out(self, connection: socket.socket) -> None:
        """Give the namespaces to the host that asks for them."""
        loop = asyncio.get_running_loop()
        with connection:
            credentials = connection.getsockopt(
                socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size
            )
            process, *_ = _CREDENTIALS.unpack(credentials)
            name = (await loop.sock_recv(connection, 256)).decode().strip()
            if name not in self._hosts:
                return
            descriptor = os.pidfd_open(process)
            self._alive.add(descriptor)
            self._expected.discard(name)
            loop.add_reader(descriptor, self._ended, descriptor)
            socket.send_fds(connection, [b"+"], self._hosts[name].entry)

    def _ended(self, descriptor: int) -> None:
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)
        self._alive.discard(descriptor)
        self._look()

    def _look(self) -> None:
        if not self._alive and (self._stopping or not self._expected):
            self.done.set()


async def _keep(folder: str, service_port: int, proxy_port: int, names: Sequence[str]) -> None:
    os.chdir(folder)
    network = make(len(names), (service_port, proxy_port))
    keeper = Keeper(dict(zip(names, network.hosts, strict=True)))
    servers = await keeper.relay(service_port, proxy_port)
    with open(HOSTS_FILE, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(hosts_text(names))
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, keeper.stop)
    lifeline = os.environ.get(_LIFELINE_VARIABLE)
    if lifeline is not None:
        # The hosts watch theirs, too; nothing is left to be kept.
        loop.add_reader(int(lifeline), lambda: os._exit(1))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        if os.path.exists(SOCKET_NAME):
            os.unlink(SOCKET_NAME)
        listener.bind(SOCKET_NAME)
        listener.listen(len(names))
        listener.setblocking(False)
        tasks = set()

        async def accept() -> None:
            while True:
                connection, _ = await loop.sock_accept(listener)
                connection.setblocking(False)
                tasks.add(asyncio.create_task(keeper.hand_out(connection)))

        accepting = asyncio.create_task(accept())
        await keeper.done.wait()
        accepting.cancel()
    for server in servers:
        server.close()


def _probe() -> None:
    """Do all that a job's hosts need; an OSError says what is not possible."""
    network = make(2, (1, 2))
    os.close(os.pidfd_open(os.getpid()))
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(hosts_text(["algo-1", "algo-2"]))
        file.flush()
        enter_network("algo-1", network.hosts[0].entry, file.name)
    if socket.gethostbyname("algo-2") != address(2):
        raise OSError("a name of /etc/hosts is not known there (see /etc/nsswitch.conf)")
    join(network.hosts[1].entry[-1], NEW_NETWORK)
    with socket.create_server(("", _PROBE_PORT)):
        join(network.hosts[0].entry[-1], NEW_NETWORK)
        socket.create_connection(("algo-2", _PROBE_PORT), _PROBE_SECONDS).close()


def _main(arguments: Sequence[str]) -> int:
    try:
        if arguments[0] == "--probe":
            _probe()
        else:
            folder, service_port, proxy_port, *names = arguments
            asyncio.run(_keep(folder, int(service_port), int(proxy_port), names))
    except OSError as error:
        what = f"{error.filename}: " if error.filename else ""
        sys.stdout.write(f"{what}{error.strerror or error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
