"""TensorFlow's cluster: hosts on the loopback address, with the real TensorFlow."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from sm_core.testing.containers import Container, Ended
from tests.ports import free_ports
from tests.sm_tensorflow.container.jobs import LINEAR, checkpoints, container_of, exported, wait_for

pytestmark = [pytest.mark.integ, pytest.mark.timeout(600)]

TRAIN = {"sagemaker_program": "train.py", "training_steps": 200, "evaluation_steps": 1}
PORTS = 4


class Cluster:
    """The containers of a job whose hosts are one machine and share their checkpoints' folder."""

    def __init__(self, folder: Path, python: str, script: str, *, count: int) -> None:
        self.hosts = [f"algo-{number}" for number in range(1, count + 1)]
        self.checkpoints = folder / "checkpoints"
        self.checkpoints.mkdir()
        self.containers: dict[str, Container] = {}
        for host in self.hosts:
            container = container_of(folder / host, python, script)
            (container.base / "checkpoints").symlink_to(self.checkpoints)
            self.containers[host] = container
        first = free_ports(PORTS * count)
        addresses = {
            host: f"127.0.0.1:{first + PORTS * i}-{first + PORTS * (i + 1) - 1}"
            for i, host in enumerate(self.hosts)
        }
        self.variables = {
            "SMCORE_HOST_ADDRESSES": json.dumps(addresses),
            "SMCORE_TENSORFLOW_OPEN_PORTS": "1",
        }

    @contextmanager
    def training(self, hyperparameters: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        with ExitStack() as stack:
            yield {
                host: stack.enter_context(
                    container.training(
                        hyperparameters=hyperparameters,
                        hosts=self.hosts,
                        host=host,
                        variables=self.variables,
                    )
                )
                for host, container in self.containers.items()
            }

    def train(self, hyperparameters: Mapping[str, Any]) -> dict[str, Ended]:
        with self.training(hyperparameters) as processes:
            return {
                host: self.containers[host].ended(processes[host]) for host in reversed(self.hosts)
            }


def parameter_servers(container: Container) -> list[int]:
    """Processes of a container that serve parameters."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            variables = (entry / "environ").read_bytes()
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if str(container.base).encode() in variables and b"sm_tensorflow" in command:
            found.append(int(entry.name))
    return found


def check_trained(cluster: Cluster, ended: Mapping[str, Ended]) -> None:
    for host, container in cluster.containers.items():
        assert (ended[host].exit_code, ended[host].failure) == (0, None), ended[host].log
        assert ended[host].succeeded
        assert parameter_servers(container) == []
    first, *others = cluster.containers.values()
    exported(first)
    assert not any(any((container.base / "model").iterdir()) for container in others)
    assert checkpoints(cluster.checkpoints)[-1] >= TRAIN["training_steps"]  # type: ignore[operator]  # a number


def test_two_hosts_train_one_model(tmp_path: Path, tensorflow_python: str) -> None:
    cluster = Cluster(tmp_path, tensorflow_python, LINEAR, count=2)
    check_trained(cluster, cluster.train(TRAIN))


HOLD = """
import time

class Hold(tf.train.SessionRunHook):
    def after_run(self, context, values):
        while not os.path.exists("../output/data/now"):
            time.sleep(0.1)

def hold():
    return Hold() if os.environ["SM_CURRENT_HOST"] == "algo-1" else []
"""
WAITS = "Waiting for global step 5545 before starting training"


@pytest.mark.long
def test_three_hosts_train_one_model(tmp_path: Path, tensorflow_python: str) -> None:
    cluster = Cluster(tmp_path, tensorflow_python, LINEAR + HOLD, count=3)
    more = {"delay_workers_by_global_step": True, "train_monitors": ["hold"]}
    with cluster.training({**TRAIN, **more}) as processes:
        # The second worker waits for step 8000 * ln(2), which is never reached; the first for none.
        wait_for(lambda: WAITS in cluster.containers["algo-3"].log())
        (cluster.containers["algo-1"].base / "output/data/now").touch()
        ended = {host: cluster.containers[host].ended(processes[host]) for host in cluster.hosts}
    check_trained(cluster, ended)
    assert WAITS not in ended["algo-2"].log
    assert "loss = " not in ended["algo-3"].log


FAILS = """
import threading, os
def fail():
    while not os.path.exists("../output/data/now"):
        threading.Event().wait(0.1)
    os._exit(9)
threading.Thread(target=fail, daemon=True).start()
"""


@pytest.mark.long
@pytest.mark.parametrize("failing", ["algo-1", "algo-2"])
def test_all_hosts_end_whichever_fails(
    tmp_path: Path, tensorflow_python: str, failing: str
) -> None:
    cluster = Cluster(tmp_path, tensorflow_python, LINEAR + FAILS, count=2)
    with cluster.training({**TRAIN, "training_steps": None}) as processes:
        wait_for(lambda: bool(checkpoints(cluster.checkpoints)))
        (cluster.containers[failing].base / "output/data/now").touch()
        ended = {host: cluster.containers[host].ended(processes[host]) for host in cluster.hosts}
    assert ended[failing].exit_code == 9
    if failing == "algo-1":
        assert (ended["algo-2"].exit_code, ended["algo-2"].failure) == (0, None)
    else:
        assert ended["algo-1"].exit_code == 1
        assert "host algo-2 ended before the training did" in str(ended["algo-1"].failure)
    for container in cluster.containers.values():
        wait_for(lambda container=container: parameter_servers(container) == [])  # type: ignore[misc]  # a lambda's default has no type


@pytest.mark.long
def test_a_stop_saves_what_the_hosts_have_trained(tmp_path: Path, tensorflow_python: str) -> None:
    cluster = Cluster(tmp_path, tensorflow_python, LINEAR, count=2)
    with cluster.training({**TRAIN, "training_steps": None}) as processes:
        wait_for(lambda: bool(checkpoints(cluster.checkpoints)))
        for process in processes.values():
            process.terminate()
        ended = {host: cluster.containers[host].ended(processes[host]) for host in cluster.hosts}
    assert ended["algo-1"].exit_code == 143, ended["algo-1"].log
    # One that was still waiting for the master ends because the master has.
    assert ended["algo-2"].exit_code in (0, 143), ended["algo-2"].log
    exported(cluster.containers["algo-1"])


def refusal(container: Container, variables: Mapping[str, str], hosts: Sequence[str]) -> str:
    ended = container.train(hyperparameters=TRAIN, hosts=hosts, variables=variables)
    assert ended.exit_code == 1
    return str(ended.failure)


def test_open_ports_must_be_allowed(tmp_path: Path, tensorflow_python: str) -> None:
    cluster = Cluster(tmp_path, tensorflow_python, LINEAR, count=2)
    del cluster.variables["SMCORE_TENSORFLOW_OPEN_PORTS"]
    reason = refusal(cluster.containers["algo-1"], cluster.variables, cluster.hosts)
    assert "servers listen on every interface" in reason
    assert "SMCORE_TENSORFLOW_OPEN_PORTS=1 in the job's environment allows it" in reason


def test_a_port_that_is_taken_is_named(tmp_path: Path, tensorflow_python: str) -> None:
    cluster = Cluster(tmp_path, tensorflow_python, LINEAR, count=2)
    first = int(json.loads(cluster.variables["SMCORE_HOST_ADDRESSES"])["algo-1"].split(":")[1][:5])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", first + 2222 % PORTS))
        taken.listen()
        reason = refusal(cluster.containers["algo-1"], cluster.variables, cluster.hosts)
    assert "TensorFlow's server cannot listen on port" in reason


MIRRORED = """
import json, os
import numpy as np
import tensorflow as tf
strategy = tf.distribute.MultiWorkerMirroredStrategy()
with strategy.scope():
    model = tf.keras.Sequential([tf.keras.layers.Dense(1, input_shape=(2,))])
    model.compile("sgd", "mse")
x = np.arange(32, dtype="float32").reshape(16, 2) / 32
data = tf.data.Dataset.from_tensor_slices((x, x.sum(axis=1))).batch(4)
model.fit(data, epochs=2, verbose=0)
print("replicas", strategy.num_replicas_in_sync)
print("weights", [float(value) for value in model.get_weights()[0].ravel()])
first = json.loads(os.environ["TF_CONFIG"])["task"]["index"] == 0
model.save(os.path.join(os.environ["SM_MODEL_DIR"], "1") if first else "../other")
"""


@pytest.mark.long
def test_mirrored_workers_of_a_script_of_its_own(tmp_path: Path, tensorflow_python: str) -> None:
    cluster = Cluster(tmp_path, tensorflow_python, MIRRORED, count=2)
    hyperparameters = {"sagemaker_program": "train.py"}
    ended = cluster.train(
        {**hyperparameters, "sagemaker_multi_worker_mirrored_strategy_enabled": True}
    )
    weights = set()
    for host in cluster.hosts:
        assert ended[host].exit_code == 0, ended[host].log
        assert "replicas 2" in ended[host].log
        weights.add(ended[host].log.partition("weights")[2].splitlines()[0])
    assert len(weights) == 1


PARAMETER_SERVERS = """
import json, os
import tensorflow.compat.v1 as tf

tf.disable_v2_behavior()
settings = json.loads(os.environ["TF_CONFIG"])
task = "/job:%s/task:%d" % (settings["task"]["type"], settings["task"]["index"])
chief = task == "/job:master/task:0"
cluster = tf.train.ClusterSpec(settings["cluster"])
server = tf.train.Server(cluster, settings["task"]["type"], settings["task"]["index"])
with tf.device(tf.train.replica_device_setter(cluster=cluster, worker_device=task)):
    step = tf.train.get_or_create_global_step()
    weights = tf.get_variable("weights", [2], initializer=tf.zeros_initializer())
    loss = tf.reduce_sum(tf.square(weights - [1.0, 2.0]))
    train = tf.train.GradientDescentOptimizer(0.1).minimize(loss, step)
print(task, "keeps its weights at", weights.device)
hooks = [tf.train.StopAtStepHook(last_step=100)]
with tf.train.MonitoredTrainingSession(server.target, is_chief=chief, hooks=hooks) as session:
    while not session.should_stop():
        found = session.run([train, weights])[1]
print("found", [round(float(value), 1) for value in found])
"""


@pytest.mark.long
@pytest.mark.parametrize("version", ["2.14.1", "2.21.0"])
def test_parameter_servers_of_a_script_of_its_own(
    tmp_path: Path, python_with: Any, version: str
) -> None:
    cluster = Cluster(tmp_path, python_with(version), PARAMETER_SERVERS, count=2)
    hyperparameters = {"sagemaker_program": "train.py", "sagemaker_parameter_server_enabled": True}
    ended = cluster.train(hyperparameters)
    for host in cluster.hosts:
        assert (ended[host].exit_code, ended[host].failure) == (0, None), ended[host].log
        assert parameter_servers(cluster.containers[host]) == []
    assert "keeps its weights at /job:ps/task:" in ended["algo-1"].log
    assert "found [1.0, 2.0]" in ended["algo-1"].log


def test_a_script_of_its_own_gets_a_cluster_only_where_asked(
    tmp_path: Path, tensorflow_python: str
) -> None:
    script = "import os\nprint('TF_CONFIG is', os.environ.get('TF_CONFIG'))\n"
    cluster = Cluster(tmp_path, tensorflow_python, script, count=2)
    ended = cluster.containers["algo-1"].train(
        hyperparameters={"sagemaker_program": "train.py"},
        hosts=cluster.hosts,
        variables=cluster.variables,
    )
    assert "TF_CONFIG is None" in ended.log, ended.log


def test_without_a_shared_folder_several_hosts_are_refused(
    tmp_path: Path, tensorflow_python: str
) -> None:
    cluster = Cluster(tmp_path, tensorflow_python, LINEAR, count=2)
    container = cluster.containers["algo-1"]
    (container.base / "checkpoints").unlink()
    reason = refusal(container, cluster.variables, cluster.hosts)
    assert "the functions of a script train on one host only" in reason


@pytest.mark.long
def test_keras_trains_on_one_host(tmp_path: Path, tensorflow_python: str) -> None:
    script = LINEAR.replace("def model_fn(features, labels, mode, ", "def keras_model_fn(")
    cluster = Cluster(tmp_path, tensorflow_python, script, count=2)
    reason = refusal(cluster.containers["algo-1"], cluster.variables, cluster.hosts)
    assert "keras_model_fn trains on one host only" in reason
