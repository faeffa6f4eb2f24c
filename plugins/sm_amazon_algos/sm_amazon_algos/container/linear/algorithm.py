"""LinearLearner, as the container knows an algorithm."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from sm_amazon_algos.container.algorithms import Algorithm, Job, ServedModel
from sm_amazon_algos.container.linear.artifact import read_model, write_model
from sm_amazon_algos.container.linear.fitting import fit
from sm_amazon_algos.container.linear.model import LinearModel
from sm_amazon_algos.container.linear.settings import Settings
from sm_amazon_algos.hyperparameters import AlgorithmHyperparameters, LinearLearnerHyperparameters

__all__ = ["LinearLearner"]


class LinearLearner(Algorithm):
    """Linear regression and classification, by the best of many models."""

    log_name: ClassVar[str] = "Linear Learner"
    hyperparameters: ClassVar[type[AlgorithmHyperparameters]] = LinearLearnerHyperparameters
    required: ClassVar[tuple[str, ...]] = ("predictor_type",)
    channels: ClassVar[tuple[str, ...]] = ("train", "validation", "test")

    def train(self, job: Job) -> None:
        """See `Algorithm`."""
        job.save(write_model(fit(job, Settings.of(job.settings))))

    def load(self, file: Path) -> ServedModel:
        """See `Algorithm`."""
        return _Served(read_model(file))


class _Served(ServedModel):
    """A model, answering."""

    def __init__(self, model: LinearModel) -> None:
        self.feature_dim = model.feature_dim
        self._model = model

    def predict(self, rows: npt.NDArray[np.float32]) -> Mapping[str, npt.NDArray[Any]]:
        """See `ServedModel`."""
        return self._model.predict(rows)
