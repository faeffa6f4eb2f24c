"""Training, evaluation and export of one job, in the order of TensorFlow 1.4's containers."""

from __future__ import annotations

import logging
import math
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import tensorflow.compat.v1 as tf

from sm_core.container.errors import ContainerError
from sm_core.container.process import deferred_stop
from sm_tensorflow.container.estimators import made_hooks, serving_receiver
from sm_tensorflow.container.evaluating import EvaluationHook
from sm_tensorflow.container.hooks import StepsHook, StopHook
from sm_tensorflow.container.settings import TrainingSettings
from sm_tensorflow.container.userfunctions import UserFunctions

__all__ = ["Experiment"]

logger = logging.getLogger(__name__)

#: A worker that begins late by steps waits for this many times the logarithm of its number.
_STEPS_OF_DELAY = 8000.0
#: Seconds by which each worker begins later than the one before, and at most.
_SECONDS_OF_DELAY, _LONGEST_DELAY = 5, 60


@attrs.frozen(kw_only=True)
class Experiment:
    """One job's model and all that is done with it.

    Attributes:
        functions: the script's.
        settings: the job's.
        estimator: of the script's model.
        stop: set when the job shall end early.
    """

    functions: UserFunctions
    settings: TrainingSettings
    estimator: Any
    stop: threading.Event

    def train_as_master(self) -> None:
        """Train with evaluations, evaluate the result and export it.

        Once a stop is requested, what is trained so far is saved and exported.
        """
        hooks = [StopHook(self.stop)]
        if self.settings.evaluation_frequency:
            hooks.append(EvaluationHook(self._model_dir, self.settings, self.evaluate))
        with self._checkpoints_explained():
            if not self._train(hooks):
                raise ContainerError(
                    "train_input_fn gave no batch, and so nothing was trained: it found no rows"
                )
            if not self.stop.is_set():
                self.evaluate()
            self._export()

    def train_as_worker(self, number: int) -> None:
        """Train, beginning a little later than the workers before.

        Args:
            number: of the worker, from 0.
        """
        hooks: list[Any] = [StopHook(self.stop)]
        if self.settings.delay_workers_by_global_step:
            steps = int(_STEPS_OF_DELAY * math.log(number + 1))
            hooks.append(tf.train.GlobalStepWaiterHook(steps))
        else:
            self.stop.wait(min(_LONGEST_DELAY, _SECONDS_OF_DELAY * number))
        if not self.stop.is_set() and not self._train(hooks):
            logger.warning("train_input_fn gave no batch: this host has trained nothing")

    def _train(self, hooks: list[Any]) -> bool:
        """Train; whether there were data, where there was something left to train."""
        steps = StepsHook()
        monitors = made_hooks(self.functions, "train_monitors", self.settings.train_monitors)
        self.estimator.train(
            input_fn=lambda: self.functions.call_with_inputs("train_input_fn"),
            hooks=[*hooks, steps, *monitors],
            max_steps=self.settings.training_steps,
        )
        return steps.done or not steps.begun

    def evaluate(self) -> None:
        """Evaluate the latest checkpoint."""
        began = time.monotonic()
        steps = StepsHook()
        hooks = made_hooks(self.functions, "eval_hooks", self.settings.eval_hooks)
        self.estimator.evaluate(
            input_fn=lambda: self.functions.call_with_inputs("eval_input_fn"),
            steps=self.settings.evaluation_steps,
            hooks=[StopHook(self.stop), steps, *hooks],
        )
        if not steps.done:
            logger.warning("eval_input_fn gave no batch, and so nothing was evaluated")
        logger.info("evaluated in %.1f seconds", time.monotonic() - began)

    def _export(self) -> None:
        """Write the SavedModel to where model servers look for it, the newest only."""
        model_dir = self.functions.environment.model_dir
        base = model_dir / "export" / "Servo"
        # A stop that comes now waits: half a model is worth nothing.
        with deferred_stop():
            written = self.estimator.export_saved_model(
                str(base), serving_receiver(self.functions)
            ).decode()
            for folder in base.iterdir():
                if folder.name != Path(written).name:
                    shutil.rmtree(folder)
        logger.info("exported the model to %s", Path(written).relative_to(model_dir))

    @property
    def _model_dir(self) -> str:
        return str(self.estimator.model_dir)

    @contextmanager
    def _checkpoints_explained(self) -> Iterator[None]:
        """Say of a checkpoint that cannot be restored which it is, and what to do."""
        latest = tf.train.latest_checkpoint(self._model_dir)
        try:
            yield
        except (tf.errors.OpError, ValueError) as error:
            if latest is None or not _is_about_checkpoints(error):
                raise
            place = self.settings.checkpoint_path or self._model_dir
            raise ContainerError(
                f"the checkpoint {Path(latest).name} of {place} cannot be restored: it is damaged, "
                "or belongs to another model (other layers, sizes or feature columns). Give "
                "another checkpoint_path, or remove what lies there. TensorFlow says: "
                f"{_first(error)}"
            ) from error


def _is_about_checkpoints(error: Exception) -> bool:
    text = str(error)
    return (
        isinstance(error, tf.errors.DataLossError)
        or "Restoring from checkpoint failed" in text
        or "save/RestoreV2" in text
        or ("checkpoint" in text.lower() and isinstance(error, tf.errors.NotFoundError))
    )


def _first(error: Exception) -> str:
    """The line of TensorFlow's text that says what is wrong; it may come after many others."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    wanted = ("not found in checkpoint", "shape", "Data loss", "checksum", "Unable to open")
    told = [line for line in lines if any(part in line for part in wanted)]
    node = next((number for number, line in enumerate(lines) if line.startswith("Node: ")), None)
    told += lines[node + 1 :] if node is not None else []
    return [*told, *lines, type(error).__name__][0][:400]
