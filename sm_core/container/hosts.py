"""The hosts of a job: where each is reached, and waiting for their names."""

from __future__ import annotations

import json
import logging
import re
import socket
import time
from collections.abc import Iterable, Mapping

import attrs

from sm_core.container.errors import HostsUnreachable
from sm_core.errors import ConfigurationError

__all__ = ["ADDRESSES_VARIABLE", "HostAddress", "read_addresses", "resolve", "wait_for_hosts"]

logger = logging.getLogger(__name__)

#: Where hosts are reached whose names do not resolve, as when all of them are one machine: a JSON
#: object from a host's name to ``"address"``, or ``"address:first-last"`` if it has only those
#: ports for itself.
ADDRESSES_VARIABLE = "SMCORE_HOST_ADDRESSES"
#: Seconds for which names may stay unknown while a cluster comes up.
PATIENCE = 15 * 60.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 30.0
_ADDRESS = re.compile(
    r"(?P<address>[0-9.]+|\[[0-9a-fA-F:.]+\])(?::(?P<first>\d{1,5})-(?P<last>\d{1,5}))?"
)


@attrs.frozen
class HostAddress:
    """Where one host is reached.

    Attributes:
        address: IP address.
        first, last: the ports that the host has for itself; None if it has all.
    """

    address: str
    first: int | None = None
    last: int | None = None

    def port(self, port: int) -> int:
        """The port that stands for `port`: itself, or the same one of the host's own each time."""
        if self.first is None or self.last is None:
            return port
        return self.first + port % (self.last - self.first + 1)


def read_addresses(variables: Mapping[str, str]) -> dict[str, HostAddress]:
    """What `ADDRESSES_VARIABLE` says, by host; empty without it.

    Raises:
        ConfigurationError: it has another form.
    """
    text = variables.get(ADDRESSES_VARIABLE)
    if not text:
        return {}
    try:
        given = json.loads(text)
    except (RecursionError, ValueError) as error:
        raise ConfigurationError(f"{ADDRESSES_VARIABLE} is no JSON: {error}") from None
    if not isinstance(given, dict):
        raise ConfigurationError(f"{ADDRESSES_VARIABLE} is {text!r}; it must be a JSON object")
    return {host: _parse(host, value) for host, value in given.items()}


def _parse(host: str, value: object) -> HostAddress:
    found = _ADDRESS.fullmatch(value) if isinstance(value, str) else None
    if found is not None:
        address = found["address"].strip("[]")
        if found["first"] is None:
            return HostAddress(address)
        first, last = int(found["first"]), int(found["last"])
        if 0 < first <= last < 65536:
            return HostAddress(address, first, last)
    raise ConfigurationError(
        f"{ADDRESSES_VARIABLE}: {host} is at {value!r}; it must be an IP address, or one with a "
        "range of ports such as 127.0.0.1:40000-40015"
    )


def resolve(host: str) -> str:
    """The IP address that the name `host` stands for now; IPv4 where there is one.

    Raises:
        OSError: the name is not known (yet).
    """
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    _family, *_, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    return str(address[0])


def wait_for_hosts(hosts: Iterable[str], *, patience: float = PATIENCE) -> None:
    """Wait until the names of all `hosts` can be resolved.

    Args:
        hosts: names.
        patience: seconds in all.

    Raises:
        HostsUnreachable: some could not be resolved in that time; names them.
    """
    deadline = time.monotonic() + patience
    pause = _FIRST_PAUSE
    missing = dict.fromkeys(hosts, "")
    while missing := _unresolved(missing):
        left = deadline - time.monotonic()
        if left <= 0:
            raise HostsUnreachable(missing, patience)
        if pause >= 1:
            logger.info("waiting for %s to be known by name", ", ".join(missing))
        time.sleep(min(pause, left))
        pause = min(pause * 2, _LONGEST_PAUSE)


def _unresolved(hosts: Iterable[str]) -> dict[str, str]:
    """Those of `hosts` that cannot be resolved now, with the reason."""
    missing = {}
    for host in hosts:
        try:
            resolve(host)
        except OSError as error:
            missing[host] = str(error.strerror or error)
    return missing
