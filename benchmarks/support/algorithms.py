"""What the measurements of the algorithms share: the same rows in both forms, jobs, rounds."""

from __future__ import annotations

import contextlib
import io
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sm_amazon_algos import write_numpy_to_dense_tensor
from sm_amazon_algos.container.algorithms import Job, algorithm_called
from sm_amazon_algos.container.report import Report
from sm_amazon_algos.container.settings import read_settings
from sm_core.container.channels import Channel

ROUNDS = 3
Array = npt.NDArray[np.float32]


def train(name: str, folder: Path, **hyperparameters: Any) -> Path:
    """Train an algorithm on the channel in `folder`; the file of its model."""
    algorithm = algorithm_called(name)
    settings = read_settings(
        hyperparameters, algorithm.hyperparameters, required=algorithm.required
    )
    job = Job(
        settings=settings,
        channels={"train": Channel(name="train", path=folder / "train")},
        model_dir=folder,
        report=Report(algorithm=algorithm.log_name, host="algo-1"),
        seed=0,
    )
    with contextlib.redirect_stdout(io.StringIO()):
        algorithm.train(job)
    return folder / "model_algo-1"


def write(folder: Path, rows: Array, labels: Array | None = None) -> None:
    """The same rows, and labels if there are any, as records and as npy."""
    (folder / "train").mkdir()
    with (folder / "train" / "records").open("wb") as file:
        write_numpy_to_dense_tensor(file, rows, labels)
    np.save(folder / "rows.npy", rows)
    if labels is not None:
        np.save(folder / "labels.npy", labels)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of the best round, and what it came to."""
    best, found = float("inf"), None
    for _ in range(ROUNDS):
        start = time.perf_counter()
        result = work()
        seconds = time.perf_counter() - start
        if seconds < best:
            best, found = seconds, result
    return best, found


def tell(
    claim: str,
    ours: float,
    counterparts: Mapping[str, Callable[[], Any]],
    *,
    is_as_good: Callable[[Any], bool],
) -> None:
    """Print, as a line of JSON, our time beside that of the fastest counterpart of our quality.

    Args:
        claim: what was done.
        ours: seconds.
        counterparts: name → what makes a result.
        is_as_good: whether a result reaches our quality.
    """
    found = {}
    for label, work in counterparts.items():
        seconds, other = timed(work)
        if is_as_good(other):
            found[label] = seconds
    if not found:
        print(json.dumps({"skipped": f"{claim}: nothing of scikit-learn's reaches the quality"}))
        return
    best = min(found, key=lambda label: found[label])
    print(
        json.dumps(
            {
                "claim": f"{claim} / scikit-learn's {best}",
                "ours": 1000 * ours,
                "theirs": 1000 * found[best],
                "unit": "ms",
            }
        )
    )
