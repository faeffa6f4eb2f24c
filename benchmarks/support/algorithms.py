"""What the measurements of the algorithms share: the same rows in both forms, jobs, time."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sm_amazon_algos import write_numpy_to_dense_tensor
from sm_amazon_algos.container.algorithms import Job, algorithm_called
from sm_amazon_algos.container.ndarrays import read_ndarrays
from sm_amazon_algos.container.report import Report
from sm_amazon_algos.container.settings import read_settings
from sm_core.container.channels import Channel

ROUNDS = 3
Array = npt.NDArray[np.float32]


def train(name: str, folder: Path, **hyperparameters: Any) -> Any:
    """The model of an algorithm trained on the channel in `folder`."""
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
    return read_ndarrays((folder / "model_algo-1").read_bytes())


def write(folder: Path, rows: Array) -> None:
    """The same rows as records and as npy."""
    (folder / "train").mkdir()
    with (folder / "train" / "records").open("wb") as file:
        write_numpy_to_dense_tensor(file, rows)
    np.save(folder / "rows.npy", rows)


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
