"""LinearLearner's lines in the log, in the words of AWS's container."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable

import attrs
import numpy as np
import numpy.typing as npt

from sm_amazon_algos.container.linear.grid import Candidates
from sm_amazon_algos.container.linear.metrics import Metric
from sm_amazon_algos.container.linear.settings import Settings
from sm_amazon_algos.container.report import Report

__all__ = ["Progress"]

Floats = npt.NDArray[np.float64]


@attrs.frozen
class Progress:
    """Tells what training does.

    Attributes:
        report: writes the lines.
        settings: the hyperparameters.
        objective: what the log calls the mean loss.
    """

    report: Report
    settings: Settings
    objective: str

    def epoch(self, epoch: int, phase: str, objectives: Floats, *, started: float) -> None:
        """The mean loss of each model, (models,), and the first one's in a line of its own."""
        name = f"{self.objective}_objective"
        for model, value in enumerate(objectives.tolist()):
            self.report.metrics(
                {f"{phase}_{name}": value}, started=started, epoch=epoch, model=model
            )
        self.report.quality(phase, name, float(objectives[0]), epoch=epoch)

    def improved(self, epoch: int) -> None:
        """An epoch brought something."""
        self.report.info(f"Epoch {epoch}: Loss improved. Updating best model")

    def end_of_epoch(
        self, epoch: int, *, records: int, batches: int, started: float, judged: float
    ) -> None:
        """How far training is, and how fast; since `judged` it was seen whether to stop."""
        ended = time.time()
        times = {
            "update.time": (ended - started) * 1000,
            "check_early_stopping.time": (ended - judged) * 1000,
        }
        self.report.metrics(times, started=started, ended=ended)
        self.report.progress(epoch + 1, self.settings.epochs)
        self.report.counters(
            "training_data_iter", started=started, records=records, batches=batches, epoch=epoch
        )
        self.report.throughput(records, time.time() - started)

    def chosen(self, settings: Settings, candidates: Candidates, index: int) -> None:
        """The model that won, by what it was trained with."""
        found = {
            "optimizer": "adam" if settings.optimizer == "auto" else settings.optimizer,
            "learning_rate": float(candidates.learning_rate[index]),
            "l1": float(candidates.l1[index]),
            "wd": float(candidates.wd[index]),
            "lr_scheduler_step": int(candidates.step[index]),
            "lr_scheduler_factor": float(candidates.factor[index]),
            "lr_scheduler_minimum_lr": float(candidates.minimum[index]),
        }
        if settings.predictor_type == "binary_classifier":
            found["positive_example_weight_mult"] = float(candidates.positive_weight[index])
        self.report.info(f"Best model found for hyperparameters: {json.dumps(found)}")

    def final(self, phase: str, metrics: Iterable[Metric]) -> None:
        """What the model is worth on one channel."""
        for name, value, tag in metrics:
            self.report.quality(phase, name, value, tag=tag)
            self.report.score(phase, name, value)
