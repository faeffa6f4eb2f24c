"""When training has gone on for long enough."""

from __future__ import annotations

import attrs

__all__ = ["EarlyStopping"]


@attrs.define
class EarlyStopping:
    """Counts epochs that bring nothing, as AWS's hyperparameters say.

    Attributes:
        patience: epochs without improvement after which to stop.
        tolerance: relative improvement below which there was none.
        higher_is_better: whether the criterion is a score, not a loss.
        best: the best value so far.
    """

    patience: int
    tolerance: float
    higher_is_better: bool
    best: float | None = None
    _without: int = 0

    def improves(self, value: float) -> bool:
        """Take the value of one more epoch; whether it is an improvement."""
        if self.best is None:
            self.best = value
            return True
        gain = value - self.best if self.higher_is_better else self.best - value
        improved = gain > self.tolerance * abs(self.best)
        # Small gains do not add up to an improvement: each is measured from the best before it.
        if gain > 0:
            self.best = value
        self._without = 0 if improved else self._without + 1
        return improved

    @property
    def is_over(self) -> bool:
        """Whether to stop."""
        return self._without >= self.patience
