"""What scripts of TensorFlow 1 find, in one process with the real TensorFlow."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integ, pytest.mark.timeout(300)]

SCRIPT = """
from importlib.util import find_spec
listed = "boto3 grpc numpy pandas google.protobuf requests sklearn scipy six tensorboard"
for library in listed.split():
    assert find_spec(library), library + ", which the specification lists, is not here"
from sm_tensorflow.container.compatibility import install
install()
install()
import numpy as np
import tensorflow as tf
import tensorflow.contrib.learn as learn
from tensorflow.contrib.keras.python.keras.layers import Dense
from tensorflow.contrib.learn.python.learn.datasets import base
from tensorflow.keras.layers import Dense as SameDense
from tensorflow.python.estimator.export.export import build_raw_serving_input_receiver_fn
from tensorflow.python.estimator.model_fn import ModeKeys
from tensorflow.train import AdamOptimizer

assert Dense is SameDense is tf.keras.layers.Dense
export = tf.estimator.export
assert build_raw_serving_input_receiver_fn is export.build_raw_serving_input_receiver_fn
assert ModeKeys is tf.estimator.ModeKeys and AdamOptimizer is tf.train.AdamOptimizer
assert learn.datasets.base is base and np.int is int and not tf.executing_eagerly()

with open("x.csv", "w") as file:
    file.write("2,2,a,b\\n1.5,2,0\\n3,4,1\\n")
rows = base.load_csv_with_header("x.csv", target_dtype=np.int, features_dtype=np.float32)
assert rows.data.tolist() == [[1.5, 2], [3, 4]] and rows.target.tolist() == [0, 1]

for name in ("root_mean_squared_error", "mean_squared_error", "mean_absolute_error"):
    labels, predictions = tf.constant([1.0, 2.0], tf.float64), tf.constant([1.0, 4.0])
    value, update = getattr(tf.metrics, name)(labels, predictions)
    with tf.Session() as session:
        session.run(tf.local_variables_initializer())
        session.run(update)
        print(name, round(float(session.run(value)), 4))

for statement in ("from tensorflow.contrib import slim", "tf.contrib.layers.embed_sequence"):
    try:
        exec(statement)
    except (AttributeError, ImportError) as error:
        print(type(error).__name__, error)
"""


def test_scripts_of_version_1_find_what_they_use(tmp_path: Path, tensorflow_python: str) -> None:
    done = subprocess.run(
        [tensorflow_python, "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "root_mean_squared_error 1.4142\nmean_squared_error 2.0\n" in done.stdout
    assert "ImportError TensorFlow 2 has no tensorflow.contrib.slim: contrib has" in done.stdout
    assert "AttributeError TensorFlow 2 has no tensorflow.contrib.layers.embed" in done.stdout
