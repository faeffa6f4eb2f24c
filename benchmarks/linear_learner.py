"""LinearLearner beside the fastest of scikit-learn that reaches its quality, both from files.

The same rows, on the same cores: ours as records, scikit-learn's as npy; ours trains 32 models at
once, as it does by default. Of scikit-learn the fastest counts: stochastic gradient descent, as it
is and averaged, and of logistic regression, among those that are at most half a percent worse on
rows that neither has seen. The best round counts.
"""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import time
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

from sm_amazon_algos import write_numpy_to_dense_tensor
from sm_amazon_algos.container.algorithms import Job
from sm_amazon_algos.container.linear.algorithm import LinearLearner
from sm_amazon_algos.container.report import Report
from sm_amazon_algos.container.settings import read_settings
from sm_core.container.channels import Channel

ROUNDS = 3
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


def train(task: str, folder: Path, classes: int) -> Any:
    """The model that the container makes of the channel in `folder`."""
    algorithm = LinearLearner()
    given = {"predictor_type": task, "num_classes": classes if classes > 2 else None}
    settings = read_settings(given, algorithm.hyperparameters, required=algorithm.required)
    job = Job(
        settings=settings,
        channels={"train": Channel(name="train", path=folder / "train")},
        model_dir=folder,
        report=Report(algorithm=algorithm.log_name, host="algo-1"),
    )
    with contextlib.redirect_stdout(io.StringIO()):
        algorithm.train(job)
    return algorithm.load(folder / "model_algo-1")


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


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of the best round, and what the last one came to."""
    best, found = float("inf"), None
    for _ in range(ROUNDS):
        start = time.perf_counter()
        found = work()
        best = min(best, time.perf_counter() - start)
    return best, found


def compare(name: str, task: str, make: Callable[[], Data]) -> None:
    """Print one comparison as a line of JSON."""
    rows, labels = make()
    known, unseen = (rows[:-UNSEEN], labels[:-UNSEEN]), (rows[-UNSEEN:], labels[-UNSEEN:])
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "train").mkdir()
        with (folder / "train" / "records").open("wb") as file:
            write_numpy_to_dense_tensor(file, *known)
        np.save(folder / "rows.npy", known[0])
        np.save(folder / "labels.npy", known[1])
        classes = len(np.unique(labels)) if task != "regressor" else 1
        ours, model = timed(lambda: train(task, folder, classes))
        answers = list(model.predict(unseen[0]).values())[-1]
        own = loss(task, answers, unseen[1])
        found = {}
        for label, work in counterparts(task, folder).items():
            seconds, other = timed(work)
            # Its scaler works in place: each gets rows of its own to be judged by.
            theirs = loss(task, other.predict(unseen[0].copy()), unseen[1])
            if is_as_good(task, theirs, own):
                found[label] = seconds
    if not found:
        print(json.dumps({"skipped": f"{name}: nothing of scikit-learn's reaches the quality"}))
        return
    best = min(found, key=lambda label: found[label])
    print(
        json.dumps(
            {
                "claim": f"LinearLearner, 32 models, {name} / scikit-learn's {best}",
                "ours": 1000 * ours,
                "theirs": 1000 * found[best],
                "unit": "ms",
            }
        )
    )


def main() -> None:
    """Print each comparison as one line of JSON."""
    warnings.simplefilter("ignore")
    for name, (task, make) in SHAPES.items():
        compare(name, task, make)


if __name__ == "__main__":
    main()
