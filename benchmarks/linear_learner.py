"""LinearLearner beside the fastest of scikit-learn that reaches its quality, both from files.

The same rows, on the same cores: ours as records, scikit-learn's as npy; ours trains 32 models at
once, as it does by default. Of scikit-learn the fastest counts: stochastic gradient descent, as it
is and averaged, and of logistic regression, among those that are at most half a percent worse on
rows that neither has seen. The best round counts.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.datasets import make_classification, make_regression
from sklearn.linear_model import LogisticRegression, SGDClassifier, SGDRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.support.algorithms import tell, timed, train, write
from sm_amazon_algos.container.linear.algorithm import LinearLearner

#: Rows that neither trains on.
UNSEEN = 20_000
#: A counterpart's quality may be so many times worse.
SAME = 1.005
Array = npt.NDArray[Any]
#: Rows and labels.
Data = tuple[Array, Array]


def classification(count: int, width: int, classes: int) -> Data:
    """Classes that overlap."""
    rows, labels = make_classification(
        count + UNSEEN,
        width,
        n_informative=width // 2,
        n_redundant=width // 5,
        n_classes=classes,
        flip_y=0.05,
        random_state=0,
    )
    return rows.astype(np.float32), labels.astype(np.float32)


def regression(count: int, width: int) -> Data:
    """A noisy line."""
    rows, labels = make_regression(count + UNSEEN, width, noise=30.0, random_state=0)
    return rows.astype(np.float32), labels.astype(np.float32)


#: Name → task, how the data is made.
SHAPES: dict[str, tuple[str, Callable[[], Data]]] = {
    "binary, 500,000 x 50": ("binary_classifier", lambda: classification(500_000, 50, 2)),
    "binary, 100,000 x 200": ("binary_classifier", lambda: classification(100_000, 200, 2)),
    "5 classes, 100,000 x 50": ("multiclass_classifier", lambda: classification(100_000, 50, 5)),
    "regression, 500,000 x 50": ("regressor", lambda: regression(500_000, 50)),
}


def counterparts(task: str, folder: Path) -> dict[str, Callable[[], Any]]:
    """What scikit-learn offers, from npy to a model."""

    def fit(make: Callable[[], Any]) -> Callable[[], Any]:
        def fitted() -> Any:
            rows, labels = np.load(folder / "rows.npy"), np.load(folder / "labels.npy")
            return make_pipeline(StandardScaler(copy=False), make()).fit(rows, labels)

        return fitted

    if task == "regressor":
        return {
            "SGDRegressor": fit(lambda: SGDRegressor(random_state=0)),
            "SGDRegressor, averaged": fit(lambda: SGDRegressor(average=True, random_state=0)),
        }
    return {
        "SGDClassifier": fit(lambda: SGDClassifier(loss="log_loss", n_jobs=-1, random_state=0)),
        "SGDClassifier, averaged": fit(
            lambda: SGDClassifier(loss="log_loss", average=True, n_jobs=-1, random_state=0)
        ),
        "LogisticRegression": fit(LogisticRegression),
        "LogisticRegression, newton-cholesky": fit(
            lambda: LogisticRegression(solver="newton-cholesky")
        ),
    }


def loss(task: str, answers: Array, labels: Array) -> float:
    """Root of the mean squared error, or the share of wrong labels, of which 1 is the unit."""
    if task == "regressor":
        return float(np.sqrt(np.mean((answers - labels) ** 2)))
    return float(1 - np.mean(answers == labels))


def is_as_good(task: str, theirs: float, ours: float) -> bool:
    """Whether a counterpart reaches our quality."""
    if task == "regressor":
        return theirs <= SAME * ours
    return (1 - theirs) * SAME >= 1 - ours


def compare(name: str, task: str, make: Callable[[], Data]) -> None:
    """Print one comparison as a line of JSON."""
    rows, labels = make()
    known, unseen = (rows[:-UNSEEN], labels[:-UNSEEN]), (rows[-UNSEEN:], labels[-UNSEEN:])
    classes = len(np.unique(labels)) if task == "multiclass_classifier" else None
    settings = {"predictor_type": task, "num_classes": classes}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write(folder, *known)
        ours, file = timed(lambda: train("linear-learner", folder, **settings))
        answers = list(LinearLearner().load(file).predict(unseen[0]).values())[-1]
        own = loss(task, answers, unseen[1])
        tell(
            f"LinearLearner, 32 models, {name}",
            ours,
            counterparts(task, folder),
            # Its scaler works in place: each gets rows of its own to be judged by.
            is_as_good=lambda other: is_as_good(
                task, loss(task, other.predict(unseen[0].copy()), unseen[1]), own
            ),
        )


def main() -> None:
    """Print each comparison as one line of JSON."""
    warnings.simplefilter("ignore")
    for name, (task, make) in SHAPES.items():
        compare(name, task, make)


if __name__ == "__main__":
    main()
