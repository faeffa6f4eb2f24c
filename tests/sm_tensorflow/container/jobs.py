"""Containers that train TensorFlow scripts, and scripts for them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

from sm_core.testing.containers import Container

TRAIN = {"sagemaker_program": "train.py", "training_steps": 20, "evaluation_steps": 2}
PATIENCE = 240.0

#: A model function with the smallest model, and inputs of rows whose sum is the label.
LINEAR = """
import os
import numpy as np
import tensorflow as tf

def model_fn(features, labels, mode, hyperparameters):
    output = tf.reshape(tf.layers.dense(features["x"], 1, name="sum"), [-1])
    if mode == tf.estimator.ModeKeys.PREDICT:
        return tf.estimator.EstimatorSpec(mode, predictions={"y": output})
    loss = tf.losses.mean_squared_error(labels, output)
    train = tf.train.GradientDescentOptimizer(0.1).minimize(loss, tf.train.get_global_step())
    return tf.estimator.EstimatorSpec(mode, {"y": output}, loss, train)

def _rows(epochs):
    x = np.arange(16, dtype=np.float32).reshape(8, 2) / 16
    return tf.estimator.inputs.numpy_input_fn(
        {"x": x}, x.sum(axis=1), batch_size=8, num_epochs=epochs, shuffle=False)

def train_input_fn(training_dir, hyperparameters):
    return _rows(hyperparameters.get("epochs"))

def eval_input_fn(training_dir, hyperparameters):
    return _rows(1)()

def serving_input_fn(hyperparameters):
    return tf.estimator.export.build_raw_serving_input_receiver_fn(
        {"x": tf.placeholder(tf.float32, [None, 2])})
"""


def container_of(folder: Path, python: str, script: str) -> Container:
    """A container with that script and one channel."""
    folder.mkdir(exist_ok=True)
    container = Container(folder, python=python)
    container.write_code({"train.py": script})
    container.write_channel("training", {"x.csv": ""})
    return container


def exported(container: Container) -> Path:
    """The only SavedModel of a container."""
    (folder,) = (container.base / "model/export/Servo").iterdir()
    assert (folder / "saved_model.pb").is_file()
    assert (folder / "variables/variables.index").is_file()
    return folder


def checkpoints(folder: Path) -> list[int]:
    """Steps of the checkpoints in a folder."""
    return sorted(int(path.stem.partition("-")[2]) for path in folder.glob("model.ckpt-*.index"))


def iris_like(rows: int) -> str:
    """Rows of four features and a class that they tell, with the header of TensorFlow's samples."""
    numbers = random.Random(rows)
    lines = [f"{rows},4,setosa,versicolor,virginica"]
    for row in range(rows):
        kind = row % 3
        lines.append(",".join([*(f"{kind + numbers.random() / 2:.2f}" for _ in "1234"), str(kind)]))
    return "\n".join(lines) + "\n"


def wait_for(condition: Callable[[], bool], *, patience: float = PATIENCE) -> None:
    """Wait until `condition` holds, for at most so many seconds."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
