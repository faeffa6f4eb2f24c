"""TensorFlow's cluster beside the training of several hosts.

The first host is the master, the others are workers, and each has a parameter server beside it, as
in AWS's containers; TF_CONFIG tells TensorFlow. A script of its own gets that, or TF_CONFIG for
``tf.distribute.MultiWorkerMirroredStrategy``, where the job asks for it.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from sm_core.container.cluster import Helper, helpers_running, variables_set
from sm_core.container.environment import TrainingEnvironment
from sm_core.container.errors import ContainerError
from sm_core.container.process import StopRequested
from sm_core.errors import ConfigurationError
from sm_tensorflow.container.peers import MasterWatch, WorkersWatch
from sm_tensorflow.container.roles import calls_functions, is_master

__all__ = ["OPEN_PORTS_VARIABLE", "cluster"]

logger = logging.getLogger(__name__)

#: ``1`` lets TensorFlow's servers listen where other machines may reach them.
OPEN_PORTS_VARIABLE = "SMCORE_TENSORFLOW_OPEN_PORTS"
#: Ports as in AWS's containers: of master and workers, of parameter servers, of mirrored workers.
_PORT, _SERVER_PORT, _MIRRORED_PORT = 2222, 2223, 8890
_PARAMETER_SERVERS = "sagemaker_parameter_server_enabled"
_MIRRORED = "sagemaker_multi_worker_mirrored_strategy_enabled"


def cluster(environment: TrainingEnvironment) -> AbstractContextManager[None] | None:
    """What runs on this host while several train; None where nothing has to.

    Raises:
        ConfigurationError: the hosts are one machine without networks of their own, whose ports
            TensorFlow would open to others, and nobody has allowed that.
    """
    parameters = environment.framework_parameters
    if calls_functions(environment) or parameters.get(_PARAMETER_SERVERS) is True:
        _see_that_ports_may_be_open(environment)
        return _parameter_servers(environment)
    if parameters.get(_MIRRORED) is True:
        _see_that_ports_may_be_open(environment)
        return _mirrored(environment)
    return None


def _see_that_ports_may_be_open(environment: TrainingEnvironment) -> None:
    """TensorFlow's servers listen on every interface, whatever address they are given."""
    if environment.addresses and os.environ.get(OPEN_PORTS_VARIABLE) != "1":
        raise ConfigurationError(
            "TensorFlow's servers listen on every interface of this machine, on which the hosts of "
            "this job have no networks of their own: whoever reaches it could reach them, and they "
            f"ask for no password. {OPEN_PORTS_VARIABLE}=1 in the job's environment allows it"
        )


@contextmanager
def _mirrored(environment: TrainingEnvironment) -> Iterator[None]:
    hosts = environment.hosts
    settings = {
        "cluster": {"worker": [_address(environment, host, _MIRRORED_PORT) for host in hosts]},
        "task": {"type": "worker", "index": hosts.index(environment.current_host)},
        "environment": "cloud",
    }
    with variables_set({"TF_CONFIG": json.dumps(settings)}):
        yield


@contextmanager
def _parameter_servers(environment: TrainingEnvironment) -> Iterator[None]:
    """Run this host's parameter server.

    It is needed until the master has ended, so a worker waits for that. A worker that is stuck when
    the master has gone ends with success: whether the job has, the master tells.
    """
    for port in (_PORT, _SERVER_PORT):
        _require_free(environment, port)
    servers = _cluster(environment)
    index = environment.hosts.index(environment.current_host)
    task = {"type": "master", "index": 0} if index == 0 else {"type": "worker", "index": index - 1}
    helper = Helper(
        name="TensorFlow parameter server",
        command=(sys.executable, "-m", "sm_tensorflow.container.servers"),
        variables={
            "TF_CONFIG": _config(servers, {"type": "ps", "index": index}),
            "CUDA_VISIBLE_DEVICES": "",
        },
    )
    logger.info("cluster: %s", json.dumps(servers))
    with (
        helpers_running(environment, [helper], patience=0.0),
        variables_set({"TF_CONFIG": _config(servers, task)}),
    ):
        if is_master(environment):
            others = {
                host: environment.address_of(host, _SERVER_PORT) for host in environment.hosts[1:]
            }
            with WorkersWatch(environment, others):
                yield
        else:
            master = environment.address_of(environment.hosts[0], _SERVER_PORT)
            with MasterWatch(environment, master) as watch:
                try:
                    yield
                except StopRequested:
                    watch.wait()
                    raise
                watch.wait()


def _cluster(environment: TrainingEnvironment) -> dict[str, list[str]]:
    addresses = [_address(environment, host, _PORT) for host in environment.hosts]
    return {
        "master": addresses[:1],
        "worker": addresses[1:],
        "ps": [_address(environment, host, _SERVER_PORT) for host in environment.hosts],
    }


def _config(servers: Mapping[str, Any], task: Mapping[str, Any]) -> str:
    return json.dumps({"cluster": servers, "task": task, "environment": "cloud"})


def _address(environment: TrainingEnvironment, host: str, port: int) -> str:
    address, port = environment.address_of(host, port)
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _require_free(environment: TrainingEnvironment, port: int) -> None:
    """Refuse a port that is taken, of which TensorFlow would only say that it cannot start."""
    _, own = environment.address_of(environment.current_host, port)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", own))
        except OSError as error:
            raise ContainerError(
                f"TensorFlow's server cannot listen on port {own}: {error}"
            ) from error
