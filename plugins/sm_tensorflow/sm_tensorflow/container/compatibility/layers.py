"""What scripts used of ``tf.contrib.layers`` and, for variables, of ``tf.contrib.framework``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow.compat.v1 as v1

__all__ = [
    "batch_norm",
    "conv2d",
    "dropout",
    "fully_connected",
    "l1_regularizer",
    "l2_regularizer",
    "max_pool2d",
    "optimize_loss",
    "summarize_tensor",
]

_OPTIMIZERS = {
    "Adagrad": v1.train.AdagradOptimizer,
    "Adam": v1.train.AdamOptimizer,
    "Ftrl": v1.train.FtrlOptimizer,
    "Momentum": lambda learning_rate: v1.train.MomentumOptimizer(learning_rate, momentum=0.9),
    "RMSProp": v1.train.RMSPropOptimizer,
    "SGD": v1.train.GradientDescentOptimizer,
}


def local_variable(
    initial_value: Any,
    validate_shape: bool = True,
    name: str | None = None,
    use_resource: Any = None,
) -> Any:
    """A variable of this process alone, which is not trained and not saved."""
    return v1.Variable(
        initial_value,
        trainable=False,
        collections=[v1.GraphKeys.LOCAL_VARIABLES],
        validate_shape=validate_shape,
        name=name,
        use_resource=use_resource,
    )


def fully_connected(
    inputs: Any,
    num_outputs: int,
    activation_fn: Any = v1.nn.relu,
    weights_initializer: Any = None,
    weights_regularizer: Any = None,
    biases_initializer: Any = None,
    reuse: Any = None,
    scope: Any = None,
    **others: Any,
) -> Any:
    """A dense layer, with ReLU unless told otherwise."""
    _refuse(others, "fully_connected")
    with v1.variable_scope(scope, "fully_connected", [inputs], reuse=reuse):
        return v1.layers.dense(
            inputs,
            num_outputs,
            activation=activation_fn,
            kernel_initializer=weights_initializer or v1.glorot_uniform_initializer(),
            kernel_regularizer=weights_regularizer,
            bias_initializer=biases_initializer or v1.zeros_initializer(),
            name="dense",
        )


def conv2d(
    inputs: Any,
    num_outputs: int,
    kernel_size: Any,
    stride: Any = 1,
    padding: str = "SAME",
    activation_fn: Any = v1.nn.relu,
    weights_initializer: Any = None,
    weights_regularizer: Any = None,
    reuse: Any = None,
    scope: Any = None,
    **others: Any,
) -> Any:
    """A convolution, with ReLU unless told otherwise."""
    _refuse(others, "conv2d")
    with v1.variable_scope(scope, "Conv", [inputs], reuse=reuse):
        return v1.layers.conv2d(
            inputs,
            num_outputs,
            kernel_size,
            strides=stride,
            padding=padding,
            activation=activation_fn,
            kernel_initializer=weights_initializer or v1.glorot_uniform_initializer(),
            kernel_regularizer=weights_regularizer,
            name="conv2d",
        )


def max_pool2d(inputs: Any, kernel_size: Any, stride: Any = 2, padding: str = "VALID") -> Any:
    """The largest value of each window."""
    return v1.layers.max_pooling2d(inputs, kernel_size, stride, padding=padding)


def dropout(inputs: Any, keep_prob: float = 0.5, is_training: Any = True) -> Any:
    """Drop values while training; `keep_prob` is the part that is kept."""
    return v1.layers.dropout(inputs, rate=1 - keep_prob, training=is_training)


def batch_norm(
    inputs: Any,
    decay: float = 0.999,
    center: bool = True,
    scale: bool = False,
    epsilon: float = 0.001,
    is_training: Any = True,
    **others: Any,
) -> Any:
    """Batch normalization; what updates its averages is in ``UPDATE_OPS``."""
    _refuse(others, "batch_norm")
    return v1.layers.batch_normalization(
        inputs, momentum=decay, center=center, scale=scale, epsilon=epsilon, training=is_training
    )


def _refuse(others: dict[str, Any], function: str) -> None:
    if others:
        raise TypeError(
            f"tensorflow.contrib.layers.{function} exists here as a stand-in, without "
            f"{', '.join(sorted(others))}; tf.layers has the layer with all its arguments"
        )


def l1_regularizer(scale: float, scope: str | None = None) -> Callable[[Any], Any]:
    """The sum of absolute values, times `scale`."""
    return lambda weights: v1.multiply(float(scale), v1.reduce_sum(v1.abs(weights)), name=scope)


def l2_regularizer(scale: float, scope: str | None = None) -> Callable[[Any], Any]:
    """Half the sum of squares, times `scale`."""
    return lambda weights: v1.multiply(float(scale), v1.nn.l2_loss(weights), name=scope)


def summarize_tensor(tensor: Any, tag: str | None = None) -> Any:
    """A summary of a tensor's values: of one number, a scalar; of more, a histogram."""
    write = v1.summary.scalar if tensor.shape.rank == 0 else v1.summary.histogram
    return write(tag or tensor.op.name, tensor)


def optimize_loss(
    loss: Any,
    global_step: Any,
    learning_rate: Any,
    optimizer: Any,
    clip_gradients: float | None = None,
    learning_rate_decay_fn: Callable[..., Any] | None = None,
    update_ops: Any = None,
    variables: Any = None,
    name: str | None = None,
    summaries: Any = None,
    increment_global_step: bool = True,
) -> Any:
    """The operation of one training step; its value is the loss after it.

    Args:
        loss: scalar tensor.
        global_step: counts the steps; None for the graph's own.
        learning_rate: number or tensor; None leaves it to `optimizer`.
        optimizer: a name, an optimizer or a function of the learning rate that makes one.
        clip_gradients: largest norm of all gradients together.
        learning_rate_decay_fn: gets learning rate and global step.
        update_ops: what must run before; None for all in ``UPDATE_OPS``.
        variables: to train; None for all that can be.
        name: scope of the variables.
        summaries: taken and not used: a summary of the loss is written anyway.
        increment_global_step: whether this counts as a step.
    """
    with v1.variable_scope(name, "OptimizeLoss", [loss, global_step]):
        step = v1.train.get_or_create_global_step() if global_step is None else global_step
        if learning_rate is not None and learning_rate_decay_fn is not None:
            learning_rate = learning_rate_decay_fn(learning_rate, step)
        if update_ops is None:
            update_ops = v1.get_collection(v1.GraphKeys.UPDATE_OPS)
        with v1.control_dependencies(list(update_ops)):
            loss = v1.identity(loss)
        made = _optimizer(optimizer, learning_rate)
        gradients = made.compute_gradients(loss, variables or v1.trainable_variables())
        if clip_gradients is not None:
            values, names = zip(*gradients, strict=True)
            clipped, _ = v1.clip_by_global_norm(values, clip_gradients)
            gradients = list(zip(clipped, names, strict=True))
        applied = made.apply_gradients(
            gradients, global_step=step if increment_global_step else None
        )
        with v1.control_dependencies([applied]):
            return v1.identity(loss)


def _optimizer(optimizer: Any, learning_rate: Any) -> Any:
    if isinstance(optimizer, str):
        if optimizer not in _OPTIMIZERS:
            raise ValueError(f"optimizer {optimizer!r} is not one of {', '.join(_OPTIMIZERS)}")
        if learning_rate is None:
            raise ValueError(f"optimizer {optimizer!r} needs a learning_rate")
        return _OPTIMIZERS[optimizer](learning_rate)
    if isinstance(optimizer, type) or (
        callable(optimizer) and not isinstance(optimizer, v1.train.Optimizer)
    ):
        return optimizer() if learning_rate is None else optimizer(learning_rate)
    return optimizer
