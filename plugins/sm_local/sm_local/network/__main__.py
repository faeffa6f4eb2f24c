"""``python -S -m sm_local.network``: keeps a job's private network, and hands out its namespaces.

``--probe`` makes a network and enters it, to see whether this kernel allows that; what is wrong is
said on standard output. Otherwise the arguments are the job's folder, the service's port, the
proxy's port and the names of the hosts. It ends with its supervisor, or by it.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import tempfile
from collections.abc import Sequence

from sm_local.network.enter import HOSTS_FILE, NEW_NETWORK, SOCKET_NAME, enter_network, join
from sm_local.network.namespaces import address, hosts_text, make
from sm_local.network.relay import forward, serve_proxy

_PROBE_PORT, _PROBE_SECONDS = 5000, 10
_LIFELINE_VARIABLE = "SMCORE_LIFELINE_FD"


async def _keep(folder: str, service_port: int, proxy_port: int, names: Sequence[str]) -> None:
    """Relay for all hosts, and give each its namespaces, until the end of the process."""
    os.chdir(folder)
    network = make(len(names), (service_port, proxy_port))
    hosts = dict(zip(names, network.hosts, strict=True))
    servers = []
    for host in network.hosts:
        servers.append(await forward(host.listeners[service_port], service_port))
        servers.append(await serve_proxy(host.listeners[proxy_port]))
    with open(HOSTS_FILE, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(hosts_text(names))
    loop = asyncio.get_running_loop()
    if (lifeline := os.environ.get(_LIFELINE_VARIABLE)) is not None:
        # The hosts watch theirs, too; nothing is left to be kept.
        loop.add_reader(int(lifeline), lambda: os._exit(1))
    if os.path.exists(SOCKET_NAME):
        os.unlink(SOCKET_NAME)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(SOCKET_NAME)
        listener.listen(len(names))
        listener.setblocking(False)
        while True:
            connection, _ = await loop.sock_accept(listener)
            with connection:
                name = (await loop.sock_recv(connection, 256)).decode().strip()
                if name in hosts:
                    socket.send_fds(connection, [b"+"], hosts[name].entry)


def _probe() -> None:
    """Do all that a job's hosts need; an OSError says what is not possible."""
    network = make(2, (1, 2))
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
