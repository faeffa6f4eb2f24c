"""Labels of the three tasks: which are possible, how many of each class, and what each counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from sm_amazon_algos.container.devices import Device
from sm_amazon_algos.container.errors import CustomerError
from sm_amazon_algos.container.linear.settings import Settings

__all__ = ["Weighting", "balance_of", "check_classes", "check_labels", "class_counts"]

Array = Any
Counts = npt.NDArray[np.int64]


def check_labels(labels: npt.NDArray[np.float32], settings: Settings, channel: str) -> None:
    """Refuse labels that the task cannot have.

    Args:
        labels: (rows,), finite; of another shape if rows have several.
        settings: the hyperparameters.
        channel: for messages.

    Raises:
        CustomerError: one is no class, or a row has several.
    """
    if labels.ndim > 1:
        raise CustomerError(
            f"Channel '{channel}' has {labels.shape[1]} labels in a row; a "
            f"{settings.predictor_type} takes one"
        )
    if settings.regression:
        return
    classes = max(settings.outputs, 2)
    wrong = (labels < 0) | (labels >= classes) | (labels != np.floor(labels))
    if not wrong.any():
        return
    found = float(labels[np.argmax(wrong)])
    hint = "predictor_type" if classes == 2 else "num_classes"
    raise CustomerError(
        f"Label {found:g} in channel '{channel}' is out of range. The labels of a "
        f"{settings.predictor_type} must be integers from 0 to {classes - 1}. Please fix the data, "
        f"or the hyperparameter {hint}, and try again."
    )


def class_counts(labels: npt.NDArray[np.float32], settings: Settings) -> Counts:
    """How many rows each class has: (classes,); none in regression."""
    if settings.regression:
        return np.zeros(0, dtype=np.int64)
    return np.bincount(labels.astype(np.int64), minlength=max(settings.outputs, 2))


def check_classes(counts: Counts) -> None:
    """Refuse to learn telling classes apart from rows of a single one.

    Args:
        counts: int64, (classes,), rows of each; of no classes in regression.

    Raises:
        CustomerError: all rows are of one class.
    """
    present = np.flatnonzero(counts)
    if len(counts) and len(present) < 2:
        raise CustomerError(
            f"All labels in channel 'train' are {present[0]}. A classifier needs rows of at least "
            "two classes. Please fix the data and try again."
        )


def balance_of(counts: Counts) -> float:
    """The weight of positive rows that makes them count as much as all negative ones together.

    Args:
        counts: int64, (2,), negative and positive rows; 1 of anything else.
    """
    if len(counts) != 2 or not counts.all():
        return 1.0
    return float(counts[0] / counts[1])


@attrs.frozen(eq=False)
class Weighting:
    """What each row counts for each model.

    Attributes:
        by_class: (classes, models) or (classes, 1), float32, on the device; None if all classes
            count 1.
        folds: (models,), the fold that a model does not see, on the device; None if all see all.
    """

    by_class: Array = None
    folds: Array = None

    @classmethod
    def of(
        cls,
        settings: Settings,
        counts: Counts,
        positive: npt.NDArray[np.float64],
        *,
        device: Device,
        folds: npt.NDArray[np.int64] | None = None,
    ) -> Weighting:
        """The weights that the hyperparameters ask for.

        Args:
            settings: the hyperparameters.
            counts: rows of each class.
            positive: (models,), weights of positive rows.
            device: where to keep them.
            folds: (models,), the fold that each does not see.
        """
        by_class = _by_class(settings, counts, positive)
        return cls(
            None if by_class is None else device.put(by_class.astype(np.float32)),
            None if folds is None else device.put(folds),
        )

    def weights(self, labels: Array, folds: Array, xp: Any) -> Array:
        """(rows, models) or (rows, 1); None if all count 1.

        Args:
            labels: (rows,): signs, or classes as int64.
            folds: (rows,), which fold each is in; None if there are none.
            xp: the arrays' namespace.
        """
        weights = None
        if self.by_class is not None:
            classes = labels if labels.dtype == xp.int64 else xp.astype(labels > 0, xp.int64)
            weights = xp.take(self.by_class, classes, axis=0)
        if self.folds is not None and folds is not None:
            seen = xp.astype(folds[:, None] != self.folds[None, :], xp.float32)
            weights = seen if weights is None else weights * seen
        return weights


def _by_class(
    settings: Settings, counts: Counts, positive: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64] | None:
    if settings.predictor_type == "binary_classifier" and (positive != 1).any():
        return np.stack([np.ones_like(positive), positive])
    if settings.predictor_type == "multiclass_classifier" and settings.balance_multiclass_weights:
        shares: npt.NDArray[np.float64] = counts.sum() / (len(counts) * np.maximum(counts, 1))
        return shares[:, None]
    return None


#: Makes numbers of a host those of all.
Sum = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]
