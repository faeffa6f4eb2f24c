"""Function mode through the contract: with plain functions, then with the real MXNet."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sm_core.errors import SourceError
from sm_core.testing.containers import Container

pytestmark = pytest.mark.integ

PATIENCE = 30.0
TRAIN = {"sagemaker_program": "train.py"}


@pytest.fixture
def container(tmp_path: Path) -> Container:
    return Container(tmp_path)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


SAVE = """
import json, os
def save(model, model_dir):
    with open(os.path.join(model_dir, "model.json"), "w") as file:
        json.dump(model, file)
"""


def saved(container: Container) -> object:
    return json.loads((container.base / "model" / "model.json").read_bytes())


def test_train_gets_every_documented_argument(container: Container) -> None:
    names = (
        "hyperparameters, input_data_config, channel_input_dirs, output_data_dir, num_gpus, "
        "num_cpus, hosts, current_host, model_dir"
    )
    script = f"def train({names}):\n    return [{names}]\n"
    container.write_code({"train.py": SAVE + script})
    container.write_channel("train", {"x.csv": ""})
    ended = container.train(
        hyperparameters={**TRAIN, "epochs": 5}, variables={"CUDA_VISIBLE_DEVICES": ""}
    )
    assert (ended.exit_code, ended.succeeded) == (0, True), ended.log
    found = saved(container)
    assert isinstance(found, list)
    assert found.pop(5) >= 1
    base = container.base
    assert found == [
        {"sagemaker_program": "train.py", "epochs": 5},
        {"train": {"TrainingInputMode": "File"}},
        {"train": f"{base}/input/data/train"},
        f"{base}/output/data",
        0,
        ["algo-1"],
        "algo-1",
        f"{base}/model",
    ]


def test_a_channel_s_folder_may_be_one_within_it(container: Container) -> None:
    container.write_code(
        {"train.py": SAVE + "def train(channel_input_dirs): return channel_input_dirs\n"}
    )
    container.write_channel("train", {"digits/x.csv": ""})
    container.write_channel("test", {"x.csv": ""})
    folder = container.base / "input" / "data"
    for named, found in [("digits", "train/digits"), ("absent", "train"), ("../test", "train")]:
        ended = container.train(
            hyperparameters={**TRAIN, "sagemaker_s3_uri_train": named, "sagemaker_s3_uri_test": 5}
        )
        assert ended.exit_code == 0, ended.log
        assert saved(container) == {"train": str(folder / found), "test": str(folder / "test")}


@pytest.mark.parametrize(
    ("returned", "value"), [("", None), ("return 0", 0), ("return {}", {}), ("return ''", "")]
)
def test_save_is_called_whatever_train_returns(
    container: Container, returned: str, value: object
) -> None:
    container.write_code({"train.py": SAVE + f"def train():\n    {returned or 'pass'}\n"})
    assert container.train(hyperparameters=TRAIN).exit_code == 0
    assert saved(container) == value


@pytest.mark.parametrize("save", ["def save(model): ...", "def save(*, model, model_dir): ..."])
def test_a_save_that_cannot_be_called_is_told_before_the_training(
    container: Container, save: str
) -> None:
    container.write_code({"train.py": f"{save}\ndef train(): raise ValueError('trained')\n"})
    failure = container.train(hyperparameters=TRAIN).failure
    assert failure is not None
    assert failure.startswith("save cannot be called as save(model, model_dir): ")


def test_what_is_no_function_is_no_save(container: Container) -> None:
    container.write_code({"train.py": "save = True\ndef train(): ...\n"})
    assert container.train(hyperparameters=TRAIN).exit_code == 0


def test_the_script_may_lie_in_a_folder_with_its_own_modules(container: Container) -> None:
    script = (
        "import helper\nfrom loop import *\ndef save(model, model_dir): print('saved', model)\n"
    )
    container.write_code(
        {
            "src/train.py": script,
            "src/loop.py": "def train(hosts): return len(hosts)\n",
            "src/helper.py": "",
        }
    )
    for program in ("src/train.py", "src/train"):  # AWS's containers left the suffix out
        ended = container.train(hyperparameters={"sagemaker_program": program})
        assert ended.exit_code == 0, ended.log
        assert "saved 1" in ended.log


def test_nothing_returned_and_no_save_is_an_empty_model(container: Container) -> None:
    container.write_code({"train.py": "def train(**kwargs): pass\n"})
    ended = container.train(hyperparameters=TRAIN)
    assert (ended.exit_code, ended.succeeded) == (0, True)
    assert not any((container.base / "model").iterdir())


def test_what_cannot_be_saved_by_default_is_named(container: Container) -> None:
    container.write_code({"train.py": "def train(**kwargs): return {'weights': 1}\n"})
    ended = container.train(hyperparameters=TRAIN)
    assert ended.exit_code == 1
    assert ended.failure == (
        "train returned a dict, which cannot be saved by default: it has no symbol nor save_params "
        "nor data_shapes. Return a Module, or define save(model, model_dir) in the script"
    )


def test_an_exception_of_train(container: Container) -> None:
    script = "import helper\ndef train(**kwargs):\n    helper.load()\n"
    container.write_code(
        {"train.py": script, "helper.py": "def load():\n    raise KeyError('x')\n"}
    )
    ended = container.train(hyperparameters=TRAIN)
    assert (ended.exit_code, ended.succeeded) == (1, False)
    assert ended.failure == (
        "uncaught exception during training:\n"
        "ExitCode 1\n"
        "KeyError: 'x'\n"
        '  File "train.py", line 3, in train\n'
        "    helper.load()\n"
        '  File "helper.py", line 2, in load\n'
        "    raise KeyError('x')"
    )
    assert "Traceback" in ended.log
    assert "sm_core" not in ended.log.partition("Traceback")[2]


THREAD = """
import threading, time
threading.Thread(target=time.sleep, args=[60]).start()
def train():
    raise ValueError("not held up by a thread")
"""
PROCESS = """
import multiprocessing, time
def train():
    multiprocessing.Process(target=time.sleep, args=[60]).start()
    raise ValueError("no process is left")
"""


@pytest.mark.parametrize(
    ("script", "exit_code", "reason"),
    [
        ("def train(**k): raise OSError(28, 'No space left')", 28, "OSError: [Errno 28] No space"),
        ("def train(**k): raise SystemExit(4)", 4, "SystemExit: 4"),
        ("def train(**k): raise SystemExit('bad data')", 1, "SystemExit: bad data"),
        ("import no_such_module\ndef train(): ...", 1, "No module named 'no_such_module'"),
        ("def train(num_gpu, hosts): ...", 1, "did you mean 'num_gpus'?"),
        (THREAD, 1, "not held up by a thread"),
        (PROCESS, 1, "no process is left"),
    ],
)
def test_how_training_may_fail(
    container: Container, script: str, exit_code: int, reason: str
) -> None:
    container.write_code({"train.py": script})
    began = time.monotonic()
    ended = container.train(hyperparameters=TRAIN)
    assert time.monotonic() - began < PATIENCE
    assert ended.exit_code == exit_code
    assert ended.failure is not None
    assert reason in ended.failure


ENDLESS = """
import {module} as work, threading
def train():
    work.{kind}(target=threading.Event().wait, name="endless").start()
def save(model, model_dir):
    open(model_dir + "/model", "w").close()
"""
ENDING = """
import atexit, threading
def train():
    started = threading.Event()
    thread = threading.Thread(target=lambda: started.wait() and print("the thread has ended"))
    thread.start()
    atexit.register(print, "the last word")
    started.set()
"""


@pytest.mark.long
@pytest.mark.parametrize(
    ("module", "kind"), [("threading", "Thread"), ("multiprocessing", "Process")]
)
def test_what_never_ends_does_not_hold_up_a_success(
    container: Container, module: str, kind: str
) -> None:
    container.write_code({"train.py": ENDLESS.format(module=module, kind=kind)})
    ended = container.train(hyperparameters=TRAIN)
    assert (ended.exit_code, ended.succeeded, ended.failure) == (0, True, None)
    assert (container.base / "model" / "model").exists()
    assert "all is done but for what the script left behind" in ended.log
    assert ("for: endless" in ended.log) == (kind == "Thread")
    assert container.processes() == []


def test_what_ends_after_the_training_is_waited_for(container: Container) -> None:
    container.write_code({"train.py": ENDING})
    ended = container.train(hyperparameters=TRAIN)
    assert (ended.exit_code, ended.succeeded) == (0, True)
    assert "the thread has ended" in ended.log
    assert "the last word" in ended.log


def test_sys_exit_without_a_code_is_success(container: Container) -> None:
    container.write_code({"train.py": "import sys\ndef train(): sys.exit()\n"})
    ended = container.train(hyperparameters=TRAIN)
    assert (ended.exit_code, ended.failure) == (0, None)
    assert "nothing is saved" in ended.log


def test_a_script_of_its_own_is_run(container: Container) -> None:
    container.write_code({"train.py": "def train(model, loader): ...\nprint('ran by itself')\n"})
    assert "ran by itself" in container.train(hyperparameters=TRAIN).log
    forced = container.train(hyperparameters={**TRAIN, "sagemaker_script_mode": False})
    assert forced.failure is not None
    assert "requires arguments that SageMaker does not pass: model, loader" in forced.failure


SLOW = """
import os, time
def train(**kwargs):
    try:
        open("../output/data/training", "w").close()
        time.sleep(60)
    except KeyboardInterrupt:
        open("../output/data/interrupted", "w").close()
        {then}
def save(model, model_dir):
    open("../output/data/saving", "w").close()
    time.sleep(0.5)
    open(os.path.join(model_dir, model), "w").close()
"""


@pytest.mark.parametrize(("then", "exit_code"), [("raise", 143), ("return 'early'", 0)])
def test_sigterm_interrupts_train(container: Container, then: str, exit_code: int) -> None:
    container.write_code({"train.py": SLOW.format(then=then)})
    data = container.base / "output" / "data"
    with container.training(hyperparameters=TRAIN) as process:
        wait_for((data / "training").exists)
        os.killpg(process.pid, signal.SIGTERM)
        ended = container.ended(process)
    assert (data / "interrupted").exists()
    assert (ended.exit_code, ended.failure) == (exit_code, None)
    assert (container.base / "model" / "early").exists() == (exit_code == 0)


def test_sigterm_waits_for_the_model_to_be_written(container: Container) -> None:
    script = SLOW.format(then="pass").replace("time.sleep(60)", "return 'whole'")
    container.write_code({"train.py": script})
    with container.training(hyperparameters=TRAIN) as process:
        wait_for((container.base / "output" / "data" / "saving").exists)
        process.terminate()
        ended = container.ended(process)
    assert ended.exit_code == 143
    assert (container.base / "model" / "whole").exists()


MODULE = """
import mxnet as mx
import numpy as np

def train(hyperparameters, channel_input_dirs, num_gpus, **kwargs):
    x = np.loadtxt(channel_input_dirs["train"] + "/x.csv", delimiter=",", dtype="float32")
    data = mx.io.NDArrayIter(x[:, :2], x[:, 2], 4, label_name="out_label")
    layer = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=1, name="fc")
    output = mx.sym.LinearRegressionOutput(layer, name="out")
    module = mx.mod.Module(output, label_names=["out_label"])
    module.fit(data, num_epoch=hyperparameters["epochs"], eval_metric="mse")
    return module
"""
LINE = "".join(f"{a},{b},{a + b}\n" for a in range(4) for b in range(4))


@pytest.mark.timeout(600)
def test_a_module_is_trained_and_saved(tmp_path: Path, mxnet_python: str) -> None:
    container = Container(tmp_path, python=mxnet_python)
    container.write_code({"train.py": MODULE})
    container.write_channel("train", {"x.csv": LINE})
    ended = container.train(hyperparameters={**TRAIN, "epochs": 3})
    assert (ended.exit_code, ended.succeeded) == (0, True), ended.log
    assert "INFO root: Epoch[2] Train-mse=" in ended.log
    assert "Warning" not in ended.log
    model = container.base / "model"
    assert sorted(path.name for path in model.iterdir()) == [
        "model-0000.params",
        "model-shapes.json",
        "model-symbol.json",
        "model.params",
    ]
    assert (model / "model.params").samefile(model / "model-0000.params")
    assert json.loads((model / "model-shapes.json").read_bytes()) == [
        {"name": "data", "shape": [4, 2]}
    ]
    assert json.loads((model / "model-symbol.json").read_bytes())["nodes"][-1]["name"] == "out"


@pytest.mark.timeout(600)
def test_a_gluon_network_needs_a_save_of_its_own(tmp_path: Path, mxnet_python: str) -> None:
    script = (
        "import mxnet as mx\n"
        "def train():\n"
        "    net = mx.gluon.nn.Dense(1)\n"
        "    net.initialize()\n"
        "    net(mx.nd.ones((1, 2)))\n"
        "    return net\n"
    )
    container = Container(tmp_path, python=mxnet_python)
    container.write_code({"train.py": script})
    refused = container.train(hyperparameters=TRAIN)
    assert refused.failure is not None
    assert "train returned a Dense, which cannot be saved by default" in refused.failure
    save = "def save(model, model_dir): model.save_params(model_dir + '/net.params')\n"
    container.write_code({"train.py": script + save})
    assert container.train(hyperparameters=TRAIN).exit_code == 0
    assert (container.base / "model" / "net.params").stat().st_size > 0


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["mxnet.py", "mxnet/__init__.py"])
def test_code_that_hides_mxnet_is_named(tmp_path: Path, mxnet_python: str, name: str) -> None:
    container = Container(tmp_path, python=mxnet_python)
    container.write_code({"train.py": "def train(): ...\n", name: "1 / 0\n"})
    refused = container.train(hyperparameters=TRAIN)
    assert refused.failure == (
        f"the code has a {name}, which hides MXNet from your scripts; rename it"
    )


@pytest.mark.timeout(600)
def test_a_module_without_parameters_is_not_saved(tmp_path: Path, mxnet_python: str) -> None:
    container = Container(tmp_path, python=mxnet_python)
    unbound = "def train(): return mx.mod.Module(mx.sym.Variable('data'))\n"
    container.write_code({"train.py": "import mxnet as mx\n" + unbound})
    refused = container.train(hyperparameters=TRAIN)
    assert refused.failure is not None
    assert refused.failure.startswith("train returned a Module without parameters, which cannot be")


BUCKETS = """
import mxnet as mx
def symbol(key):
    layer = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=1, name="fc")
    return mx.sym.LinearRegressionOutput(layer, name="out"), ["data"], ["out_label"]

def train(**kwargs):
    module = mx.mod.BucketingModule(symbol, default_bucket_key=2)
    module.bind([("data", (4, 2))], [("out_label", (4, 1))])
    module.init_params(mx.init.One())
    return module
"""
#: A script that runs by itself, with the default save.
BY_ITSELF = """
import os
import mxnet as mx
from sm_mxnet.container.saving import save

if __name__ == "__main__":
    layer = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=1, name="fc")
    module = mx.mod.Module(layer, label_names=None)
    module.bind([("data", (4, 2))], for_training=False)
    module.init_params(mx.init.One())
    save(module, os.environ["SM_MODEL_DIR"])
"""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("script", [BUCKETS, BY_ITSELF])
def test_the_default_save_is_what_the_default_model_fn_loads(
    tmp_path: Path, mxnet_python: str, script: str
) -> None:
    container = Container(tmp_path, python=mxnet_python)
    container.write_code({"train.py": script})
    ended = container.train(hyperparameters=TRAIN)
    assert (ended.exit_code, ended.succeeded) == (0, True), ended.log
    with container.serve(variables={"SAGEMAKER_PROGRAM": "train.py"}) as server:
        assert json.loads(server.invoke("[[1, 2], [3, 4]]").body) == [[3], [7]]


@pytest.mark.timeout(600)
def test_an_array_is_no_module_and_no_truth(tmp_path: Path, mxnet_python: str) -> None:
    script = "import mxnet as mx\ndef train(): return mx.nd.array([0, 1])\n"
    container = Container(tmp_path, python=mxnet_python)
    container.write_code({"train.py": script})
    refused = container.train(hyperparameters=TRAIN)
    assert refused.failure is not None
    assert "train returned a NDArray, which cannot be saved by default" in refused.failure
    save = "def save(model, model_dir): mx.nd.save(model_dir + '/array', model)\n"
    container.write_code({"train.py": script + save})
    assert container.train(hyperparameters=TRAIN).exit_code == 0
    assert (container.base / "model" / "array").stat().st_size > 0


def test_the_second_host_saves_nothing_by_default(container: Container) -> None:
    from sm_mxnet.container.saving import save

    for hosts, current, saves in [
        (["algo-1", "algo-2"], "algo-2", False),
        (["algo-1", "algo-2"], "algo-1", True),
        (["algo-2", "algo-1"], "algo-2", True),
        (["algo-1"], "", True),
    ]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SM_HOSTS", json.dumps(hosts))
            patch.delenv("SM_CURRENT_HOST", raising=False)
            if current:
                patch.setenv("SM_CURRENT_HOST", current)
            if saves:
                with pytest.raises(SourceError, match="cannot be saved by default"):
                    save(object(), container.base / "model")
            else:
                save(object(), container.base / "model")
