"""The hosts of a job, connected by PyTorch's collectives over TCP where they are several."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from sm_amazon_algos.container.errors import CustomerError
from sm_amazon_algos.container.hosts import Hosts
from sm_core.container.environment import TrainingEnvironment
from sm_core.container.errors import ContainerError

__all__ = ["connected"]

Array = npt.NDArray[Any]

#: The port of the first host by which the others find each other.
_PORT = 7777
#: How long a host waits for another one. Data may be shared out unevenly.
_PATIENCE = timedelta(hours=1)


#: Under which the first host's store has what is wrong with the job, told by whoever found it.
_REASON = "reason"


class _HostLost(ContainerError):
    """Another host has ended, or does not answer."""


class _TorchHosts(Hosts):
    """The hosts of a process group."""

    def __init__(self, torch: Any, *, rank: int, count: int) -> None:
        self._torch, self._distributed = torch, torch.distributed
        self.rank, self.count = rank, count

    def sum(self, array: Array) -> Array:
        """By a sum of all to all."""
        tensor = self._torch.from_numpy(np.array(array, order="C"))
        with _lost_hosts_named():
            self._distributed.all_reduce(tensor)
        found: Array = tensor.numpy()
        return found

    def gather(self, array: Array) -> list[Array]:
        """Lengths first, then arrays of the longest one's length."""
        lengths = np.zeros(self.count, dtype=np.int64)
        lengths[self.rank] = len(array)
        lengths = self.sum(lengths)
        longest = int(lengths.max())
        padded = np.zeros((longest, *array.shape[1:]), dtype=array.dtype)
        padded[: len(array)] = array
        whole = np.zeros((self.count, *padded.shape), dtype=array.dtype)
        whole[self.rank] = padded
        whole = self.sum(whole)
        return [whole[rank, :length] for rank, length in enumerate(lengths.tolist())]

    def broadcast(self, array: Array | None) -> Array:
        """Its form first, as the others do not know it."""
        if self.rank == 0 and array is None:
            raise ValueError("the first host has to give what all get")
        described: list[Any] = [None if array is None else (array.shape, array.dtype.str)]
        with _lost_hosts_named():
            self._distributed.broadcast_object_list(described, src=0)
        shape, kind = described[0]
        held = np.zeros(shape, np.dtype(kind)) if array is None else np.array(array, order="C")
        tensor = self._torch.from_numpy(held)
        with _lost_hosts_named():
            self._distributed.broadcast(tensor, src=0)
        found: Array = tensor.numpy()
        return found


@contextmanager
def connected(environment: TrainingEnvironment) -> Iterator[Hosts]:
    """The hosts of a job, connected until the end of the context.

    Raises:
        ContainerError: PyTorch is not installed, or the hosts cannot reach each other.
        CustomerError: another host has ended for what the customer has to correct.
    """
    if len(environment.hosts) == 1:
        yield Hosts()
        return
    try:
        import torch
        import torch.distributed as distributed
    except ImportError as error:
        raise ContainerError(
            f"a job of {len(environment.hosts)} hosts needs PyTorch in its container: use the "
            "ContainerSpec for several hosts"
        ) from error
    names = sorted(environment.hosts)
    rank, count = names.index(environment.current_host), len(names)
    own, _ = environment.address_of(environment.current_host, _PORT)
    os.environ.setdefault("GLOO_SOCKET_IFNAME", _interface(environment, own))
    with _listener(environment, names[0]) as listener:
        address, port = environment.address_of(names[0], _PORT)
        try:
            store = distributed.TCPStore(
                address,
                port,
                world_size=count,
                is_master=listener is not None,
                timeout=_PATIENCE,
                master_listen_fd=None if listener is None else listener.detach(),
                wait_for_workers=True,
            )
            distributed.init_process_group(
                "gloo", store=store, rank=rank, world_size=count, timeout=_PATIENCE
            )
        except (RuntimeError, distributed.DistError) as error:
            raise ContainerError(f"the hosts of the job cannot be connected: {error}") from error
    try:
        with _reasons_shared(store):
            yield _TorchHosts(torch, rank=rank, count=count)
    finally:
        distributed.destroy_process_group()


@contextmanager
def _lost_hosts_named() -> Iterator[None]:
    """What PyTorch says of a broken connection, as `_HostLost`."""
    try:
        yield
    except RuntimeError as error:
        raise _HostLost(
            f"another host of the job has ended, or cannot be reached: {error}"
        ) from error


@contextmanager
def _reasons_shared(store: Any) -> Iterator[None]:
    """Tell the others what is wrong, and say the same where another host was first to find it.

    Each host has a failure of its own, and any of them may become the job's.
    """
    try:
        yield
    except CustomerError as error:
        with suppress(RuntimeError):  # the first host has ended, and says why itself
            store.set(_REASON, error.reason)
        raise
    except _HostLost as error:
        reason = ""
        with suppress(RuntimeError):  # as above
            if store.check([_REASON]):
                reason = store.get(_REASON).decode()
        if reason:
            raise CustomerError(reason) from error
        raise


@contextmanager
def _listener(environment: TrainingEnvironment, first: str) -> Iterator[socket.socket | None]:
    """The first host's listening socket, at its own address alone; None on the others.

    PyTorch would listen on every interface.
    """
    if environment.current_host != first:
        yield None
        return
    address, port = environment.address_of(first, _PORT)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((address, port))
            listener.listen()
        except OSError as error:
            raise ContainerError(
                f"the first host cannot listen on {address}:{port}: {error}"
            ) from error
        yield listener


def _interface(environment: TrainingEnvironment, address: str) -> str:
    """The network interface by which the other hosts are reached."""
    return "lo" if ipaddress.ip_address(address).is_loopback else environment.network_interface_name
