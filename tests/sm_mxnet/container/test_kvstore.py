"""The distributed kvstore: two hosts on the loopback address, with the real MXNet."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_digits

from sm_core.testing.containers import Container, Ended
from tests.ports import free_ports

pytestmark = [pytest.mark.integ, pytest.mark.timeout(600)]

PATIENCE = 60.0
HOSTS = ("algo-1", "algo-2")
TRAIN = {"sagemaker_program": "train.py"}


class Cluster:
    """The containers of a job with several hosts that are one machine."""

    def __init__(self, folder: Path, python: str, hosts: Sequence[str] = HOSTS) -> None:
        for host in hosts:
            (folder / host).mkdir()
        self.hosts = hosts
        self.containers = {host: Container(folder / host, python=python) for host in hosts}
        first = free_ports(4 * len(hosts))
        addresses = {
            host: f"127.0.0.1:{first + 4 * index}-{first + 4 * index + 3}"
            for index, host in enumerate(hosts)
        }
        self.port = first
        self.variables = {"SMCORE_HOST_ADDRESSES": json.dumps(addresses)}

    def write_code(self, script: str) -> None:
        for container in self.containers.values():
            container.write_code({"train.py": script})

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
            return {host: self.containers[host].ended(processes[host]) for host in self.hosts}


@pytest.fixture
def cluster(tmp_path: Path, mxnet_python: str) -> Cluster:
    return Cluster(tmp_path, mxnet_python)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def helpers(container: Container) -> list[int]:
    """Schedulers and servers of a container."""
    found = []
    for pid in container.processes():
        with suppress(OSError):
            variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            if any(name in variables for name in (b"DMLC_ROLE=server", b"DMLC_ROLE=scheduler")):
                found.append(pid)
    return found


MODULE = """
import json, os
import mxnet as mx
import numpy as np

def train(hyperparameters, hosts, current_host, output_data_dir, **kwargs):
    mx.random.seed(1)
    rows = np.arange(32, dtype="float32").reshape(16, 2) / 32
    mine = rows[hosts.index(current_host)::len(hosts)]
    data = mx.io.NDArrayIter(mine, mine.sum(axis=1), 4, label_name="out_label")
    layer = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=1, name="fc")
    output = mx.sym.LinearRegressionOutput(layer, name="out")
    module = mx.mod.Module(output, label_names=["out_label"])
    module.fit(data, num_epoch=3, eval_metric="mse", kvstore=hyperparameters["kvstore"])
    arguments, _ = module.get_params()
    found = {name: value.asnumpy().tolist() for name, value in arguments.items()}
    json.dump(found, open(os.path.join(output_data_dir, "parameters.json"), "w"))
    return module
"""


def test_two_hosts_train_one_model(cluster: Cluster) -> None:
    cluster.write_code(MODULE)
    ended = cluster.train({**TRAIN, "kvstore": "dist_sync"})
    for host in HOSTS:
        assert (ended[host].exit_code, ended[host].succeeded) == (0, True), ended[host].log
        assert "kvstore: 2 hosts, scheduler at 127.0.0.1:" in ended[host].log
        assert helpers(cluster.containers[host]) == []
    parameters = [
        json.loads((container.base / "output/data" / host / "parameters.json").read_bytes())
        for host, container in cluster.containers.items()
    ]
    assert parameters[0] == parameters[1]
    models = [
        any((container.base / "model").iterdir()) for container in cluster.containers.values()
    ]
    assert models == [True, False]


DIGITS = """
import mxnet as mx
import numpy as np

def train(hyperparameters, hosts, current_host, channel_input_dirs, **kwargs):
    mx.random.seed(1)
    np.random.seed(1)
    table = np.loadtxt(channel_input_dirs["train"] + "/digits.csv", delimiter=",", dtype="float32")
    share = table[hosts.index(current_host) :: len(hosts)]
    size = 48 // len(hosts)
    share = share[: len(table) // len(hosts) // size * size]
    data = mx.io.NDArrayIter(share[:, :64] / 16, share[:, 64], size, label_name="softmax_label")
    layer = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=10, name="fc")
    module = mx.mod.Module(mx.sym.SoftmaxOutput(layer, name="softmax"))
    module.fit(
        data,
        num_epoch=8,
        kvstore=hyperparameters["kvstore"],
        optimizer="sgd",
        optimizer_params={"learning_rate": 0.3},
        initializer=mx.init.One(),
    )
    every = mx.io.NDArrayIter(table[:, :64] / 16, table[:, 64], 48, label_name="softmax_label")
    print("accuracy %.4f on %s" % (module.score(every, "acc")[0][1], current_host))
    return module
"""


def digits() -> str:
    """Handwritten digits: 64 pixels from 0 to 16, then the digit."""
    found = load_digits()
    rows = zip(found.data[:960].tolist(), found.target[:960].tolist(), strict=True)
    return "".join(",".join(map(str, [*map(int, row), digit])) + "\n" for row, digit in rows)


def accuracies(ended: Mapping[str, Ended]) -> list[float]:
    for each in ended.values():
        assert (each.exit_code, each.succeeded) == (0, True), each.log
    found = [re.search(r"accuracy ([0-9.]+) on", each.log) for each in ended.values()]
    return [float(match[1]) for match in found if match is not None]


def test_two_and_four_hosts_learn_as_much_as_one(tmp_path: Path, mxnet_python: str) -> None:
    found: dict[tuple[int, str], list[float]] = {}
    for count, kvstore in [(1, "local"), (2, "dist_sync"), (4, "dist_sync"), (2, "dist_async")]:
        hosts = [f"algo-{index}" for index in range(1, count + 1)]
        folder = tmp_path / f"{count}{kvstore}"
        folder.mkdir()
        cluster = Cluster(folder, mxnet_python, hosts)
        cluster.write_code(DIGITS)
        for container in cluster.containers.values():
            container.write_channel("train", {"digits.csv": digits()})
        ended = cluster.train({**TRAIN, "kvstore": kvstore, "_ps_verbose": 1})
        found[count, kvstore] = accuracies(ended)
        assert len(found[count, kvstore]) == count
        for container in cluster.containers.values():
            assert helpers(container) == []
        # ps-lite's own words, which _ps_verbose asks for.
        assert count == 1 or "Bind to role=scheduler" in ended["algo-1"].log
    (alone,) = found.pop((1, "local"))
    assert alone > 0.9
    for (_, kvstore), values in found.items():
        # Without waiting, what is learned depends on who is first.
        near = 0.02 if kvstore == "dist_sync" else 0.05
        assert values == pytest.approx([alone] * len(values), abs=near)
    # The gradients of all batches of a step are added up, however many hosts share it.
    assert found[4, "dist_sync"] == pytest.approx([alone] * 4, abs=0.003)


GLOBAL = """
import mxnet as mx
kv = mx.kv.create("dist_sync")

def train(model_dir, **kwargs):
    ones = mx.nd.ones((2, 2))
    kv.init("x", ones)
    kv.push("x", ones * (kv.rank + 1))
    pulled = mx.nd.zeros((2, 2))
    kv.pull("x", out=pulled)
    return pulled

def save(model, model_dir):
    mx.nd.save(model_dir + "/pulled", model)
"""


def test_a_store_that_the_script_keeps_is_closed(cluster: Cluster) -> None:
    cluster.write_code(GLOBAL)
    began = time.monotonic()
    ended = cluster.train(TRAIN)
    assert [ended[host].exit_code for host in HOSTS] == [0, 0], [ended[host].log for host in HOSTS]
    assert time.monotonic() - began < PATIENCE
    contents = {
        (container.base / "model" / "pulled").read_bytes()
        for container in cluster.containers.values()
    }
    assert len(contents) == 1


EXITS = """
import pathlib, sys, time
import mxnet as mx

def train(current_host, output_data_dir, **kwargs):
    kv = mx.kv.create("dist_sync")
    keys = [str(number) for number in range(8)]
    kv.init(keys, [mx.nd.ones((2,))] * 8)
    left = pathlib.Path(output_data_dir.replace("algo-2", "algo-1"), "left")
    if current_host == "algo-1":
        left.touch()
        sys.exit()
    while not left.exists():
        time.sleep(0.02)
    for _ in range(20):
        kv.pull(keys, out=[mx.nd.zeros((2,)) for _ in keys])
        mx.nd.waitall()
    sys.exit(0)
"""


def test_a_host_that_exits_early_serves_the_others_to_their_end(cluster: Cluster) -> None:
    cluster.write_code(EXITS)
    ended = cluster.train(TRAIN)
    assert [ended[host].exit_code for host in HOSTS] == [0, 0], [ended[host].log for host in HOSTS]
    assert "kvstore: waiting for the other workers to end" in ended["algo-1"].log


ALONE = """
import mxnet as mx
kv = mx.kv.create("dist_sync")

def train(num_gpus):
    net = mx.gluon.nn.Dense(1, in_units=2)
    net.initialize(mx.init.One())
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 1}, kvstore=kv)
    with mx.autograd.record():
        loss = net(mx.nd.ones((1, 2)))
    loss.backward()
    trainer.step(1)
    print(net.weight.data().asnumpy().tolist(), kv.rank, kv.num_workers, kv.type)

def save(model, model_dir):
    assert mx.kv.create("local").type == "local"
"""


def test_a_script_may_ask_for_it_on_one_host(tmp_path: Path, mxnet_python: str) -> None:
    container = Container(tmp_path, python=mxnet_python)
    container.write_code({"train.py": ALONE})
    ended = container.train(hyperparameters=TRAIN)
    assert (ended.exit_code, ended.succeeded) == (0, True), ended.log
    assert "[[0.0, 0.0]] 0 1 dist_sync" in ended.log
    assert "kvstore: 1 host, scheduler at 127.0.0.1:" in ended.log
    assert helpers(container) == []


SCRIPT = """
import os
import mxnet as mx
kv = mx.kv.create("dist_sync")
kv.init("x", mx.nd.zeros((2,)))
kv.push("x", mx.nd.ones((2,)))
pulled = mx.nd.zeros((2,))
kv.pull("x", out=pulled)
print("pulled", pulled.asnumpy().tolist(), "of", kv.num_workers)
"""


def test_a_script_of_its_own_asks_for_it(cluster: Cluster) -> None:
    cluster.write_code(SCRIPT)
    ended = cluster.train({**TRAIN, "sagemaker_parameter_server_enabled": True})
    for host in HOSTS:
        assert ended[host].exit_code == 0, ended[host].log
        assert "pulled [2.0, 2.0] of 2" in ended[host].log


def test_a_script_of_its_own_asks_for_it_on_one_host(tmp_path: Path, mxnet_python: str) -> None:
    container = Container(tmp_path, python=mxnet_python)
    container.write_code({"train.py": SCRIPT})
    ended = container.train(
        hyperparameters={**TRAIN, "sagemaker_parameter_server_enabled": True, "_ps_port": 7}
    )
    assert ended.exit_code == 0, ended.log
    assert "pulled [1.0, 1.0] of 1" in ended.log
    assert helpers(container) == []


FAILS_ON_ONE = """
import mxnet as mx
def train(current_host, **kwargs):
    kv = mx.kv.create("dist_sync")
    kv.init("x", mx.nd.ones((2,)))
    if current_host == "algo-2":
        raise ValueError("algo-2 gives up")
    kv.push("x", mx.nd.ones((2,)))
    kv.pull("x", out=mx.nd.ones((2,)))
    mx.nd.waitall()
"""


def test_an_exception_ends_its_host_at_once(cluster: Cluster) -> None:
    cluster.write_code(FAILS_ON_ONE)
    with cluster.training(TRAIN) as processes:
        ended = cluster.containers["algo-2"].ended(processes["algo-2"])
        assert ended.exit_code == 1
        assert ended.failure is not None
        assert "ValueError: algo-2 gives up" in ended.failure
        assert helpers(cluster.containers["algo-2"]) == []
        # The other one waits for it; the platform ends it, by force in the end.
        assert processes["algo-1"].poll() is None
        processes["algo-1"].kill()
        processes["algo-1"].wait()
        wait_for(lambda: helpers(cluster.containers["algo-1"]) == [])


WAITS = """
import time
def train(**kwargs):
    open("../output/data/waiting", "w").close()
    time.sleep(120)
"""


@pytest.mark.parametrize("how", ["terminate", "kill"])
def test_helpers_end_with_the_container(cluster: Cluster, how: str) -> None:
    cluster.write_code(WAITS)
    with cluster.training(TRAIN) as processes:
        for host, container in cluster.containers.items():
            wait_for((container.base / "output/data/waiting").exists)
            assert len(helpers(container)) == (2 if host == "algo-1" else 1)
            getattr(processes[host], how)()
            processes[host].wait(PATIENCE)
            wait_for(lambda container=container: helpers(container) == [])  # type: ignore[misc]  # a lambda's default has no type


def listening(container: Container) -> set[str]:
    """Addresses, as the kernel writes them, on which the helpers of a container listen."""
    sockets = set()
    for pid in helpers(container):
        for entry in Path(f"/proc/{pid}/fd").glob("*"):
            with suppress(OSError):
                sockets.add(os.readlink(entry))
    rows = [line.split() for line in Path("/proc/net/tcp").read_text("utf-8").splitlines()[1:]]
    return {
        row[1].partition(":")[0]
        for row in rows
        if row[3] == "0A" and f"socket:[{row[9]}]" in sockets
    }


def test_nothing_is_reached_from_another_machine(cluster: Cluster) -> None:
    cluster.write_code(WAITS)
    with cluster.training(TRAIN):
        for container in cluster.containers.values():
            wait_for(lambda container=container: bool(listening(container)))  # type: ignore[misc]  # a lambda's default has no type
            assert listening(container) == {"0100007F"}  # 127.0.0.1


def test_a_scheduler_that_dies_fails_the_job(cluster: Cluster) -> None:
    cluster.write_code(WAITS)
    container = cluster.containers["algo-1"]
    with cluster.training(TRAIN) as processes:
        wait_for((container.base / "output/data/waiting").exists)
        scheduler = next(
            pid
            for pid in helpers(container)
            if b"DMLC_ROLE=scheduler" in Path(f"/proc/{pid}/environ").read_bytes()
        )
        os.kill(scheduler, signal.SIGKILL)
        ended = container.ended(processes["algo-1"])
    assert ended.exit_code == 1
    assert ended.failure == (
        "the MXNet scheduler on algo-1 ended with exit code 137; its output is in the log"
    )


def test_a_port_that_is_taken_is_named(cluster: Cluster) -> None:
    cluster.write_code(WAITS)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", cluster.port + 8000 % 4))
        taken.listen()
        ended = cluster.containers["algo-1"].train(
            hyperparameters=TRAIN, hosts=HOSTS, variables=cluster.variables
        )
    assert ended.exit_code == 1
    assert ended.failure is not None
    assert "MXNet's scheduler cannot listen on 127.0.0.1:" in ended.failure
    assert "_ps_port names another port" in ended.failure


def test_a_port_is_a_number(cluster: Cluster) -> None:
    cluster.write_code(WAITS)
    ended = cluster.containers["algo-1"].train(
        hyperparameters={**TRAIN, "_ps_port": "x"}, hosts=HOSTS, variables=cluster.variables
    )
    assert ended.failure == "hyperparameter _ps_port is 'x'; it must be a whole number"


@pytest.mark.long
def test_training_without_the_store_ends_too(cluster: Cluster) -> None:
    cluster.write_code("def train(**kwargs): ...\n")
    ended = cluster.containers["algo-2"].train(
        hyperparameters=TRAIN, hosts=HOSTS, host="algo-2", variables=cluster.variables
    )
    assert (ended.exit_code, ended.succeeded) == (0, True), ended.log
    assert helpers(cluster.containers["algo-2"]) == []
