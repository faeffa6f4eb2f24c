"""Trains a small network on handwritten digits with MXNet's Module API.

The channel ``train`` holds ``digits.csv``: 64 pixels from 0 to 16, then the digit, in each line.
"""

import logging
import os
from typing import Any

import mxnet as mx
import numpy as np


def train(
    hyperparameters: dict[str, Any], channel_input_dirs: dict[str, str], num_gpus: int, **rest: Any
) -> mx.mod.Module:
    """Called by SageMaker; the Module that it returns is saved and can be deployed."""
    batch_size = hyperparameters.get("batch_size", 32)
    table = np.loadtxt(os.path.join(channel_input_dirs["train"], "digits.csv"), delimiter=",")
    pixels, labels = table[:, :-1].astype("float32"), table[:, -1].astype("float32")
    mx.random.seed(hyperparameters.get("seed", 1))
    np.random.seed(hyperparameters.get("seed", 1))
    digits = mx.io.NDArrayIter(pixels, labels, batch_size, shuffle=True, label_name="softmax_label")
    context = [mx.gpu(i) for i in range(num_gpus)] if num_gpus else mx.cpu()
    module = mx.mod.Module(network(), context=context)
    module.fit(
        digits,
        num_epoch=hyperparameters.get("epochs", 10),
        optimizer="adam",
        optimizer_params={"learning_rate": hyperparameters.get("learning_rate", 0.002)},
        initializer=mx.init.Xavier(),
        eval_metric="acc",
    )
    logging.info("training accuracy: %.3f", module.score(digits, "acc")[0][1])
    return module


def network() -> mx.sym.Symbol:
    """Two hidden layers; the output is the probability of each digit."""
    layer = mx.sym.Variable("data") / 16
    for units in (128, 64):
        layer = mx.sym.Activation(mx.sym.FullyConnected(layer, num_hidden=units), act_type="relu")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(layer, num_hidden=10), name="softmax")
