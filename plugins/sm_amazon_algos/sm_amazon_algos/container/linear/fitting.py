"""Training of a LinearLearner from channels to a model: scale, train many, judge, choose.

Liberty et al., Elastic Machine Learning Algorithms in Amazon SageMaker (2020), section 4; AWS's own
account: https://docs.aws.amazon.com/sagemaker/latest/dg/ll_how-it-works.html
"""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from sm_amazon_algos.container.algorithms import Job
from sm_amazon_algos.container.errors import CustomerError
from sm_amazon_algos.container.linear.choosing import (
    AUTO_CALIBRATION,
    CRITERION_ROWS,
    Choice,
    calibrated,
    chosen,
)
from sm_amazon_algos.container.linear.epochs import Epochs
from sm_amazon_algos.container.linear.examples import Rows
from sm_amazon_algos.container.linear.grid import (
    AUTO_WEIGHTS,
    candidates,
    number_of_models,
)
from sm_amazon_algos.container.linear.judging import (
    FOLD_ROWS,
    FOLDS,
    Folds,
    Judge,
    TrainingSample,
    Validation,
)
from sm_amazon_algos.container.linear.labels import Weighting, balance_of, check_classes
from sm_amazon_algos.container.linear.losses import LossParameters, loss_named
from sm_amazon_algos.container.linear.metrics import Metric, tally_for
from sm_amazon_algos.container.linear.model import LinearModel, served
from sm_amazon_algos.container.linear.preparing import other_rows, training_rows
from sm_amazon_algos.container.linear.progress import Progress
from sm_amazon_algos.container.linear.scaling import raw_weights
from sm_amazon_algos.container.linear.settings import Settings
from sm_amazon_algos.container.linear.steps import Arithmetic, Stepper, first_weights
from sm_amazon_algos.container.linear.stopping import EarlyStopping
from sm_amazon_algos.container.memory import keep_freed_memory
from sm_amazon_algos.container.threads import blas_threads

__all__ = ["fit"]

Array = Any
Floats = npt.NDArray[np.float64]

#: Steps that an epoch has at least if ``optimizer`` is ``auto``: it goes over few rows repeatedly.
AUTO_STEPS = 64
#: Multiplications of a matrix product below which several threads take longer than one.
_SHARED = 1 << 22


def fit(job: Job, settings: Settings) -> LinearModel:
    """Train on the job's channels, tell the log, and return the best model.

    Raises:
        CustomerError: the data is not what the hyperparameters say, all rows are of one class, or
            no model learned anything.
    """
    keep_freed_memory()
    # A model whose learning rate is too high for it may diverge; it is not chosen.
    with np.errstate(over="ignore", invalid="ignore"):
        fitting = _Fit(job, settings)
        with blas_threads(fitting.threads):
            return fitting.run()


class _Fit:
    """One training."""

    def __init__(self, job: Job, settings: Settings) -> None:
        self._job, self._settings = job, settings
        self._train = training_rows(job, settings)
        width = self._train.feature_dim
        self._validation = other_rows(job, "validation", settings, width)
        self._models = number_of_models(settings, width)
        parameters = LossParameters(
            quantile=settings.quantile,
            insensitivity=settings.loss_insensitivity,
            delta=settings.huber_delta,
            margin=settings.margin,
        )
        scale = self._train.label[1]
        loss = loss_named(settings.loss_name, parameters.in_units_of(scale))
        self._arithmetic = Arithmetic(loss, settings.outputs, job.device.xp)
        #: Brings losses of scaled labels to label units.
        self._unit = scale**loss.power
        self._progress = Progress(job.report, settings, loss.objective)
        self._candidates = candidates(
            settings, self._models, balance=balance_of(self._train.counts)
        )
        self._folds = FOLDS if self._crosses() else 0

    @property
    def threads(self) -> int | None:
        """Threads of a matrix product: one, unless a step is worth sharing; None for all."""
        rows = min(self._settings.mini_batch_size, max(self._train.rows.count, 1))
        columns = self._models * self._settings.outputs * (self._folds + 1)
        return None if rows * self._train.feature_dim * columns > _SHARED else 1

    def run(self) -> LinearModel:
        """See `fit`."""
        if self._train.rows.kept:
            self._train.rows.shuffle(self._job.device, folds=self._folds)
        judge = self._judge()
        weights, objectives = self._race(judge)
        if not np.isfinite(objectives).any():
            raise CustomerError(
                "Training diverged: no model has a finite loss. Please reduce learning_rate, or "
                "check the data for extreme values, and try again."
            )
        started = time.time()
        choice = chosen(judge, weights, objectives, self._settings)
        self._job.report.metrics({"finalize.time": (time.time() - started) * 1000}, started=started)
        self._progress.chosen(self._settings, self._candidates, choice.index)
        own = self._columns(weights, choice.index)
        self._tell_final(own, choice)
        return self._model(own, choice)

    def _crosses(self) -> bool:
        """Whether models are judged by cross-validation."""
        train, settings = self._train, self._settings
        if self._validation is not None or not 0 < train.total <= FOLD_ROWS:
            return False
        if self._models == 1 and settings.predictor_type != "binary_classifier":
            return False
        size = (FOLDS + 1) * self._models * settings.outputs * (train.feature_dim + 1)
        return size <= AUTO_WEIGHTS and self._job.hosts.all(train.rows.count >= FOLDS)

    def _judge(self) -> Judge:
        job, train, arithmetic = self._job, self._train, self._arithmetic
        given = self._settings.num_calibration_samples
        rows = AUTO_CALIBRATION if given == "auto" else given
        if self._validation is not None:
            self._validation.load(train.preparer)
            if job.hosts.all(self._validation.kept and not self._validation.count):
                raise CustomerError("Channel 'validation' has no rows")
            if self._validation.kept:
                self._validation.shuffle(job.device)
            some = self._validation.sample(job.device, rows)
            return Validation(
                arithmetic, job.device, job.hosts, self._validation, train.preparer, some
            )
        if self._folds:
            whole = next(train.rows.examples(train.preparer))
            return Folds(arithmetic, job.device, job.hosts, whole, self._models)
        some = train.rows.sample(job.device, rows)
        return TrainingSample(arithmetic, job.device, job.hosts, some)

    def _epochs(self) -> Epochs:
        """Models at their beginning, each with its copies for cross-validation."""
        settings, train, device = self._settings, self._train, self._job.device
        copies = self._folds + 1
        weights = first_weights(settings, train.feature_dim, self._models)
        shaped = weights.reshape(len(weights), settings.outputs, self._models)
        weights = np.tile(shaped, (1, 1, copies)).reshape(len(weights), -1)
        every = self._candidates.repeated(copies)
        unseen = np.repeat(np.arange(-1, self._folds), self._models) if self._folds else None
        return Epochs(
            rows=train.rows,
            preparer=train.preparer,
            stepper=Stepper(weights, settings=settings, candidates=every, device=device),
            arithmetic=self._arithmetic,
            weighting=Weighting.of(
                settings, train.counts, every.positive_weight, device=device, folds=unseen
            ),
            hosts=self._job.hosts,
            device=device,
            repeats=self._repeats(),
        )

    def _repeats(self) -> int:
        if self._settings.optimizer != "auto" or not self._train.total:
            return 1
        rows = self._settings.mini_batch_size * self._job.hosts.count
        return math.ceil(AUTO_STEPS / math.ceil(self._train.total / rows))

    def _race(self, judge: Judge) -> tuple[Array, Floats]:
        """Train all models; the weights of each at its best epoch, and its loss there."""
        settings, epochs = self._settings, self._epochs()
        stopping = EarlyStopping(
            settings.early_stopping_patience,
            settings.early_stopping_tolerance,
            self._stops_by_criterion,
        )
        weights: Array = None
        objectives = np.full(self._models, np.inf)
        for epoch in range(settings.epochs):
            started = time.time()
            average, learned, steps = epochs.run()
            if epoch == 0:
                # Of rows that were read once, and not kept, nobody has known until now.
                check_classes(self._job.hosts.sum(self._train.rows.counts))
            learned = learned[: self._models] * self._unit
            self._progress.epoch(epoch, "train", learned, started=started)
            if isinstance(judge, TrainingSample):
                # Each model has been judged by all rows; those of the sample are for stopping.
                weights, objectives = average, learned
                found = learned
                if not self._stops_by_criterion:
                    found = judge.objectives(average) * self._unit
            else:
                found = judge.objectives(average) * self._unit
                if judge.phase == "validation":
                    self._progress.epoch(epoch, "validation", found, started=started)
                better = found < objectives
                weights = self._better(weights, average, better)
                objectives = np.where(better, found, objectives)
            judged = time.time()
            value = self._criterion(judge, average, found, epoch)
            if stopping.improves(value):
                self._progress.improved(epoch)
            self._progress.end_of_epoch(
                epoch, records=self._train.rows.count, batches=steps, started=started, judged=judged
            )
            if stopping.is_over:
                self._job.report.info("Early stop condition met. Stopping training.")
                break
        return weights, objectives

    @property
    def _stops_by_criterion(self) -> bool:
        """Whether the binary classifier's criterion, not the loss, says when to stop."""
        settings = self._settings
        return (
            settings.predictor_type == "binary_classifier" and settings.criterion != "loss_function"
        )

    def _criterion(self, judge: Judge, weights: Array, objectives: Floats, epoch: int) -> float:
        """What the best model is worth by what decides on stopping."""
        name = f"{self._arithmetic.loss.objective}_objective"
        finite = objectives[np.isfinite(objectives)]
        value = float(finite.min()) if len(finite) else math.inf
        if self._stops_by_criterion:
            name = f"sampled_{self._settings.criterion}"
            found = calibrated(judge, weights, self._settings, rows=CRITERION_ROWS)
            value = float(found.value.max())
        self._job.report.early_stopping(epoch, name, value)
        return value

    def _shaped(self, weights: Array) -> Array:
        """Weights as (features + 1, outputs, copies, models)."""
        shape = (weights.shape[0], self._settings.outputs, self._folds + 1, self._models)
        return self._job.device.xp.reshape(weights, shape)

    def _better(self, before: Array, now: Array, better: npt.NDArray[np.bool_]) -> Array:
        """The weights of before, but for models that have become better."""
        if before is None:
            return now
        xp = self._job.device.xp
        mask = self._job.device.put(better)
        return xp.reshape(xp.where(mask, self._shaped(now), self._shaped(before)), now.shape)

    def _columns(self, weights: Array, index: int) -> Array:
        """The weights of one model, (features + 1, outputs)."""
        return self._shaped(weights)[:, :, 0, index]

    def _model(self, weights: Array, choice: Choice) -> LinearModel:
        settings = self._settings
        host = self._job.device.get(weights)
        raw = raw_weights(host, self._train.features, self._train.label, np).astype(np.float32)
        return LinearModel(
            task=settings.predictor_type,
            loss=settings.loss_name,
            weights=np.ascontiguousarray(raw[:-1].T),
            bias=raw[-1],
            threshold=0.5 if choice.threshold is None else choice.threshold,
        )

    def _tell_final(self, weights: Array, choice: Choice) -> None:
        report, width = self._job.report, self._train.feature_dim
        phases: dict[str, Rows | None] = {"train": self._train.rows, "validation": self._validation}
        phases["test"] = other_rows(self._job, "test", self._settings, width)
        for phase, rows in phases.items():
            if rows is not None:
                self._progress.final(phase, self._worth(weights, choice, rows))
        if phases["test"] is None:
            report.info("Test data is not provided.")

    def _worth(self, weights: Array, choice: Choice, rows: Rows) -> list[Metric]:
        """What one model is worth on the rows of a channel."""
        settings, device, arithmetic = self._settings, self._job.device, self._arithmetic
        shift, scale = self._train.label
        tally = tally_for(settings, choice.threshold)
        sums = np.zeros(2)
        for examples in rows.examples(self._train.preparer):
            scores = arithmetic.scores(weights, examples.rows)
            values, _ = arithmetic.losses(scores, examples.labels)
            labels, linear = device.get(examples.labels), device.get(scores)
            sums += (float(device.xp.sum(values)), len(examples))
            if settings.predictor_type == "binary_classifier":
                linear = linear * labels[:, None]
            linear, labels = linear * np.float32(scale), labels * np.float32(scale)
            outcome = served(
                linear + np.float32(shift), settings.predictor_type, settings.loss_name
            )
            tally.add(outcome, labels + np.float32(shift))
        total, count = self._job.hosts.sum(sums)
        if not count:
            raise CustomerError(f"Channel '{rows.name}' has no rows")
        objective = f"{arithmetic.loss.objective}_objective"
        return [
            Metric(objective, total / count * self._unit, "loss"),
            *tally.metrics(self._job.hosts),
        ]
