"""What has to be known before training begins: how to scale, what examples count, who judges."""

from __future__ import annotations

import time

import attrs
import numpy as np
import numpy.typing as npt

from sm_amazon_algos.container.algorithms import Job
from sm_amazon_algos.container.channels import Batch
from sm_amazon_algos.container.errors import CustomerError
from sm_amazon_algos.container.hosts import Hosts
from sm_amazon_algos.container.linear.examples import Preparer, Rows
from sm_amazon_algos.container.linear.labels import Counts, check_classes
from sm_amazon_algos.container.linear.scaling import Moments, Scaler
from sm_amazon_algos.container.linear.settings import Settings

__all__ = ["TrainingRows", "other_rows", "training_rows"]

Floats = npt.NDArray[np.float64]


@attrs.frozen(eq=False, kw_only=True)
class TrainingRows:
    """The training channel, ready.

    Attributes:
        rows: its examples.
        preparer: makes them, of other channels too.
        features: how features were scaled.
        label: shift and scale of labels.
        total: rows of all hosts; 0 where they are not known before a first pass.
        counts: rows of each class, of all hosts; of those that were read where not all were.
    """

    rows: Rows
    preparer: Preparer
    features: Scaler
    label: tuple[float, float]
    total: int
    counts: Counts

    @property
    def feature_dim(self) -> int:
        """Columns of the data."""
        return int(self.features.shift.shape[0])


def training_rows(job: Job, settings: Settings) -> TrainingRows:
    """Read the first rows, learn how to scale them, and prepare what fits into memory.

    Raises:
        CustomerError: there are too few rows, or all are of one class.
    """
    started = time.time()
    channel = job.training_channel(feature_dim=_width(settings), labels=True)
    rows = Rows(channel, settings)
    scan = _Scan(settings)
    rows.head(max(settings.num_point_for_scaler, settings.mini_batch_size), scan.see)
    _check_size(scan.count, settings, job.hosts)
    _check_widths(channel.feature_dim, job.hosts)
    batches = -(-scan.count // settings.mini_batch_size)
    job.report.counters(
        "init_train_data_iter", started=started, records=scan.count, batches=batches
    )
    features, label = scan.scalers(job.hosts)
    preparer = Preparer(settings, features, label, device=job.device)
    rows.load(preparer)
    counts = rows.counts if rows.kept else scan.counts
    known = job.hosts.all(rows.kept)
    if not known and _needs_counts(settings):
        counts = rows.census()
        rows.load(preparer)
    counts = job.hosts.sum(counts)
    if known or _needs_counts(settings):
        check_classes(counts)
    total = int(job.hosts.sum(np.array([rows.count]))[0]) if known else 0
    return TrainingRows(
        rows=rows, preparer=preparer, features=features, label=label, total=total, counts=counts
    )


def other_rows(job: Job, name: str, settings: Settings, width: int) -> Rows | None:
    """The rows of the channel `name`; None if the job has none."""
    channel = job.channel(name, feature_dim=width, labels=True)
    return None if channel is None else Rows(channel, settings)


def _width(settings: Settings) -> int | None:
    return None if settings.feature_dim == "auto" else settings.feature_dim


def _needs_counts(settings: Settings) -> bool:
    """Whether weights depend on how many rows each class has."""
    if settings.predictor_type == "binary_classifier":
        return settings.positive_example_weight_mult in ("balanced", "auto")
    return settings.balance_multiclass_weights and not settings.regression


def _check_size(count: int, settings: Settings, hosts: Hosts) -> None:
    """Insist on at least one whole mini batch on each host."""
    size = settings.mini_batch_size
    if not hosts.any(count > 0):
        raise CustomerError("No training data: channel 'train' has no rows on any host")
    if not hosts.any(count < size):
        return
    here = f"channel 'train' has only {count} rows" if count < size else "another host has fewer"
    raise CustomerError(
        f"mini_batch_size is {size}, but {here}. A mini batch cannot have more rows than a host "
        "has. Please reduce mini_batch_size and try again."
    )


def _check_widths(width: int | None, hosts: Hosts) -> None:
    """Insist on one width of all hosts' rows, where no hyperparameter tells it."""
    found = np.concatenate(hosts.gather(np.array([width or 0], dtype=np.int64)))
    if len(set(found.tolist())) > 1:
        raise CustomerError(
            f"The rows of channel 'train' have {min(found)} features on one host and {max(found)} "
            "on another. Please fix the data and try again."
        )


class _Scan:
    """What the first rows tell.

    Attributes:
        count: how many they are.
        counts: of each class.
    """

    def __init__(self, settings: Settings) -> None:
        self.count = 0
        self.counts: Counts = np.zeros(0, dtype=np.int64)
        self._settings = settings
        self._moments: Moments | None = None

    def see(self, batch: Batch) -> None:
        """Take a batch, whose labels were checked."""
        assert batch.labels is not None
        self.count += len(batch)
        columns = np.concatenate([batch.features, batch.labels[:, None]], axis=1)
        found = Moments.of(columns, np)
        self._moments = found if self._moments is None else self._moments.merged(found)

    def scalers(self, hosts: Hosts) -> tuple[Scaler, tuple[float, float]]:
        """How to scale features and labels, by what all hosts have seen."""
        assert self._moments is not None
        own = self._moments
        packed = np.concatenate([[own.count], own.mean, own.spread])
        merged: Moments | None = None
        for count, *rest in (each.tolist() for each in hosts.gather(packed)):
            middle = len(rest) // 2
            found = Moments(int(count), np.array(rest[:middle]), np.array(rest[middle:]))
            merged = found if merged is None else merged.merged(found)
        assert merged is not None
        settings = self._settings
        whole = Scaler.of(
            merged, np, unbias=settings.unbiases_data, normalize=settings.normalizes_data
        )
        label = Scaler.of(
            merged, np, unbias=settings.unbiases_label, normalize=settings.normalizes_label
        )
        features = Scaler(whole.shift[:-1], whole.scale[:-1])
        return features, (float(label.shift[-1]), float(label.scale[-1]))
