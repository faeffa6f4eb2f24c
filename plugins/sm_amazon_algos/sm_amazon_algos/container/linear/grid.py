"""The settings of the models that are trained at once: those given, and nearby ones for ``auto``.

The first model is trained by AWS's own values for ``auto``, as seen in the logs of its jobs; AWS
does not say what its others are. Ours are the first of all combinations of the values below, in the
order of `AXES`; a value that the user set is the only one of its axis. Models beyond the last
combination begin again at the first one, with other weights at the beginning.
"""

from __future__ import annotations

import itertools
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from sm_amazon_algos.container.errors import CustomerError
from sm_amazon_algos.container.linear.settings import Settings

__all__ = ["AUTO_MODELS", "AUTO_WEIGHTS", "AXES", "Candidates", "candidates", "number_of_models"]

#: Models that ``num_models=auto`` trains.
AUTO_MODELS = 32
#: Weights of all models together that it does not go beyond, by training fewer: 64 MiB of them.
AUTO_WEIGHTS = 1 << 24
#: Weights of all models together that any number of them may have: 1 GiB, and several times that
#: for gradients and moments.
MOST_WEIGHTS = 1 << 28

#: What ``auto`` stands for: the first model's value, then the others'. Schedules are (steps between
#: decays, factor).
AXES: dict[str, tuple[Any, ...]] = {
    "learning_rate": (0.1, 0.01),
    "schedule": ((100, 0.99), (10, 0.98)),
    "wd": (1e-4, 1e-2, 1e-3, 0.0),
    "l1": (0.0, 1e-3),
    "positive_example_weight_mult": (1.0, "balanced"),
}
#: The learning rate that no decay goes below.
MINIMUM_RATE = 1e-5

Column = npt.NDArray[np.float64]


@attrs.frozen(eq=False)
class Candidates:
    """What tells the models apart; each an array of (models,), float64.

    Attributes:
        learning_rate: at the beginning.
        step: steps between decays.
        factor: what a decay multiplies by; 1 without a scheduler.
        minimum: learning rate that is never gone below.
        wd: strength of the L2 regularisation.
        l1: strength of the L1 regularisation.
        positive_weight: weight of positive examples.
    """

    learning_rate: Column
    step: Column
    factor: Column
    minimum: Column
    wd: Column
    l1: Column
    positive_weight: Column

    def __len__(self) -> int:
        return len(self.learning_rate)

    def repeated(self, times: int) -> Candidates:
        """All of them, over and over."""
        return Candidates(*(np.tile(column, times) for column in attrs.astuple(self)))

    def rates(self, steps: int) -> Column:
        """The learning rates after `steps`."""
        decayed = self.learning_rate * self.factor ** np.floor(steps / self.step)
        return np.maximum(decayed, np.minimum(self.minimum, self.learning_rate))


def number_of_models(settings: Settings, width: int) -> int:
    """How many models are trained.

    Args:
        settings: the hyperparameters.
        width: columns of the data.

    Raises:
        CustomerError: so many, of that width, are more than fit into any memory.
    """
    if settings.num_models != "auto":
        weights = settings.num_models * (width + 1) * settings.outputs
        if settings.num_models > 1 and weights > MOST_WEIGHTS:
            raise CustomerError(
                f"num_models is {settings.num_models}: so many models have {weights} weights, and "
                f"{MOST_WEIGHTS} can be trained at once. Please reduce num_models and try again."
            )
        return settings.num_models
    room = AUTO_WEIGHTS // ((width + 1) * settings.outputs)
    return max(1, min(AUTO_MODELS, room))


def candidates(settings: Settings, models: int, *, balance: float) -> Candidates:
    """The settings of `models` models.

    Args:
        settings: the hyperparameters.
        models: how many.
        balance: weight of positive examples that makes them weigh as much as the others.
    """
    axes = {name: _values(settings, name) for name in AXES}
    grid = [dict(zip(axes, values, strict=True)) for values in _combinations(axes)]
    chosen = [grid[index % len(grid)] for index in range(models)]

    def column(name: str) -> Column:
        return np.array([each[name] for each in chosen], dtype=np.float64)

    steps, factors = np.array([each["schedule"] for each in chosen], dtype=np.float64).T
    weights = [each["positive_example_weight_mult"] for each in chosen]
    minimum = settings.lr_scheduler_minimum_lr
    return Candidates(
        learning_rate=column("learning_rate"),
        step=steps,
        factor=factors if settings.use_lr_scheduler else np.ones(models),
        minimum=np.full(models, MINIMUM_RATE if minimum == "auto" else minimum),
        wd=column("wd"),
        l1=column("l1"),
        positive_weight=np.array([balance if w == "balanced" else float(w) for w in weights]),
    )


def _combinations(axes: dict[str, tuple[Any, ...]]) -> Any:
    return itertools.product(*axes.values())


def _values(settings: Settings, name: str) -> tuple[Any, ...]:
    """What an axis offers when the user has had a say."""
    if name == "schedule":
        return _schedules(settings)
    given = getattr(settings, name)
    return AXES[name] if given == "auto" else (given,)


def _schedules(settings: Settings) -> tuple[tuple[float, float], ...]:
    step, factor = settings.lr_scheduler_step, settings.lr_scheduler_factor
    offered = {
        (s if step == "auto" else step, f if factor == "auto" else factor)
        for s, f in AXES["schedule"]
    }
    return tuple(sorted(offered, reverse=True))
