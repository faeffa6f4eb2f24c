"""LinearLearner's jobs, in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from sm_amazon_algos import write_numpy_to_dense_tensor, write_spmatrix_to_sparse_tensor
from sm_amazon_algos.container.algorithms import Job
from sm_amazon_algos.container.devices import CPU, Device
from sm_amazon_algos.container.hosts import Hosts
from sm_amazon_algos.container.linear.algorithm import LinearLearner
from sm_amazon_algos.container.report import Report
from sm_amazon_algos.container.settings import read_settings
from sm_core.container.channels import Channel


@attrs.frozen
class Learned:
    """What a job has left.

    Attributes:
        model: loaded from its file.
        file: the model's.
        log: the job's lines.
    """

    model: Any
    file: Path
    log: str

    def values(self, prefix: str) -> list[float]:
        """Numbers at the ends of the lines of the log that hold `prefix` before them."""
        lines = [line for line in self.log.splitlines() if prefix in line]
        return [float(line.rpartition("=")[2]) for line in lines]


@pytest.fixture
def learned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Learned]:
    """Trains on pairs of rows and labels, by channel; ``csv=True`` writes them as CSV."""

    def learn(
        task: str,
        train: Any,
        *,
        validation: Any = None,
        test: Any = None,
        hosts: Hosts | None = None,
        device: Device = CPU,
        csv: bool = False,
        folder: str = "job",
        **hyperparameters: Any,
    ) -> Learned:
        base = tmp_path / folder
        channels = {}
        for name, data in (("train", train), ("validation", validation), ("test", test)):
            if data is not None:
                channels[name] = _written(base / name, name, data, csv=csv)
        if task == "multiclass_classifier":
            hyperparameters.setdefault("num_classes", len(np.unique(train[1])))
        hyperparameters.setdefault("mini_batch_size", min(1000, train[0].shape[0]))
        algorithm = LinearLearner()
        settings = read_settings(
            {"predictor_type": task, **hyperparameters},
            algorithm.hyperparameters,
            required=algorithm.required,
        )
        host = hosts or Hosts()
        job = Job(
            settings=settings,
            channels=channels,
            model_dir=base / "model",
            report=Report(algorithm=algorithm.log_name, host=f"algo-{host.rank + 1}"),
            hosts=host,
            device=device,
        )
        algorithm.train(job)
        log = capsys.readouterr().out if hosts is None else ""
        file = job.model_dir / "model_algo-1"
        return Learned(algorithm.load(file) if host.rank == 0 else None, file, log)

    return learn


def _written(path: Path, name: str, data: Any, *, csv: bool) -> Channel:
    rows, labels = data
    path.mkdir(parents=True)
    if csv:
        np.savetxt(path / "part-0", np.column_stack([labels, rows]), delimiter=",")
        return Channel(name=name, path=path, content_type="text/csv")
    with (path / "part-0").open("wb") as file:
        if hasattr(rows, "tocsr"):
            write_spmatrix_to_sparse_tensor(file, rows, labels)
        else:
            write_numpy_to_dense_tensor(file, rows, labels)
    return Channel(name=name, path=path)
