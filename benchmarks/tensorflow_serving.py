"""Our container with a SavedModel against the same behind Flask and gunicorn: one load, in turns.

The model is a layer of 784 by 10; a request is a list of 784 numbers as JSON. The other server is
what one writes first: it loads the model with ``tf.saved_model.load`` and calls its signature. Both
have the same TensorFlow, the same worker processes and the same threads.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from benchmarks.support.servers import (
    free_port,
    gunicorn_server,
    install_ours,
    our_server,
)
from benchmarks.support.turns import Taken, image_of_numbers, print_comparisons, take_turns

WORKERS = 2
VERSION = "2.14.1"
_ROOT = Path(__file__).parents[1]
_MODEL = """
import sys
import tensorflow as tf

class Layer(tf.Module):
    def __init__(self):
        self.weights = tf.Variable(tf.random.stateless_uniform([784, 10], [7, 7]))

    @tf.function(input_signature=[tf.TensorSpec([None, 784], tf.float32, name="inputs")])
    def __call__(self, inputs):
        return {"scores": tf.nn.softmax(inputs @ self.weights)}

layer = Layer()
tf.saved_model.save(layer, sys.argv[1], signatures=layer.__call__)
"""
_APP = """
import os
import numpy as np
import tensorflow as tf
from flask import Flask, jsonify, request

tf.config.threading.set_intra_op_parallelism_threads(int(os.environ.get("THREADS", "1")))
app = Flask(__name__)
model = tf.saved_model.load("model/1")
infer = model.signatures["serving_default"]

@app.get("/ping")
def ping():
    return ""

@app.post("/invocations")
def invocations():
    rows = np.asarray(request.get_json(force=True), "float32")
    found = infer(tf.constant(rows))
    return jsonify(outputs={name: each.numpy().tolist() for name, each in found.items()})
"""


def model(folder: Path, python: Path) -> Path:
    """The tree of a container with the SavedModel."""
    folder.mkdir()
    command = [str(python / "python"), "-c", _MODEL, str(folder / "model" / "1")]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
    subprocess.run(command, check=True, capture_output=True, env=environment)
    (folder / "model" / "code").mkdir()
    (folder / "model" / "code" / "inference.py").touch()  # which `our_server` names
    (folder / "app.py").write_text(_APP, encoding="utf-8")
    return folder


def measure(scratch: Path) -> Taken:
    """Values of both servers."""
    plugin = str(_ROOT / "plugins" / "sm_tensorflow")
    beside = (f"tensorflow-cpu=={VERSION}", plugin, "flask", "gunicorn")
    python = install_ours(scratch, *beside, python=("3.11", "3.10"))
    body = image_of_numbers(scratch)
    ports = {"ours": free_port(), "theirs": free_port()}
    trees = {name: model(scratch / name[0], python) for name in ports}
    servers = {
        "ours": our_server(trees["ours"], port=ports["ours"], workers=WORKERS, python=python),
        "theirs": gunicorn_server(
            trees["theirs"], port=ports["theirs"], workers=WORKERS, python=python
        ),
    }
    return take_turns(servers, ports, body)


if __name__ == "__main__":
    print_comparisons(measure, "SavedModel in our container / behind Flask and gunicorn")
