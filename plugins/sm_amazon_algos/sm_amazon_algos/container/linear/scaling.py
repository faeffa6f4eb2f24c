"""Columns and labels brought to mean 0 and deviation 1, and weights back to raw features.

Liberty et al., Elastic Machine Learning Algorithms in Amazon SageMaker (2020), section 4; moments
are merged as in Chan, Golub and LeVeque, Algorithms for Computing the Sample Variance (1983).
"""

from __future__ import annotations

from typing import Any

import attrs

__all__ = ["Moments", "Scaler", "raw_weights"]

Array = Any
#: The least deviation of a column that does vary.
_LEAST = 1e-37


@attrs.frozen
class Moments:
    """Count, mean and sum of squared deviations of each column, mergeable.

    Attributes:
        count: rows.
        mean: (columns,), float64.
        spread: (columns,), float64; Σ(x - mean)².
    """

    count: int
    mean: Array
    spread: Array

    @classmethod
    def of(cls, rows: Array, xp: Any) -> Moments:
        """Those of `rows`, (rows, columns)."""
        wide = xp.astype(rows, xp.float64)
        mean = xp.mean(wide, axis=0)
        return cls(rows.shape[0], mean, xp.sum((wide - mean) ** 2, axis=0))

    def merged(self, other: Moments) -> Moments:
        """Those of the rows of both."""
        count = self.count + other.count
        if count == 0:
            return self
        apart = other.mean - self.mean
        return Moments(
            count,
            self.mean + apart * (other.count / count),
            self.spread + other.spread + apart * apart * (self.count * other.count / count),
        )

    def deviation(self, xp: Any) -> Array:
        """Standard deviations of the population, float64, (columns,); 1 where nothing varies."""
        variance = self.spread / max(self.count, 1)
        # What rounding leaves of a constant column is no variation, and what is too little for its
        # inverse to be a number of 32 bits cannot be made up for.
        constant = variance <= xp.clip((1e-7 * self.mean) ** 2, _LEAST**2, None)
        return xp.where(constant, xp.ones_like(variance), xp.sqrt(variance))


@attrs.frozen
class Scaler:
    """x ↦ (x - shift) / scale, by column.

    Attributes:
        shift: (columns,), float32; zeros where nothing is unbiased.
        scale: (columns,), float32; ones where nothing is normalised.
    """

    shift: Array
    scale: Array

    @classmethod
    def of(cls, moments: Moments, xp: Any, *, unbias: bool, normalize: bool) -> Scaler:
        """The scaler that `moments` ask for.

        Args:
            moments: of the columns.
            xp: the arrays' namespace.
            unbias: shift to mean 0.
            normalize: scale to deviation 1.
        """
        mean = moments.mean
        shift = mean if unbias else xp.zeros_like(mean)
        scale = moments.deviation(xp) if normalize else xp.ones_like(mean)
        return cls(xp.astype(shift, xp.float32), xp.astype(scale, xp.float32))


def raw_weights(weights: Array, features: Scaler, label: tuple[float, float], xp: Any) -> Array:
    """Weights for raw features and labels, of weights for scaled ones.

    Args:
        weights: (features + 1, columns), the biases last.
        features: how the features were scaled.
        label: shift and scale of the label.
        xp: the arrays' namespace.

    Returns:
        As `weights`, float64: scores of raw rows are raw labels.
    """
    shift, scale = label
    wide = xp.astype(weights, xp.float64)
    folded = wide[:-1, :] / xp.astype(features.scale, xp.float64)[:, None]
    moved = xp.astype(features.shift, xp.float64)[None, :] @ folded
    bias = wide[-1:, :] - moved
    return xp.concat([folded * scale, bias * scale + shift], axis=0)
