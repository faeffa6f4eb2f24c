"""The hyperparameters that TensorFlow's containers interpret, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from sm_core.errors import ConfigurationError

__all__ = ["TrainingSettings"]

_STEPS = 1000
_EVALUATION_STEPS = 100
_EVALUATION_FREQUENCY = 1000
_CHECKPOINT_SECONDS = 300
_MISSING: Any = object()


@attrs.frozen(kw_only=True)
class TrainingSettings:
    """How a job trains, evaluates and saves.

    Attributes:
        training_steps: global step at which the training ends; None for the end of its input.
        evaluation_steps: batches of one evaluation; None for the end of its input.
        checkpoint_path: where checkpoints are kept, ``s3://…`` or a folder; None if nowhere.
        save_summary_steps: steps between two summaries.
        save_checkpoints_secs: seconds between two checkpoints; None if steps decide.
        save_checkpoints_steps: steps between two checkpoints; None if seconds decide.
        keep_checkpoint_max: how many checkpoints are kept; None or 0 for all.
        keep_checkpoint_every_n_hours: of each so many hours, one checkpoint is kept for good.
        log_step_count_steps: steps between two lines about speed and loss in the log.
        evaluation_frequency: steps from one evaluation during training to the next; 0 for none.
        eval_delay_secs: seconds of training before its first evaluation.
        continuous_eval_throttle_secs: seconds from the start of one evaluation to the next.
        delay_workers_by_global_step: whether workers begin late by steps, or else by seconds.
        eval_metrics, train_monitors, eval_hooks: names of the script's callables, as given.
    """

    training_steps: int | None
    evaluation_steps: int | None
    checkpoint_path: str | None
    save_summary_steps: int
    save_checkpoints_secs: float | None
    save_checkpoints_steps: int | None
    keep_checkpoint_max: int | None
    keep_checkpoint_every_n_hours: float
    log_step_count_steps: int | None
    evaluation_frequency: int
    eval_delay_secs: float
    continuous_eval_throttle_secs: float
    delay_workers_by_global_step: bool
    eval_metrics: Any
    train_monitors: Any
    eval_hooks: Any

    @classmethod
    def read(cls, hyperparameters: Mapping[str, Any]) -> TrainingSettings:
        """Read and check them.

        Raises:
            ConfigurationError: a value has the wrong type or size, or two exclude each other; names
                the hyperparameter.
        """
        given = _Given(hyperparameters)
        steps, seconds = _checkpoints(given)
        iteration = given.whole("train_steps_per_iteration", default=None, least=1)
        if iteration is not None:
            steps, seconds = min(steps or iteration, iteration), None
        return cls(
            training_steps=given.whole("training_steps", default=_STEPS, least=1),
            evaluation_steps=given.whole("evaluation_steps", default=_EVALUATION_STEPS, least=1),
            checkpoint_path=given.text("checkpoint_path"),
            save_summary_steps=given.whole("save_summary_steps", default=100, least=1) or 100,
            save_checkpoints_secs=seconds,
            save_checkpoints_steps=steps,
            keep_checkpoint_max=given.whole("keep_checkpoint_max", default=5, least=0),
            keep_checkpoint_every_n_hours=given.number(
                "keep_checkpoint_every_n_hours", default=10000.0
            ),
            log_step_count_steps=given.whole("log_step_count_steps", default=100, least=1),
            evaluation_frequency=_frequency(given, iteration),
            eval_delay_secs=given.number("eval_delay_secs", default=0.0),
            continuous_eval_throttle_secs=given.number(
                "continuous_eval_throttle_secs", default=0.0
            ),
            delay_workers_by_global_step=given.switch("delay_workers_by_global_step"),
            eval_metrics=hyperparameters.get("eval_metrics"),
            train_monitors=hyperparameters.get("train_monitors"),
            eval_hooks=hyperparameters.get("eval_hooks"),
        )


def _checkpoints(given: _Given) -> tuple[int | None, float | None]:
    """Steps and seconds between two checkpoints; one of them is None."""
    steps = given.whole("save_checkpoints_steps", default=None, least=1)
    seconds = given.number("save_checkpoints_secs", default=None)
    if steps is not None and seconds is not None:
        raise ConfigurationError(
            "hyperparameters save_checkpoints_secs and save_checkpoints_steps exclude each other; "
            "give one of them"
        )
    if seconds == 0:
        raise ConfigurationError("hyperparameter save_checkpoints_secs is 0; it must be above 0")
    if steps is None and seconds is None:
        seconds = _CHECKPOINT_SECONDS
    return steps, seconds


def _frequency(given: _Given, iteration: int | None) -> int:
    """Steps from one evaluation to the next: never less than either of the two says."""
    frequency = given.whole("min_eval_frequency", default=_MISSING, least=0)
    if frequency is None:
        frequency = _EVALUATION_FREQUENCY
    if iteration is None:
        return _EVALUATION_FREQUENCY if frequency is _MISSING else frequency
    return iteration if frequency is _MISSING else frequency and max(frequency, iteration)


class _Given:
    def __init__(self, hyperparameters: Mapping[str, Any]) -> None:
        self._values = hyperparameters

    def whole(self, name: str, *, default: Any, least: int) -> Any:
        value = self._values.get(name, default)
        if value is None or value is default:
            return value
        # A tuner's numbers may be written with a fraction of nothing.
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ConfigurationError(
                f"hyperparameter {name} is {self._values[name]!r}; it must be a whole number of at "
                f"least {least}"
            )
        return value

    def number(self, name: str, *, default: Any) -> Any:
        value = self._values.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
            raise ConfigurationError(
                f"hyperparameter {name} is {value!r}; it must be a number of at least 0"
            )
        return value

    def switch(self, name: str) -> bool:
        value = self._values.get(name)
        if value is None or isinstance(value, bool):
            return bool(value)
        raise ConfigurationError(f"hyperparameter {name} is {value!r}; it must be true or false")

    def text(self, name: str) -> str | None:
        value = self._values.get(name)
        if value is None or (isinstance(value, str) and value):
            return value
        raise ConfigurationError(f"hyperparameter {name} is {value!r}; it must be text")
