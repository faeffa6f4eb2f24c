"""KMeans from the first batch to the model, and the model that answers."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypedDict

import attrs
import numpy as np
import numpy.typing as npt

from sm_amazon_algos.container.algorithms import Algorithm, Job, ServedModel
from sm_amazon_algos.container.channels import Batch, DataChannel
from sm_amazon_algos.container.devices import CPU, Device
from sm_amazon_algos.container.errors import CustomerError
from sm_amazon_algos.container.hosts import Hosts
from sm_amazon_algos.container.kmeans.assignment import nearest, squared_distances
from sm_amazon_algos.container.kmeans.lloyd import Reduction, reduce_centres
from sm_amazon_algos.container.kmeans.seeding import draw
from sm_amazon_algos.container.kmeans.streaming import Pass, refine, stream
from sm_amazon_algos.container.ndarrays import read_ndarrays, write_ndarrays
from sm_amazon_algos.hyperparameters import KMeansHyperparameters
from sm_core.container.errors import ContainerError

__all__ = ["KMeans", "KMeansServed"]

Array = npt.NDArray[Any]

#: What ``auto`` comes to, as the logs of AWS's own jobs have it.
_CENTRE_FACTOR, _TRIALS = 10, 10
#: Of several epochs two thirds refine the trials' centres on the rows themselves: that is cheaper
#: than to move the many centres for longer, and better. So many of the best trials begin.
_REFINED = 10
#: Passes before which none is given up.
_ALL_GO_ON = 2
#: How far towards the means of their rows, and beyond, centres move while there are passes left.
#: Source: R. Salakhutdinov and S. Roweis, "Adaptive overrelaxed bound optimization methods", ICML
#: 2003; below 2 that ends where Lloyd's algorithm does, in fewer passes.
_STRIDE = 1.7


class KMeans(Algorithm):
    """Finds `k` clusters."""

    log_name = "AWS/KMeansWebscale"
    hyperparameters = KMeansHyperparameters
    required = ("k", "feature_dim")

    def train(self, job: Job) -> None:
        """Stream, reduce, refine where there are epochs left, and score."""
        training = _Training(job)
        # What is too large is refused.
        with np.errstate(over="ignore", invalid="ignore"):
            centres = training.run()
        started = time.time()
        job.save(write_ndarrays([centres]))
        job.report.metrics(
            {"model.serialize.time": (time.time() - started) * 1000}, started=started
        )
        _score(job, centres)

    def load(self, file: Path) -> KMeansServed:
        """The model in a list-form file with one array, a row for each centroid."""
        arrays = read_ndarrays(file.read_bytes())
        values = list(arrays.values()) if isinstance(arrays, dict) else arrays
        if len(values) != 1 or values[0].ndim != 2 or not np.isfinite(values[0]).all():
            shapes = [value.shape for value in values]
            raise ContainerError(
                f"{file.name} is no model of KMeans, which is one table of centroids: it holds "
                f"arrays of the shapes {shapes}"
            )
        return KMeansServed(values[0].astype(np.float32))


class KMeansServed(ServedModel):
    """Answers with the nearest centroid of each row, and how far it is."""

    def __init__(self, centroids: npt.NDArray[np.float32]) -> None:
        """
        Args:
            centroids: float32, (k, feature_dim).
        """
        self.feature_dim = int(centroids.shape[1])
        self._shift = centroids.mean(axis=0, dtype=np.float64)
        self._centroids = centroids.astype(np.float64) - self._shift

    def predict(self, rows: npt.NDArray[np.float32]) -> Mapping[str, Array]:
        """Float32, (rows,): ``closest_cluster`` and the Euclidean ``distance_to_cluster``."""
        shifted = rows - self._shift
        labels, _ = nearest(shifted, self._centroids, CPU)
        distances = np.sqrt(squared_distances(shifted, self._centroids, labels))
        return {
            "closest_cluster": labels.astype(np.float32),
            "distance_to_cluster": distances.astype(np.float32),
        }


class _Common(TypedDict):
    half_life: int
    shift: Array
    hosts: Hosts
    device: Device


class _Training:
    """One job's way from the data to centres."""

    def __init__(self, job: Job) -> None:
        self._job = job
        settings = job.settings
        self._k: int = settings["k"]
        self._size: int = settings["mini_batch_size"]
        self._epochs: int = settings["epochs"]
        self._refining = 2 * self._epochs // 3
        self._channel = job.training_channel(feature_dim=settings["feature_dim"])
        self._rng = job.generator()
        #: Subtracted from all rows; known with the first ones.
        self._shift: Array = np.zeros(0, dtype=np.float32)

    def run(self) -> npt.NDArray[np.float32]:
        """The `k` centres: float32, (k, feature_dim)."""
        streamed = self._stream()
        ending = time.time()
        found, msd = self._reduced(streamed)
        for epoch in range(self._epochs - self._refining, self._epochs):
            started = time.time()
            done = refine(self._batches(epoch), found, **self._common)
            left = self._epochs - epoch - 1
            # The better half goes on, once all have come closer to where they will end.
            count = len(found) if left >= self._refining - _ALL_GO_ON else -(-len(found) // 2)
            kept = np.argsort(done.ssd, kind="stable")[:count]
            step = _STRIDE if left else 1.0
            found, msd = (found + step * (done.centres - found))[kept], done.msd[kept]
            self._told(epoch, done, started)
        best = int(np.argmin(msd))
        self._job.report.quality("train", "msd", float(msd[best]))
        finalized = (time.time() - ending) * 1000
        self._job.report.metrics({"finalize.time": finalized}, started=ending)
        centres: npt.NDArray[np.float32] = (found[best] + self._shift).astype(np.float32)
        return centres

    @property
    def _common(self) -> _Common:
        return {
            "half_life": self._job.settings["half_life_time_size"],
            "shift": self._shift,
            "hosts": self._job.hosts,
            "device": self._job.device,
        }

    def _batches(self, epoch: int) -> Iterator[Batch]:
        return self._channel.batches(self._size, epoch=epoch)

    def _stream(self) -> Pass:
        """The passes that move the many centres."""
        first, batches = self._first()
        centres = self._drawn(first)
        mass = np.zeros(len(centres))
        for epoch in range(self._epochs - self._refining):
            started = time.time()
            given = batches if epoch == 0 else self._batches(epoch)
            done = stream(given, centres, mass, **self._common)
            centres, mass = done.centres, done.mass
            self._told(epoch, done, started)
        return done

    def _first(self) -> tuple[Array, Iterator[Batch]]:
        """Rows to draw from, and all batches of the first epoch, those rows' own among them."""
        started = time.time()
        batches = self._batches(0)
        factor = self._factor(None)
        wanted = max(self._size, -(-self._k * factor // self._job.hosts.count))
        taken: list[Batch] = []
        while sum(map(len, taken)) < wanted and (batch := next(batches, None)) is not None:
            taken.append(batch)
        self._job.report.counters(
            "init_train_data_iter",
            started=started,
            records=sum(map(len, taken)),
            batches=len(taken),
        )
        width = self._job.settings["feature_dim"]
        own = [batch.features for batch in taken] or [np.empty((0, width), dtype=np.float32)]
        rows = _joined(self._job.hosts.gather(_joined(own)))
        if not len(rows):
            raise CustomerError("No training data: channel 'train' has no rows on any host")
        if len(rows) < self._k:
            raise CustomerError(
                f"The number of clusters k={self._k} is larger than the number of rows in channel "
                f"'train', which is {len(rows)}. Please decrease k or add data, and try again."
            )
        if len(rows) < self._size:
            self._job.report.warning(
                f"mini_batch_size={self._size} is larger than the data: {len(rows)} rows are used"
            )
        return rows, itertools.chain(taken, batches)

    def _factor(self, rows: int | None) -> int:
        """How many times `k` centres are kept, no more than there are rows to draw them from."""
        given = self._job.settings["extra_center_factor"]
        factor = _CENTRE_FACTOR if given == "auto" else int(given)
        return factor if rows is None else max(1, min(factor, rows // self._k))

    def _drawn(self, rows: Array) -> Array:
        """The first centres, the same ones on all hosts; sets what is subtracted from rows."""
        self._shift = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
        factor = self._factor(len(rows))
        if self._job.settings["extra_center_factor"] == "auto":
            self._job.report.info(f"extra_center_factor: auto is evaluated to {factor}")
        own = None
        if self._job.hosts.rank == 0:
            method = self._job.settings["init_method"]
            own = draw(rows - self._shift, self._k * factor, method=method, rng=self._rng)
        return self._job.hosts.broadcast(own).astype(np.float64)

    def _reduced(self, found: Pass) -> tuple[Array, Array]:
        """The many centres reduced to `k`, the same ones on all hosts.

        Returns:
            float64, (sets, k, width) and (sets,): the best trials and their msd; all that there is
            time to refine.
        """
        # The means of the last pass's rows stand for the data; centres without rows for nothing.
        some = found.sums.mass > 0
        means = found.sums.means(found.centres)
        points, weights = means[some], found.sums.mass[some]
        if len(points) <= self._k:
            return np.concatenate([points, means[~some]])[np.newaxis, : self._k], found.msd
        own = None
        if self._job.hosts.rank == 0:
            trials = self._tried(points, weights)[: _REFINED if self._refining else 1]
            own = np.stack([np.append(centres.reshape(-1), msd) for centres, msd in trials])
        whole = self._job.hosts.broadcast(own)
        return whole[:, :-1].reshape(len(whole), self._k, -1), whole[:, -1]

    def _tried(self, points: Array, weights: Array) -> list[tuple[Array, float]]:
        """The trials of the reduction, the best one first."""
        report, settings, started = self._job.report, self._job.settings, time.time()
        report.info(f"shrinking {len(points)} centers into {self._k}")
        trials = settings["local_lloyd_num_trials"]
        how = Reduction(
            method=settings["local_lloyd_init_method"],
            trials=_TRIALS if trials == "auto" else trials,
            iterations=settings["local_lloyd_max_iter"],
            tolerance=settings["local_lloyd_tol"],
        )

        def tried(number: int, msd: float) -> None:
            report.info(f"local kmeans attempt #{number}. Current mean square distance {msd:.6f}")

        found = reduce_centres(points, weights, self._k, how, rng=self._rng, tried=tried)
        report.info(f"finished shrinking process. Mean Square Distance = {found[0][1]:.6f}")
        report.metrics({"_shrink.time": (time.time() - started) * 1000}, started=started)
        return found

    def _told(self, epoch: int, done: Pass, started: float) -> None:
        report, seconds = self._job.report, time.time() - started
        report.metrics({"update.time": seconds * 1000}, started=started)
        report.progress(epoch + 1, self._epochs)
        report.counters(
            "training_data_iter",
            started=started,
            records=done.rows,
            batches=done.batches,
            epoch=epoch,
        )
        report.throughput(done.rows, seconds)


def _joined(parts: list[Array]) -> Array:
    """Rows of several arrays; not copied where there is one."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


@attrs.define
class _Scored:
    ssd: float = 0.0
    rows: int = 0
    batches: int = 0


def _score(job: Job, centres: npt.NDArray[np.float32]) -> None:
    """What AWS's ``eval_metrics`` ask for, on the test channel: each host scores its own part."""
    channel: DataChannel | None = job.channel("test", feature_dim=int(centres.shape[1]))
    if channel is None:
        job.report.info("Test data is not provided.")
        return
    started, done = time.time(), _Scored()
    served = KMeansServed(centres)
    for batch in channel.batches(job.settings["mini_batch_size"]):
        distances = served.predict(batch.features)["distance_to_cluster"].astype(np.float64)
        done.ssd += float(distances @ distances)
        done.rows += len(batch)
        done.batches += 1
    if not done.rows:
        raise CustomerError("Channel 'test' has no rows")
    values = {"msd": done.ssd / done.rows, "ssd": done.ssd}
    job.report.counters("test_data_iter", started=started, records=done.rows, batches=done.batches)
    for name in job.settings["eval_metrics"]:
        job.report.quality("test", name, values[name])
