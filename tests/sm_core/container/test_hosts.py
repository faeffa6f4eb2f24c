"""Where the hosts of a job are reached."""

from __future__ import annotations

import json
import socket

import hypothesis
import hypothesis.strategies as st
import pytest

from sm_core.container.errors import HostsUnreachable
from sm_core.container.hosts import HostAddress, read_addresses, resolve, wait_for_hosts
from sm_core.errors import ConfigurationError


def test_without_the_variable_names_resolve() -> None:
    assert read_addresses({}) == {}
    assert resolve("localhost") == "127.0.0.1"


def test_addresses_and_ranges_of_ports() -> None:
    given = {"algo-1": "127.0.0.1", "algo-2": "127.0.0.1:40000-40015", "algo-3": "[::1]:1-1"}
    found = read_addresses({"SMCORE_HOST_ADDRESSES": json.dumps(given)})
    assert found == {
        "algo-1": HostAddress("127.0.0.1"),
        "algo-2": HostAddress("127.0.0.1", 40000, 40015),
        "algo-3": HostAddress("::1", 1, 1),
    }
    assert [found[host].port(8000) for host in given] == [8000, 40000, 1]


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"a": 1}',
        '{"a": "algo-1"}',
        '{"a": "127.0.0.1:9-8"}',
        '{"a": "127.0.0.1:0-8"}',
        '{"a": "127.0.0.1:1-65536"}',
        '{"a": "127.0.0.1:80"}',
    ],
)
def test_what_is_no_address_is_named(text: str) -> None:
    with pytest.raises(ConfigurationError, match="SMCORE_HOST_ADDRESSES"):
        read_addresses({"SMCORE_HOST_ADDRESSES": text})


@hypothesis.given(
    port=st.integers(0, 65535), first=st.integers(1, 65535), count=st.integers(1, 100)
)
def test_a_port_stays_within_the_host_s_own(port: int, first: int, count: int) -> None:
    last = min(65535, first + count - 1)
    assert first <= HostAddress("127.0.0.1", first, last).port(port) <= last


def test_known_names_are_not_waited_for() -> None:
    wait_for_hosts(["localhost", "127.0.0.1"], patience=0)


def test_a_name_that_comes_late(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = socket.getaddrinfo

    def late(host: str, *arguments: object, **options: object) -> object:
        asked.append(host)
        if asked.count("algo-2") == 1:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real("localhost", None)

    monkeypatch.setattr(socket, "getaddrinfo", late)
    wait_for_hosts(["algo-1", "algo-2"])
    assert asked == ["algo-1", "algo-2", "algo-2"]


def test_a_name_that_never_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(
        HostsUnreachable,
        match=r"by name within 0 seconds: algo-2 \(Name or service not known\)",
    ):
        wait_for_hosts(["algo-2"], patience=0.2)
