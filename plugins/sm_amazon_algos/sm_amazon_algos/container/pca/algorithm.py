"""PCA from the first batch to the model, and the model that answers."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from sm_amazon_algos.container.algorithms import Algorithm, Job, ServedModel
from sm_amazon_algos.container.errors import CustomerError
from sm_amazon_algos.container.ndarrays import read_ndarrays, write_ndarrays
from sm_amazon_algos.container.pca.decomposition import exact, from_sketch, random_directions
from sm_amazon_algos.container.pca.moments import Moments, moments
from sm_amazon_algos.hyperparameters import PCAHyperparameters
from sm_core.container.errors import ContainerError

__all__ = ["PCA", "PCAServed"]

Array = npt.NDArray[Any]

#: Rows and numbers of a block, which a product of matrices is efficient with.
_ROWS, _NUMBERS = 4096, 1 << 20
#: Rows, the first ones, that say where the data lies.
_LOOKED_AT = 256
#: Means that are so many standard deviations from zero are subtracted before anything is summed up.
_FAR = 4.0


class PCA(Algorithm):
    """Finds the components of the largest variance."""

    log_name = "PCA"
    hyperparameters = PCAHyperparameters
    required = ("feature_dim", "mini_batch_size", "num_components")

    def train(self, job: Job) -> None:
        """One pass, then linear algebra on the first host."""
        started = time.time()
        arrays = _trained(job)
        job.save(write_ndarrays(arrays))
        job.report.progress(1, 1)
        job.report.metrics({"finalize.time": (time.time() - started) * 1000}, started=started)
        _score(job, _served(arrays))

    def load(self, file: Path) -> PCAServed:
        """The model in a dict-form file with ``v`` and, if it was subtracted, ``mean``."""
        arrays = read_ndarrays(file.read_bytes())
        if not isinstance(arrays, dict) or arrays.get("v", np.empty(0)).ndim != 2:
            names = list(arrays) if isinstance(arrays, dict) else f"{len(arrays)} without names"
            raise ContainerError(
                f"{file.name} is no model of PCA, which has a table v of components: it holds the "
                f"arrays {names}"
            )
        return _served(arrays)


class PCAServed(ServedModel):
    """Answers with the projection of each row onto the components."""

    collection: ClassVar[str] = "projections"

    def __init__(self, components: Array, mean: Array | None) -> None:
        """
        Args:
            components: (feature_dim, num_components), the strongest last.
            mean: (feature_dim,), subtracted first; None for nothing.
        """
        self.feature_dim = int(components.shape[0])
        self.components = components.astype(np.float64)
        self.mean = None if mean is None else mean.astype(np.float64)

    def predict(self, rows: npt.NDArray[np.float32]) -> Mapping[str, Array]:
        """Float32, (rows, num_components): ``projection``."""
        centred = rows.astype(np.float64) if self.mean is None else rows - self.mean
        return {"projection": (centred @ self.components).astype(np.float32)}


def _served(arrays: Mapping[str, Array]) -> PCAServed:
    mean = arrays.get("mean")
    if mean is not None and mean.size != len(arrays["v"]):
        raise ContainerError(f"the model's mean has {mean.size} numbers, v {len(arrays['v'])} rows")
    for name in ("v", "mean"):
        if name in arrays and not np.isfinite(arrays[name]).all():
            raise ContainerError(f"the model has numbers in {name} that are NaN or infinite")
    return PCAServed(arrays["v"], None if mean is None else mean.reshape(-1))


def _trained(job: Job) -> dict[str, npt.NDArray[np.float32]]:
    """The model: ``mean``, (1, width), if it is subtracted; ``v``, (width, components); ``s``."""
    settings, width = job.settings, int(job.settings["feature_dim"])
    components = int(settings["num_components"])
    directions = _directions(job)
    found, shift = _pass(job, directions)
    products = found.centred(directions) if settings["subtract_mean"] else found.products
    values, vectors = (
        exact(products, components)
        if directions is None
        else from_sketch(products, directions, components)
    )
    model = {"v": vectors.astype(np.float32), "s": values.astype(np.float32)}
    if settings["subtract_mean"]:
        mean = found.total / found.rows + shift
        return {"mean": mean.astype(np.float32).reshape(1, width), **model}
    return model


def _directions(job: Job) -> Array | None:
    """The sketch's random directions, the same ones on all hosts; None without a sketch."""
    settings = job.settings
    if settings["algorithm_mode"] != "randomized":
        return None
    components, extra = settings["num_components"], settings["extra_components"]
    columns = components + (max(10, components) if extra == -1 else extra)
    own = None
    if job.hosts.rank == 0:
        own = random_directions(settings["feature_dim"], columns, job.generator())
    return job.hosts.broadcast(own)


def _pass(job: Job, directions: Array | None) -> tuple[Moments, Array]:
    """The data's moments, and what was subtracted from its rows."""
    started, width = time.time(), int(job.settings["feature_dim"])
    asked = int(job.settings["mini_batch_size"])
    size = max(asked, min(_ROWS, max(1, _NUMBERS // width)))
    # On CPUs, threads read that compute; a GPU is given what was read meanwhile.
    channel = job.training_channel(feature_dim=width)
    batches = channel.batches(size, read_ahead=not job.device.is_numpy)
    first = next(batches, None)
    shift = np.zeros(width, dtype=np.float32)
    if job.settings["subtract_mean"]:
        shift = _shift(job, np.empty((0, width)) if first is None else first.features)
    given = batches if first is None else itertools.chain([first], batches)
    found = moments(given, shift=shift, directions=directions, hosts=job.hosts, device=job.device)
    if not (np.isfinite(found.total).all() and np.isfinite(found.products).all()):
        raise CustomerError(
            "Channel 'train' has features so large that their sums or products are no numbers in "
            "32-bit floating point. Please scale them and try again."
        )
    if not found.rows:
        raise CustomerError("No training data: channel 'train' has no rows on any host")
    rows, seconds = found.own_rows, time.time() - started
    job.report.metrics({"update.time": seconds * 1000}, started=started)
    job.report.counters(
        "training_data_iter", started=started, records=rows, batches=-(-rows // asked), epoch=0
    )
    job.report.throughput(rows, seconds)
    return found, shift


def _shift(job: Job, rows: Array) -> Array:
    """What is to be subtracted from all rows, float32, (width,): the mean of the first ones.

    Zeros where the data lies around zero anyway: that saves one pass over each batch.
    """
    own = rows[:_LOOKED_AT].astype(np.float64)
    sums = job.hosts.sum(np.stack([own.sum(axis=0), np.square(own).sum(axis=0)]))
    count = max(float(job.hosts.sum(np.array([float(len(own))]))[0]), 1.0)
    mean, square = sums[0] / count, sums[1] / count
    spread = np.maximum(square - mean**2, 0)
    if (mean**2 <= _FAR**2 * spread).all():
        return np.zeros(len(mean), dtype=np.float32)
    found: Array = mean.astype(np.float32)
    return found


def _score(job: Job, served: PCAServed) -> None:
    """What is lost of the test channel's rows: each host scores its own part."""
    channel = job.channel("test", feature_dim=served.feature_dim)
    if channel is None:
        job.report.info("Test data is not provided.")
        return
    started, lost, rows, batches = time.time(), 0.0, 0, 0
    for batch in channel.batches(job.settings["mini_batch_size"]):
        centred = batch.features.astype(np.float64)
        if served.mean is not None:
            centred -= served.mean
        kept = centred @ served.components
        lost += float(np.square(centred).sum() - np.square(kept).sum())
        rows += len(batch)
        batches += 1
    if not rows:
        raise CustomerError("Channel 'test' has no rows")
    job.report.counters("test_data_iter", started=started, records=rows, batches=batches)
    job.report.quality("test", "reconstruction_error", lost / rows)
