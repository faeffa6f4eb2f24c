"""A ``tf.estimator.Estimator`` out of whichever model function a script defines."""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tensorflow.compat.v1 as tf

from sm_core.errors import ConfigurationError, SourceError
from sm_tensorflow.container.settings import TrainingSettings
from sm_tensorflow.container.userfunctions import UserFunctions, resolved

__all__ = ["made_hooks", "make_estimator", "run_config", "serving_receiver"]

logger = logging.getLogger(__name__)


def run_config(settings: TrainingSettings, checkpoint_dir: str) -> Any:
    """What TensorFlow's ``RunConfig`` takes of the settings; the cluster comes from TF_CONFIG."""
    return tf.estimator.RunConfig(
        model_dir=checkpoint_dir,
        save_summary_steps=settings.save_summary_steps,
        save_checkpoints_secs=settings.save_checkpoints_secs,
        save_checkpoints_steps=settings.save_checkpoints_steps,
        keep_checkpoint_max=settings.keep_checkpoint_max,
        keep_checkpoint_every_n_hours=settings.keep_checkpoint_every_n_hours,
        log_step_count_steps=settings.log_step_count_steps,
    )


def make_estimator(functions: UserFunctions, settings: TrainingSettings, config: Any) -> Any:
    """The estimator of the script's model, with the job's additional metrics.

    Raises:
        SourceError: a function of the script returns something else than it must.
        ConfigurationError: a Keras model on several hosts, or ``eval_metrics`` names no callable.
    """
    name = functions.model_function
    hyperparameters = dict(functions.environment.hyperparameters)
    function = functions.named(name)
    if name == "estimator_fn":
        estimator = function(config, hyperparameters)
        if not isinstance(estimator, tf.estimator.Estimator):
            raise SourceError(
                f"estimator_fn returned {_kind(estimator)}; it must be a tf.estimator.Estimator"
            )
        _see_that_it_is_kept(estimator, config)
    elif name == "keras_model_fn":
        estimator = _of_keras(functions, config)
    else:
        estimator = tf.estimator.Estimator(
            model_fn=_with_four(function), params=hyperparameters, config=config
        )
    metrics = _metrics(functions, settings.eval_metrics)
    return tf.estimator.add_metrics(estimator, metrics) if metrics else estimator


def _see_that_it_is_kept(estimator: Any, config: Any) -> None:
    if os.path.normpath(estimator.model_dir) != os.path.normpath(config.model_dir):
        logger.warning(
            "the estimator of estimator_fn writes to %s: its checkpoints are not kept, and those "
            "of the job's checkpoint_path not used. Make it with config=run_config",
            estimator.model_dir,
        )


def _of_keras(functions: UserFunctions, config: Any) -> Any:
    if len(functions.environment.hosts) > 1:
        raise ConfigurationError(
            "keras_model_fn trains on one host only: set train_instance_count to 1, or define "
            "model_fn or estimator_fn"
        )
    model = functions.call_with_hyperparameters("keras_model_fn")
    if not isinstance(model, tf.keras.Model):
        raise SourceError(f"keras_model_fn returned {_kind(model)}; it must be a tf.keras.Model")
    if not getattr(model, "optimizer", None):
        raise SourceError(
            "keras_model_fn returned a model that is not compiled: call its compile()"
        )
    return tf.keras.estimator.model_to_estimator(keras_model=model, config=config)


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"


def _with_four(function: Callable[..., Any]) -> Callable[..., Any]:
    """A script's ``model_fn`` by the names that Estimator insists on.

    Its arguments are passed by position, whatever it calls them; the fourth may be missing.
    """
    parameters = inspect.signature(function).parameters
    takes_config = "config" in parameters
    free = [
        entry
        for name, entry in parameters.items()
        if name != "config" and entry.kind in (entry.POSITIONAL_ONLY, entry.POSITIONAL_OR_KEYWORD)
    ]
    takes_more = any(entry.kind is entry.VAR_POSITIONAL for entry in parameters.values())
    count = 4 if takes_more else min(len(free), 4)
    if count < 3:
        raise SourceError(
            "model_fn must accept features, labels, mode and hyperparameters; it accepts "
            f"{', '.join(parameters) or 'nothing'}"
        )

    def model_fn(features: Any, labels: Any, mode: Any, params: Any, config: Any) -> Any:
        arguments = (features, labels, mode, params)[:count]
        spec = function(*arguments, **({"config": config} if takes_config else {}))
        if not isinstance(spec, tf.estimator.EstimatorSpec):
            raise SourceError(
                f"model_fn returned {_kind(spec)}; it must be a tf.estimator.EstimatorSpec"
            )
        return spec

    return model_fn


def _metrics(functions: UserFunctions, given: Any) -> Callable[..., Any] | None:
    """What ``eval_metrics`` stands for, as ``tf.estimator.add_metrics`` takes it."""
    if given is None:
        return None
    found: Any = given
    if isinstance(given, str):
        found = _callable(functions, "eval_metrics", given)()
    if not isinstance(found, Mapping):
        raise ConfigurationError(
            f"hyperparameter eval_metrics is {given!r}; it must be the name of a function in the "
            "script that returns a dict from names to metric functions, or such a dict with names "
            "of functions"
        )
    metrics = {
        name: _callable(functions, "eval_metrics", metric) if isinstance(metric, str) else metric
        for name, metric in found.items()
    }

    def metric_fn(features: Any, labels: Any, predictions: Any) -> Any:
        known = {"features": features, "labels": labels, "predictions": predictions}
        return {name: _measured(metric, known) for name, metric in metrics.items()}

    return metric_fn


def _measured(metric: Callable[..., Any], known: Mapping[str, Any]) -> Any:
    names = inspect.signature(metric).parameters
    given = {name: value for name, value in known.items() if name in names}
    return metric(**given) if given else metric(known["labels"], known["predictions"])


def made_hooks(functions: UserFunctions, name: str, given: Any) -> list[Any]:
    """The hooks that the callables named in hyperparameter `name` return.

    Raises:
        ConfigurationError: it names something else, or a callable returns no hooks.
    """
    hooks: list[Any] = []
    for each in [given] if isinstance(given, str) else given or []:
        made = _callable(functions, name, each)()
        hooks += made if isinstance(made, (list, tuple)) else [made]
    for hook in hooks:
        if not isinstance(hook, tf.train.SessionRunHook):
            raise ConfigurationError(
                f"a function that hyperparameter {name} names returned {_kind(hook)}; it must "
                "return a tf.train.SessionRunHook, or a list of them"
            )
    return hooks


def _callable(functions: UserFunctions, name: str, given: Any) -> Callable[[], Any]:
    if not isinstance(given, str) or not functions.has(given):
        program = Path(functions.environment.program or "the script").name
        raise ConfigurationError(
            f"hyperparameter {name} names {given!r}, which is no function of {program}. Objects "
            "cannot be sent: it takes names of functions in the script that return them"
        )
    function = functions.named(given)
    parameters = inspect.signature(function).parameters
    if name != "eval_metrics" and len(parameters) == 1:
        return lambda: function(dict(functions.environment.hyperparameters))
    return function


def serving_receiver(functions: UserFunctions) -> Callable[[], Any]:
    """The script's ``serving_input_fn`` as an export takes it."""

    def receiver() -> Any:
        made = resolved(functions.call_with_hyperparameters("serving_input_fn"))
        if not hasattr(made, "receiver_tensors"):
            raise SourceError(
                f"serving_input_fn returned {_kind(made)}; it must be a "
                "tf.estimator.export.ServingInputReceiver"
            )
        return made

    return receiver
