"""A channel's rows as examples to train on: scaled once, kept if they fit, else read again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, pairwise
from typing import Any, Protocol, TypeVar

import attrs
import numpy as np

from sm_amazon_algos.container.channels import Batch
from sm_amazon_algos.container.devices import Device
from sm_amazon_algos.container.linear.labels import Counts, check_labels, class_counts
from sm_amazon_algos.container.linear.scaling import Scaler
from sm_amazon_algos.container.linear.settings import Settings

__all__ = ["BUDGET", "SAMPLE", "Examples", "Preparer", "Rows", "Source"]

Array = Any
T = TypeVar("T")

#: Bytes of examples of one channel that are kept in memory; putting them in another order takes as
#: much again.
BUDGET = 256 << 20
#: Bytes of a sample of rows that are not kept.
SAMPLE = 128 << 20
#: Bytes that are prepared at once: as many as a processor's cache holds.
_PIECE = 1 << 19
#: Rows that are read at once, if a mini batch has fewer and they are not too wide.
_READ = 4096


class Source(Protocol):
    """A channel that can be read over and over."""

    @property
    def name(self) -> str:
        """The channel's."""

    def batches(self, size: int, *, epoch: int = 0, most: int = 0) -> Iterator[Batch]:
        """All rows in batches of `size`, or of several times that up to `most`.

        `epoch` says how often they were read before.
        """


@attrs.frozen(eq=False)
class Examples:
    """Rows that are ready to be trained on.

    Attributes:
        rows: (rows, features + 1), float32, scaled, with a last column of ones; of a binary
            classifier multiplied by the sign of the label, so that scores are margins.
        labels: (rows,): scaled labels or signs as float32, or classes as int64.
        folds: (rows,), int64, the part of the data that each is in; None where it is not divided.
    """

    rows: Array
    labels: Array
    folds: Array = None

    def __len__(self) -> int:
        return int(self.rows.shape[0])

    def part(self, start: int, stop: int, step: int = 1) -> Examples:
        """Some of them, in the same memory."""
        some = slice(start, stop, step)
        folds = None if self.folds is None else self.folds[some]
        return Examples(self.rows[some, :], self.labels[some], folds)


class Preparer:
    """Makes examples of batches."""

    def __init__(
        self, settings: Settings, features: Scaler, label: tuple[float, float], *, device: Device
    ) -> None:
        """
        Args:
            settings: the hyperparameters.
            features: how to scale features; arrays on the host.
            label: shift and scale of labels.
            device: where examples go.
        """
        self._settings, self._label, self._device = settings, label, device
        # The last column is 0 · 1 + 1.
        self._factors = device.put(np.append(1 / features.scale, 1).astype(np.float32))
        offsets = np.append(-features.shift / features.scale, 1)
        self._offsets = device.put(offsets.astype(np.float32))

    def examples(self, batch: Batch) -> Examples:
        """The rows of `batch`, whose labels were checked."""
        xp = self._device.xp
        features, labels = self._device.put(batch.features), self._labels(batch)
        count, width = features.shape
        rows = xp.zeros((count, width + 1), dtype=xp.float32, device=labels.device)
        signed = self._settings.predictor_type == "binary_classifier"
        size = max(1, _PIECE // (4 * width))
        for start in range(0, count, size):
            some = rows[start : start + size, :]
            some[:, :-1] = features[start : start + size, :]
            some *= self._factors
            some += self._offsets
            if signed:
                some *= labels[start : start + size, None]
        return Examples(rows, labels)

    def none(self) -> Examples:
        """No rows at all."""
        width = int(self._factors.shape[0]) - 1
        features = np.empty((0, width), dtype=np.float32)
        return self.examples(Batch(features=features, labels=features.reshape(-1)[:0]))

    def _labels(self, batch: Batch) -> Array:
        assert batch.labels is not None
        if self._settings.predictor_type == "multiclass_classifier":
            return self._device.put(batch.labels.astype(np.int64))
        if self._settings.predictor_type == "binary_classifier":
            return self._device.put(2 * batch.labels - 1)
        shift, scale = self._label
        return self._device.put((batch.labels - np.float32(shift)) / np.float32(scale))


class Rows:
    """The examples of one channel, pass after pass.

    Attributes:
        name: the channel's.
        count: rows; known after the first whole pass.
        counts: rows of each class; likewise.
        kept: whether all are in memory.
        reads: how often the channel was read.
    """

    def __init__(self, source: Source, settings: Settings, *, budget: int = BUDGET) -> None:
        """
        Args:
            source: the channel.
            settings: the hyperparameters.
            budget: bytes of examples to keep.
        """
        self.count, self.reads, self.kept = 0, 0, False
        self.counts: Counts = class_counts(np.zeros(0, dtype=np.float32), settings)
        self.name = source.name
        self._source, self._settings, self._budget = source, settings, budget
        self._pieces: list[Examples] = []
        self._begun: Iterator[Batch] | None = None

    def head(self, rows: int, see: Callable[[Batch], None]) -> None:
        """Show `see` the first so many rows, if there are, in batches."""
        batches = self._read()
        found: list[Batch] = []
        seen = size = 0
        for batch in batches:
            see(batch.first(rows - seen))
            seen += len(batch)
            size += batch.features.nbytes
            if size <= self._budget:
                found.append(batch)
            if seen >= rows:
                break
        if size <= self._budget:
            # What was read need not be read again.
            self._begun = chain(_drained(found), batches)

    def census(self) -> Counts:
        """How many rows each class has, by a reading for that alone; `load` has to follow."""
        self._pieces, self._begun = [], None
        for _batch in self._read():
            pass
        return self.counts

    def load(self, preparer: Preparer) -> None:
        """Prepare all rows, and keep them if they fit; else they are read again for each pass."""
        size = 0
        batches = self._begun or self._read()
        for examples in ahead(preparer.examples(batch) for batch in batches):
            self._pieces.append(examples)
            size += 4 * len(examples) * examples.rows.shape[1]
            if size > self._budget:
                self._begun = batches
                return
        if not self._pieces:
            self._pieces.append(preparer.none())
        self._begun, self.kept = None, True

    def shuffle(self, device: Device, *, folds: int = 0) -> None:
        """Put kept examples in another order, the same one every time.

        Args:
            device: where they are.
            folds: parts to divide them into, row by row in turn; 0 for none.
        """
        xp, like = device.xp, self._pieces[0]
        shape = (self.count, like.rows.shape[1])
        places = np.random.default_rng(0).permutation(self.count)
        rows = xp.empty(shape, dtype=xp.float32, device=like.labels.device)
        labels = xp.empty(shape[:1], dtype=like.labels.dtype, device=like.labels.device)
        start = 0
        for piece in self._pieces:
            where = device.put(places[start : start + len(piece)])
            rows[where] = piece.rows
            labels[where] = piece.labels
            start += len(piece)
        parts = device.put(np.arange(self.count, dtype=np.int64) % folds) if folds else None
        self._pieces = [Examples(rows, labels, parts)]

    def sample(self, device: Device, rows: int) -> Examples:
        """At most so many of the rows that are in memory, from all over them, in random order.

        They are no more than fit into `SAMPLE` bytes, where they have to be copied.
        """
        xp, like = device.xp, self._pieces[0]
        if self.kept:
            return like.part(0, min(rows, len(like)))
        width = int(like.rows.shape[1])
        total = sum(map(len, self._pieces))
        chosen = np.random.default_rng(0).permutation(total)[: min(rows, SAMPLE // (4 * width))]
        found = xp.empty((len(chosen), width), dtype=xp.float32, device=like.labels.device)
        labels = xp.empty(found.shape[:1], dtype=like.labels.dtype, device=like.labels.device)
        start = 0
        for piece in self._pieces:
            here = np.flatnonzero((chosen >= start) & (chosen < start + len(piece)))
            taken, places = device.put(chosen[here] - start), device.put(here)
            found[places] = piece.rows[taken]
            labels[places] = piece.labels[taken]
            start += len(piece)
        return Examples(found, labels)

    def examples(self, preparer: Preparer) -> Iterator[Examples]:
        """All rows, in pieces of any length."""
        if self.kept:
            yield from self._pieces
            return
        ready, self._pieces = self._pieces, []
        batches, self._begun = self._begun or self._read(), None
        yield from _drained(ready)
        yield from ahead(preparer.examples(batch) for batch in batches)

    def batches(self, preparer: Preparer) -> Iterator[Examples]:
        """All rows in mini batches; the last ones of a piece are of equal length."""
        for piece in filter(len, self.examples(preparer)):
            parts = -(-len(piece) // self._settings.mini_batch_size)
            edges = [len(piece) * part // parts for part in range(parts + 1)]
            for start, stop in pairwise(edges):
                yield piece.part(start, stop)

    def _read(self) -> Iterator[Batch]:
        """One more reading of the channel, checked and counted."""
        self.reads += 1
        count, counts = 0, 0 * self.counts
        size = self._settings.mini_batch_size
        for batch in self._source.batches(size, epoch=self.reads - 1, most=_READ):
            assert batch.labels is not None
            check_labels(batch.labels, self._settings, self.name)
            count += len(batch)
            counts += class_counts(batch.labels, self._settings)
            yield batch
        self.count, self.counts = count, counts


def _drained(items: list[T]) -> Iterator[T]:
    """The items, none of which is kept here any longer than needed."""
    items.reverse()
    while items:
        yield items.pop()


def ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items, each made while the one before is used."""
    end: Any = object()
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, items, end)
            yield item
