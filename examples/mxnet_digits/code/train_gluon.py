"""A Gluon network for handwritten digits, on one host or several, with its own save and model_fn.

The channel ``train`` holds ``digits.csv``: 64 pixels from 0 to 16, then the digit, in each line.
"""

import logging
import os
from typing import Any

import mxnet as mx
import numpy as np


def network() -> mx.gluon.nn.HybridSequential:
    """One hidden layer; ten numbers, the greatest of which is the digit's."""
    net = mx.gluon.nn.HybridSequential(prefix="digits_")
    with net.name_scope():
        net.add(mx.gluon.nn.Dense(64, activation="relu", in_units=64))
        net.add(mx.gluon.nn.Dense(10, in_units=64))
    return net


def train(
    hyperparameters: dict[str, Any],
    channel_input_dirs: dict[str, str],
    num_gpus: int,
    hosts: list[str],
    current_host: str,
    **rest: Any,
) -> mx.gluon.nn.HybridSequential | None:
    """Called on each host, with a share of the rows for each; the first host's network is saved."""
    table = np.loadtxt(os.path.join(channel_input_dirs["train"], "digits.csv"), delimiter=",")
    share = table[hosts.index(current_host) :: len(hosts)].astype("float32")
    pixels, labels = share[:, :-1] / 16, share[:, -1]
    context = mx.gpu() if num_gpus else mx.cpu()
    mx.random.seed(1)
    np.random.seed(1)
    net = network()
    net.initialize(mx.init.Xavier(), ctx=context)

    # Among several hosts the kvstore adds up the gradients of all, which SageMaker has started.
    kvstore = hyperparameters.get("kvstore", "dist_sync") if len(hosts) > 1 else "local"
    trainer = mx.gluon.Trainer(
        net.collect_params(),
        "sgd",
        {"learning_rate": hyperparameters.get("learning_rate", 0.2), "momentum": 0.9},
        kvstore=kvstore,
    )
    batch_size = hyperparameters.get("batch_size", 32) // len(hosts)
    # As many batches on each host, since each waits for the others after every one.
    count = len(table) // len(hosts) // batch_size
    loss = mx.gluon.loss.SoftmaxCrossEntropyLoss()
    for epoch in range(hyperparameters.get("epochs", 10)):
        order = np.random.permutation(len(share))[: count * batch_size]
        total = 0.0
        for batch in order.reshape(count, batch_size):
            data = mx.nd.array(pixels[batch], ctx=context)
            with mx.autograd.record():
                error = loss(net(data), mx.nd.array(labels[batch], ctx=context))
            error.backward()
            trainer.step(len(batch) * len(hosts))
            total += error.mean().asscalar()
        logging.info("Epoch[%d] loss=%.4f", epoch, total / count)
    return net if current_host == hosts[0] else None


def save(net: mx.gluon.nn.HybridSequential | None, model_dir: str) -> None:
    """Called on each host with what ``train`` returned there."""
    if net is not None:
        net.save_parameters(os.path.join(model_dir, "net.params"))


def model_fn(model_dir: str) -> mx.gluon.nn.HybridSequential:
    """Load what ``save`` wrote; the defaults do the rest of serving."""
    net = network()
    net.load_parameters(os.path.join(model_dir, "net.params"), ctx=mx.cpu())
    net.hybridize(static_alloc=True)
    return net
