"""How the hosts of one training job share this machine: its network and its CPUs.

Where the kernel allows it, each host has a network of its own (`sm_local.network`) in which names
resolve; elsewhere all of them have this machine's, with ports for each host alone, and reach each
other by ``SMCORE_HOST_ADDRESSES``.
"""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import islice, pairwise
from pathlib import Path
from typing import Final

import attrs

import sm_local
from sm_core.errors import ConfigurationError, LocalServiceError
from sm_local.network import enter
from sm_local.processes import HostProcess

__all__ = [
    "KEEPER",
    "NETWORK_VARIABLE",
    "Network",
    "Networks",
    "network_wanted",
    "on_private_network",
    "on_shared_network",
    "program_environment",
    "shares",
]

#: ``private`` insists on networks of the hosts' own, ``shared`` does without; unset: if possible.
NETWORK_VARIABLE: Final = "SMCORE_LOCAL_NETWORK"
#: The name, beside the hosts', of the process that keeps a private network.
KEEPER: Final = "network"

_ADDRESSES_VARIABLE = "SMCORE_HOST_ADDRESSES"
_INDEX_VARIABLE = "SMCORE_PACKAGE_INDEX"
_PROXY_PORT = 3128  # in the hosts' namespaces, of whose ports nothing else is taken
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_PROBE_SECONDS = 20.0
#: Shared networks: below the ports of outgoing connections, in blocks of as many as a host gets.
_PORTS = range(20_000, 32_768)
_PORTS_OF_A_HOST = 32


@attrs.frozen
class Network:
    """How the hosts of jobs reach each other here.

    Attributes:
        private: each has a network of its own, and names resolve.
        reason: why not; "" if so.
    """

    private: bool
    reason: str = ""

    @property
    def name(self) -> str:
        """``private`` or ``shared``, as the variable has it."""
        return "private" if self.private else "shared"

    @property
    def interface(self) -> str:
        """The interface by which the hosts reach each other."""
        if self.private:
            return "eth0"
        return "lo" if sys.platform == "linux" else "lo0"


def network_wanted() -> str:
    """What the variable says: ``private``, ``shared`` or "".

    Raises:
        ConfigurationError: something else.
    """
    wanted = os.environ.get(NETWORK_VARIABLE, "")
    if wanted not in ("", "private", "shared"):
        raise ConfigurationError(
            f"{NETWORK_VARIABLE} is {wanted!r}; it must be 'private', 'shared' or not be set"
        )
    return wanted


class Networks:
    """Finds out what this machine allows, and gives out ports. Every method blocks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: Network | None = None
        self._taken: set[int] = set()

    def find(self) -> Network:
        """How hosts reach each other; tried out once."""
        with self._lock:
            if self._found is None:
                self._found = _find()
        return self._found

    def for_job(self) -> Network:
        """Like `find`, for hosts that are to be started.

        Raises:
            LocalServiceError: private networks are insisted on, and not possible.
        """
        found = self.find()
        if network_wanted() == "private" and not found.private:
            raise LocalServiceError(
                f"{NETWORK_VARIABLE} insists on private networks, and {found.reason}"
            )
        return found

    def take_ports(self, count: int) -> list[range]:
        """A range of ports for each of `count` hosts, given to nobody else until `give_back`.

        Raises:
            LocalServiceError: there are none.
        """
        with self._lock:
            blocks = [first for first in _PORTS[::_PORTS_OF_A_HOST] if first not in self._taken]
            random.shuffle(blocks)
            ranges = (range(first, first + _PORTS_OF_A_HOST) for first in blocks)
            found = list(islice(filter(_all_free, ranges), count))
            if len(found) < count:
                raise LocalServiceError(f"this machine has no ports left for {count} hosts")
            self._taken.update(ports.start for ports in found)
        return found

    def give_back(self, ranges: Sequence[range]) -> None:
        """Let others have ports that were taken."""
        with self._lock:
            self._taken.difference_update(ports.start for ports in ranges)


def _find() -> Network:
    if network_wanted() == "shared":
        return Network(private=False, reason=f"{NETWORK_VARIABLE} says so")
    if sys.platform != "linux":
        return Network(private=False, reason=f"{sys.platform} has no network namespaces")
    try:
        probe = subprocess.run(
            [*_PROGRAM, "--probe"],
            env=program_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            timeout=_PROBE_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return Network(private=False, reason=f"no network was made in {_PROBE_SECONDS:.0f} s")
    if probe.returncode == 0:
        return Network(private=True)
    return Network(private=False, reason=f"the kernel does not allow them ({probe.stdout.strip()})")


_PROGRAM = (sys.executable, "-S", "-m", "sm_local.network")


def program_environment() -> dict[str, str]:
    """Variables of ``python -S -m sm_local.…``."""
    folder = Path(sm_local.__file__).parent.parent
    return {"PATH": os.defpath, "PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1"}


def _all_free(ports: range) -> bool:
    with ExitStack() as stack:
        for port in ports:
            probe = stack.enter_context(socket.socket())
            try:
                probe.bind(("", port))
            except OSError:
                return False
    return True


def shares(count: int) -> list[tuple[int, ...]]:
    """This process's CPUs shared out among `count` hosts; hosts beyond them share one.

    Empty tuples, for all, where the machine cannot bind processes to CPUs.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    if affinity is None or count == 1:
        return [()] * count
    cpus = sorted(affinity(0))
    if count >= len(cpus):
        return [(cpus[number % len(cpus)],) for number in range(count)]
    bounds = [number * len(cpus) // count for number in range(count + 1)]
    return [tuple(cpus[first:end]) for first, end in pairwise(bounds)]


def on_private_network(
    hosts: Sequence[HostProcess], *, folder: Path, service_port: int
) -> list[HostProcess]:
    """`hosts` as they run in networks of their own, and the process that keeps these, first.

    Args:
        hosts: as they would run on this machine's network.
        folder: of the job; the socket for the namespaces lies there.
        service_port: of the local service, which stays where it was for the hosts.
    """
    names = [host.name for host in hosts]
    variables = program_environment()
    for host in hosts:
        variables.update(_outer_proxies(host.environment))
    keeper = HostProcess(
        name=KEEPER,
        command=(*_PROGRAM, str(folder), str(service_port), str(_PROXY_PORT), *names),
        environment=variables,
        directory=Path("/"),
        log=hosts[0].log.with_name(f"{KEEPER}.log"),
        helper=True,
    )
    entering = [
        _started(attrs.evolve(host, environment=_inner(host.environment, names)), cpus, folder)
        for host, cpus in zip(hosts, shares(len(hosts)), strict=True)
    ]
    return [keeper, *entering]


def on_shared_network(hosts: Sequence[HostProcess], ports: Sequence[range]) -> list[HostProcess]:
    """`hosts` as they run on this machine's network, each with a range of ports for itself."""
    addresses = json.dumps(
        {host.name: f"127.0.0.1:{own[0]}-{own[-1]}" for host, own in zip(hosts, ports, strict=True)}
    )
    return [
        _started(
            attrs.evolve(host, environment={**host.environment, _ADDRESSES_VARIABLE: addresses}),
            cpus,
            None,
        )
        for host, cpus in zip(hosts, shares(len(hosts)), strict=True)
    ]


def _started(host: HostProcess, cpus: Sequence[int], folder: Path | None) -> HostProcess:
    """`host` with its share of the CPUs, and in the job's private network if there is a folder."""
    if not cpus and folder is None:
        return host
    command = (
        *(sys.executable, "-I", "-S", str(Path(enter.__file__))),
        *(host.name, ",".join(map(str, cpus)) or "-", str(folder) if folder else "-"),
        *host.command,
    )
    return attrs.evolve(host, command=command)


def _outer_proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """The proxies that a host was to use; the keeper uses them for it."""
    index: dict[str, str] = json.loads(environment.get(_INDEX_VARIABLE, "{}"))
    given = {**index, **environment}
    return {name: value for name, value in given.items() if name.lower() in _PROXIES}


def _inner(environment: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    """Variables of a host whose only ways out are the service and the proxy of its network."""
    inner = {name: value for name, value in environment.items() if name.lower() not in _PROXIES}
    index: dict[str, str] = json.loads(inner.pop(_INDEX_VARIABLE, "{}"))
    index = {name: value for name, value in index.items() if name.lower() not in _PROXIES}
    if index:
        inner[_INDEX_VARIABLE] = json.dumps(index)
    proxy = f"http://127.0.0.1:{_PROXY_PORT}"
    direct = ",".join(["127.0.0.1", "localhost", *names, *_addresses(len(names))])
    for name, value in (("HTTP_PROXY", proxy), ("HTTPS_PROXY", proxy), ("NO_PROXY", direct)):
        inner[name] = inner[name.lower()] = value
    return inner


def _addresses(count: int) -> list[str]:
    from sm_local.network.namespaces import address

    return [address(number) for number in range(1, count + 1)]
