"""How the hosts of a job share this machine."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

import pytest

from sm_core.errors import ConfigurationError, LocalServiceError
from sm_local import jobnetwork
from sm_local.jobnetwork import (
    NETWORK_VARIABLE,
    Network,
    Networks,
    network_wanted,
    on_private_network,
    on_shared_network,
    shares,
)
from sm_local.processes import HostProcess


def host(name: str, **environment: str) -> HostProcess:
    return HostProcess(
        name=name,
        command=("train",),
        environment={"MINE": "1", **environment},
        directory=Path("/work-dir"),
        log=Path("/logs") / f"{name}.log",
    )


@pytest.mark.parametrize("wanted", ["private", "shared", ""])
def test_the_variable(monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    monkeypatch.setenv(NETWORK_VARIABLE, wanted)
    assert network_wanted() == wanted


def test_nonsense_in_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NETWORK_VARIABLE, "Private")
    with pytest.raises(ConfigurationError, match="'Private'; it must be 'private', 'shared'"):
        network_wanted()


def test_a_shared_network_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NETWORK_VARIABLE, "shared")
    found = Networks().find()
    assert found == Network(private=False, reason=f"{NETWORK_VARIABLE} says so")
    assert found.interface == ("lo" if sys.platform == "linux" else "lo0")
    assert Network(private=True).interface == "eth0"


@pytest.mark.integ
def test_a_kernel_that_does_not_allow_it(monkeypatch: pytest.MonkeyPatch) -> None:
    refusing = (sys.executable, "-c", "import sys; sys.exit('unshare: no')")
    monkeypatch.setattr(jobnetwork, "_PROGRAM", refusing)
    monkeypatch.setattr(sys, "platform", "linux")
    networks = Networks()
    assert networks.find().reason == "the kernel does not allow them (unshare: no)"
    monkeypatch.setenv(NETWORK_VARIABLE, "private")
    with pytest.raises(LocalServiceError, match=r"insists on .*, and the kernel does not allow"):
        networks.for_job()


def test_ports_are_given_once() -> None:
    networks = Networks()
    first, second = networks.take_ports(3), networks.take_ports(3)
    numbers = [port for ports in first + second for port in ports]
    assert len(numbers) == len(set(numbers)) == 6 * 32
    networks.give_back(first + second)


def test_ports_that_others_use_are_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    networks = Networks()
    (ports,) = networks.take_ports(1)
    networks.give_back([ports])
    monkeypatch.setattr(jobnetwork, "_PORTS", ports)
    with (
        socket.create_server(("127.0.0.1", ports[7])),
        pytest.raises(LocalServiceError, match="has no ports left for 1 hosts"),
    ):
        networks.take_ports(1)


def test_cpus_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {7, 3, 5, 9, 1}, raising=False)
    assert shares(1) == [()]
    assert shares(2) == [(1, 3), (5, 7, 9)]
    assert shares(7) == [(1,), (3,), (5,), (7,), (9,), (1,), (3,)]
    monkeypatch.delattr(os, "sched_getaffinity")
    assert shares(2) == [(), ()]


def test_hosts_on_a_shared_network() -> None:
    ports = [range(20_000, 20_032), range(20_032, 20_064)]
    for each in on_shared_network([host("algo-1"), host("algo-2")], ports):
        assert each.command[-1:] == ("train",)
        assert each.environment["MINE"] == "1"
        assert json.loads(each.environment["SMCORE_HOST_ADDRESSES"]) == {
            "algo-1": "127.0.0.1:20000-20031",
            "algo-2": "127.0.0.1:20032-20063",
        }


def test_hosts_on_a_private_network() -> None:
    index = {"UV_INDEX": "https://index", "HTTPS_PROXY": "http://me:secret@proxy:8080"}
    given = [
        host(name, SMCORE_PACKAGE_INDEX=json.dumps(index), no_proxy="index")
        for name in ("algo-1", "algo-2")
    ]
    keeper, *hosts = on_private_network(given, folder=Path("/job"), service_port=20_001)
    assert keeper.name == "network"
    assert keeper.command[-5:] == ("/job", "20001", "3128", "algo-1", "algo-2")
    assert keeper.environment["HTTPS_PROXY"] == "http://me:secret@proxy:8080"
    assert keeper.environment["no_proxy"] == "index"
    assert "MINE" not in keeper.environment
    for each in hosts:
        assert each.command[-1:] == ("train",)
        assert "secret" not in str(each.command)
        variables = each.environment
        assert variables["HTTPS_PROXY"] == variables["http_proxy"] == "http://127.0.0.1:3128"
        assert variables["NO_PROXY"] == "127.0.0.1,localhost,algo-1,algo-2,10.254.0.1,10.254.0.2"
        assert json.loads(variables["SMCORE_PACKAGE_INDEX"]) == {"UV_INDEX": "https://index"}
        assert variables["MINE"] == "1"
