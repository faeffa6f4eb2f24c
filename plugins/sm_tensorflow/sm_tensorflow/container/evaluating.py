"""Evaluation during the training."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import tensorflow.compat.v1 as tf

from sm_tensorflow.container.settings import TrainingSettings

__all__ = ["EvaluationHook"]


class EvaluationHook(tf.train.SessionRunHook):  # type: ignore[misc]  # TensorFlow has no types
    """Evaluates every so many steps, if there is a checkpoint that is not evaluated yet.

    The rules are those of ``tf.contrib.learn.Experiment`` of TensorFlow 1.4, with the
    delays that it documented.
    """

    def __init__(
        self, checkpoint_dir: str, settings: TrainingSettings, evaluate: Callable[[], None]
    ) -> None:
        """
        Args:
            checkpoint_dir: where the training saves its checkpoints.
            settings: how often.
            evaluate: evaluates the latest checkpoint.
        """
        self._dir = checkpoint_dir
        self._evaluate = evaluate
        self._delay = settings.eval_delay_secs
        self._throttle = settings.continuous_eval_throttle_secs
        self._timer = tf.train.SecondOrStepTimer(every_steps=settings.evaluation_frequency)
        self._evaluated: str | None = None
        self._began = 0.0
        self._last: float | None = None

    def begin(self) -> None:
        """Called by the session before its graph is final."""
        self._began = time.monotonic()
        self._step = tf.train.get_global_step()
        self._timer.reset()

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Called by the session when its variables have values."""
        self._timer.update_last_triggered_step(session.run(self._step))

    def before_run(self, run_context: Any) -> Any:
        """Called by the session before each step."""
        return tf.train.SessionRunArgs(self._step)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Called by the session after each step."""
        # What was fetched beside the step may be the number before or after it.
        if not self._timer.should_trigger_for_step(run_values.results + 1) or not self._is_time():
            return
        step = run_context.session.run(self._step)
        if not self._timer.should_trigger_for_step(step):
            return
        latest = tf.train.latest_checkpoint(self._dir)
        if latest is None or latest == self._evaluated:
            return
        self._timer.update_last_triggered_step(step)
        self._evaluated, self._last = latest, time.monotonic()
        self._evaluate()

    def _is_time(self) -> bool:
        now = time.monotonic()
        if now - self._began < self._delay:
            return False
        return self._last is None or now - self._last >= self._throttle
