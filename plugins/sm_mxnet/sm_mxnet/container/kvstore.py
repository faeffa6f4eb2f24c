"""MXNet's distributed kvstore: a scheduler on one host and a server on each, beside the training.

The training script itself is the worker. All of them find each other by the DMLC_* variables of
ps-lite: https://github.com/dmlc/ps-lite.
"""

from __future__ import annotations

import gc
import ipaddress
import logging
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import attrs

from sm_core.container.cluster import Helper, helpers_running, variables_set
from sm_core.container.environment import TrainingEnvironment
from sm_core.container.errors import ContainerError
from sm_core.container.hosts import HostAddress
from sm_core.errors import ConfigurationError

__all__ = ["kvstore_alone", "kvstore_on_demand", "kvstore_running"]

logger = logging.getLogger(__name__)

#: The scheduler's port, unless hyperparameter ``_ps_port`` names another.
_PORT = 8000
#: A server or scheduler does nothing but import MXNet, which plays the role and then ends.
_COMMAND = (sys.executable, "-c", "import mxnet")
#: Seconds that they may take to end once all workers have said good-bye.
_PATIENCE = 15.0
#: Seconds after which it is told, again and again, that the other workers have not.
_WORRY = 60.0


@contextmanager
def kvstore_running(environment: TrainingEnvironment) -> Iterator[None]:
    """Run this host's part of the kvstore, with the worker's variables set for what runs inside.

    Raises:
        ConfigurationError: ``_ps_port`` or ``_ps_verbose`` is no number.
        ContainerError: the scheduler's port is taken.
    """
    host = min(environment.hosts)
    variables = _variables(environment, scheduler=host)
    roles = ["server"]
    if environment.current_host == host:
        _require_free(variables)
        roles.insert(0, "scheduler")
    helpers = [
        Helper(name=f"MXNet {role}", command=_COMMAND, variables={**variables, "DMLC_ROLE": role})
        for role in roles
    ]
    logger.info(
        "kvstore: %s, scheduler at %s:%s",
        f"{len(environment.hosts)} hosts" if len(environment.hosts) > 1 else "1 host",
        variables["DMLC_PS_ROOT_URI"],
        variables["DMLC_PS_ROOT_PORT"],
    )
    with helpers_running(environment, helpers, patience=_PATIENCE):
        with variables_set({**variables, "DMLC_ROLE": "worker"}):
            try:
                yield
            except SystemExit as end:
                # A script may end so, too, and others may still need this host's server.
                if end.code in (None, 0):
                    _say_good_bye()
                raise
        _say_good_bye()


@contextmanager
def kvstore_on_demand(environment: TrainingEnvironment) -> Iterator[None]:
    """On a job of one host, run the kvstore once what runs inside creates a distributed one.

    AWS's containers of 2017 ran it for each job, so that scripts may ask for ``dist_sync`` however
    many hosts there are. Imports MXNet.
    """
    import mxnet.kvstore

    create = mxnet.kvstore.create
    with ExitStack() as stack:
        running: list[None] = []

        def create_when_running(name: Any = "local") -> Any:
            if not running and isinstance(name, str) and name.lower().startswith("dist"):
                running.append(stack.enter_context(kvstore_alone(environment)))
            return create(name)

        mxnet.kvstore.create = create_when_running
        try:
            yield
        finally:
            mxnet.kvstore.create = create


def kvstore_alone(environment: TrainingEnvironment) -> AbstractContextManager[None]:
    """The kvstore of a job of one host, on a free port of the loopback address.

    The host's name need not resolve, nor port 8000 be free.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    own = HostAddress("127.0.0.1", first=port, last=port)
    return kvstore_running(attrs.evolve(environment, addresses={environment.current_host: own}))


def _variables(environment: TrainingEnvironment, *, scheduler: str) -> dict[str, str]:
    port = _number(environment, "_ps_port", _PORT)
    # The scheduler waits for ever if this is a name and not an address.
    address, port = environment.address_of(scheduler, port)
    count = str(len(environment.hosts))
    variables = {
        "DMLC_NUM_WORKER": count,
        "DMLC_NUM_SERVER": count,
        "DMLC_PS_ROOT_URI": address,
        "DMLC_PS_ROOT_PORT": str(port),
        "PS_VERBOSE": str(_number(environment, "_ps_verbose", 0)),
    }
    own, _ = environment.address_of(environment.current_host, port)
    # What a node announces is also the only address that it listens on. A machine may know its own
    # name as a loopback address, where others cannot reach it.
    if not ipaddress.ip_address(own).is_loopback or ipaddress.ip_address(address).is_loopback:
        variables["DMLC_NODE_HOST"] = own
    return variables


def _number(environment: TrainingEnvironment, name: str, default: int) -> int:
    value = environment.hyperparameters.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigurationError(f"hyperparameter {name} is {value!r}; it must be a whole number")
    return value


def _require_free(variables: Mapping[str, str]) -> None:
    """Refuse a port that is taken: the scheduler would end, and all others wait for ever."""
    address, port = variables["DMLC_PS_ROOT_URI"], int(variables["DMLC_PS_ROOT_PORT"])
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except (OSError, OverflowError) as error:
            raise ContainerError(
                f"MXNet's scheduler cannot listen on {address}:{port}: {error}. Hyperparameter "
                "_ps_port names another port"
            ) from error


def _say_good_bye() -> None:
    """Close the kvstores of this process; returns when all other workers have closed theirs.

    Whatever still refers to a store, such as a variable of the script, would keep it, and with it
    the servers, until this process ends.
    """
    gc.collect()
    kvstore = sys.modules.get("mxnet.kvstore.kvstore")
    if kvstore is None:
        return
    stores = [each for each in gc.get_objects() if type(each) is kvstore.KVStore]
    distributed = [store for store in stores if store.type.startswith("dist")]
    if not distributed:
        return
    logger.info("kvstore: waiting for the other workers to end")
    # In a thread of its own: a signal can interrupt the waiting for it, and nothing in MXNet.
    thread = threading.Thread(target=_close, args=(distributed,), daemon=True)
    thread.start()
    thread.join(_WORRY)
    while thread.is_alive():
        logger.warning(
            "kvstore: other workers have not ended yet. They may wait for this host for ever: a "
            "synchronous kvstore needs as many batches on each host"
        )
        thread.join(_WORRY)


def _close(stores: list[Any]) -> None:
    from mxnet.base import _LIB, check_call

    for store in stores:
        handle, store.handle = store.handle, None
        check_call(_LIB.MXKVStoreFree(handle))
