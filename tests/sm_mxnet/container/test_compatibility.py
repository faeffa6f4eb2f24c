"""Scripts of MXNet 0.12's time."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path

import numpy as np
import pytest

from sm_core.testing.containers import Container

pytestmark = [pytest.mark.integ, pytest.mark.timeout(600)]

TRAIN = {"sagemaker_program": "train.py"}

#: As scripts of 2017 were written: `np.fromstring`, `np.int`, modules that have moved since.
OLD = """
from __future__ import absolute_import, print_function
import gzip, logging, os, struct
import mxnet as mx
import mxnet.gluon.model_zoo.custom_layers as custom_layers
import numpy as np
logging.basicConfig(level=logging.DEBUG)

def read(path, header, shape):
    with gzip.open(path) as f:
        struct.unpack(header, f.read(struct.calcsize(header)))
        return np.fromstring(f.read(), dtype=np.uint8).reshape(shape)

def train(channel_input_dirs, hyperparameters, hosts, num_gpus, **kwargs):
    folder = channel_input_dirs["train"]
    labels = read(os.path.join(folder, "labels.gz"), ">II", (-1,)).astype(np.int)
    images = read(os.path.join(folder, "images.gz"), ">IIII", (-1, 1, 4, 4)).astype(np.float) / 255
    assert mx.kvstore_server.KVStoreServer and custom_layers.HybridConcurrent
    ctx = mx.cpu() if not num_gpus else [mx.gpu(i) for i in range(num_gpus)]
    data = mx.sym.var("data")
    net = mx.sym.FullyConnected(mx.sym.flatten(data=data), num_hidden=2)
    net = mx.sym.SoftmaxOutput(data=net, name="softmax")
    kvstore = "local" if len(hosts) == 1 else "dist_sync"
    mod = mx.mod.Module(symbol=net, context=ctx)
    mod.fit(
        mx.io.NDArrayIter(images, labels, int(hyperparameters.get("batch_size", 10)), shuffle=True),
        kvstore=kvstore,
        optimizer="sgd",
        optimizer_params={"learning_rate": float(hyperparameters.get("learning_rate", 0.1))},
        eval_metric="acc",
        batch_end_callback=mx.callback.Speedometer(10, 5),
        num_epoch=5,
    )
    return mod
"""


def write_images(folder: Path) -> None:
    """Images whose left or right half is bright, in the form of MNIST's files."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = np.arange(40, dtype=np.uint8) % 2
    images = np.zeros((40, 4, 4), dtype=np.uint8)
    images[labels == 0, :, :2] = 255
    images[labels == 1, :, 2:] = 255
    with gzip.open(folder / "labels.gz", "wb") as file:
        file.write(struct.pack(">II", 2049, 40) + labels.tobytes())
    with gzip.open(folder / "images.gz", "wb") as file:
        file.write(struct.pack(">IIII", 2051, 40, 4, 4) + images.tobytes())


def test_a_script_of_2017_trains_and_serves(tmp_path: Path, mxnet_python: str) -> None:
    container = Container(tmp_path, python=mxnet_python)
    container.write_code({"train.py": OLD})
    container.write_channel("train", {"x": ""})
    write_images(container.base / "input" / "data" / "train")
    ended = container.train(hyperparameters={**TRAIN, "batch_size": 10, "learning_rate": 0.5})
    assert (ended.exit_code, ended.succeeded) == (0, True), ended.log
    assert "Epoch[4] Train-accuracy=1.0" in ended.log
    with container.serve(variables={"SAGEMAKER_PROGRAM": "train.py"}) as server:
        left = [[[[1, 1, 0, 0]] * 4]]
        (answer,) = json.loads(server.invoke(json.dumps(left)).body)
        assert answer[0] > 0.9


PROCESS = """
import json
def model_fn(model_dir):
    return {"factor": 3}
def process_request_fn(model, data, content_type):
    return [model["factor"] * number for number in json.loads(data)], content_type
def output_fn(prediction, accept):
    return json.dumps(prediction), accept
"""


def test_a_process_request_fn_is_input_and_prediction(tmp_path: Path, mxnet_python: str) -> None:
    container = Container(tmp_path, python=mxnet_python)
    container.write_code({"serve.py": PROCESS})
    with container.serve(variables={"SAGEMAKER_PROGRAM": "serve.py"}) as server:
        assert server.invoke("[1, 2]").body == b'[[3, 6], "application/json"]'
    newer = "def predict_fn(data, model): return 'newer'\ndef input_fn(d, c): return d\n"
    container.write_code({"serve.py": PROCESS + newer})
    with container.serve(variables={"SAGEMAKER_PROGRAM": "serve.py"}) as server:
        assert server.invoke("[1, 2]").body == b'"newer"'


@pytest.mark.parametrize(
    ("script", "helper", "reason"),
    [
        (
            "def train(**k):\n    print 'training'\n",
            "",
            "train.py, line 2: \"print 'training'\" is Python 2 (a print statement)",
        ),
        (
            "import helper\ndef train(**k): ...\n",
            "SHAPE = (\n    1L,\n)\n",
            "helper.py, line 2: '1L,' is Python 2 (a long integer such as 1L)",
        ),
        (
            "import cPickle\ndef train(**k): ...\n",
            "",
            "cPickle is Python 2, and pickle in Python 3, on which scripts run",
        ),
        (
            "def train(**k):\n    for i in xrange(3): pass\n",
            "",
            "xrange is Python 2, and range in Python 3, on which scripts run",
        ),
        (
            "def train(hyperparameters):\n    hyperparameters.iteritems()\n",
            "",
            "iteritems is Python 2, and items in Python 3, on which scripts run",
        ),
    ],
)
def test_python_2_is_told(tmp_path: Path, script: str, helper: str, reason: str) -> None:
    container = Container(tmp_path)
    container.write_code({"train.py": script, "helper.py": helper})
    ended = container.train(hyperparameters=TRAIN)
    assert ended.exit_code == 1
    assert ended.failure is not None
    assert reason in ended.failure
