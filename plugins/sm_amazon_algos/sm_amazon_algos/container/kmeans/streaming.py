"""The centres while the data streams by, and the passes that move them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from sm_amazon_algos.container.channels import Batch
from sm_amazon_algos.container.devices import Device
from sm_amazon_algos.container.errors import CustomerError
from sm_amazon_algos.container.hosts import Hosts
from sm_amazon_algos.container.kmeans.assignment import Sums, nearest_of_each, sums

__all__ = ["Pass", "in_step", "refine", "stream"]

Array = npt.NDArray[Any]


@attrs.frozen(eq=False, kw_only=True)
class Pass:
    """What one pass over the data comes to, on all hosts together.

    Attributes:
        centres: float64, (centres, width), or (sets, centres, width): where they are at its end.
        mass: float64, (centres,): the rows that each has got in all passes, older ones decayed.
        sums: of the rows of this pass alone.
        ssd: float64, (sets,): sums of the squared distances from each row to its centre, when it
            came by.
        seen: rows that came by, of all hosts.
        rows: that came by, of this host alone.
        batches: that they came in, of this host alone.
    """

    centres: Array
    mass: Array
    sums: Sums
    ssd: Array
    seen: float
    rows: int
    batches: int

    @property
    def msd(self) -> Array:
        """Float64, (sets,): means of the squared distances."""
        return self.ssd / self.seen


def in_step(batches: Iterable[Batch], hosts: Hosts) -> Iterator[Batch | None]:
    """This host's batches, and None after them until no host has any left."""
    given = iter(batches)
    while True:
        batch = next(given, None)
        if not hosts.any(batch is not None):
            return
        yield batch


def stream(
    batches: Iterable[Batch],
    centres: Array,
    mass: Array,
    *,
    half_life: int,
    shift: Array,
    hosts: Hosts,
    device: Device,
) -> Pass:
    """Move centres towards the rows of each batch as they come.

    Source: D. Sculley, "Web-scale k-means clustering", WWW 2010, in the form of whole batches: a
    centre with mass n that gets m rows with mean d moves to ((n·c + m·d) / (n + m)). The half-life
    is AWS's ``half_life_time_size``: masses are halved after so many rows.

    Args:
        batches: this host's.
        centres: float64, (centres, width), `shift` subtracted.
        mass: float64, (centres,).
        half_life: in rows of all hosts; 0 for none.
        shift: float32, (width,), what is subtracted from each row, so that they lie around zero.
        hosts: of the job.
        device: that computes.
    """
    count = _Count(hosts)
    whole = Sums.none(centres.shape)
    for batch in in_step(batches, hosts):
        found = Sums.none(centres.shape)
        if batch is not None:
            found, squares = _assigned(batch, centres[np.newaxis], shift, device)
            found = Sums(found.rows[0], found.mass[0])
            count.add(batch, squares)
        found = _summed(found, hosts)
        decay = _decay(float(found.mass.sum()), half_life)
        whole = whole.add(found, decay=decay)
        mass = mass * decay
        total = mass + found.mass
        share = found.mass / np.where(total == 0, 1, total)
        centres = centres + share[:, np.newaxis] * (found.means(centres) - centres)
        mass = total
    return count.finished(centres, mass, whole)


def refine(
    batches: Iterable[Batch],
    sets: Array,
    *,
    half_life: int,
    shift: Array,
    hosts: Hosts,
    device: Device,
) -> Pass:
    """Move centres to the means of their rows at the end of a pass: one step of Lloyd's algorithm.

    Source: S. Lloyd, "Least squares quantization in PCM", IEEE Transactions on Information Theory
    28, 1982. With a half-life, rows count the less the earlier they came.

    Args:
        batches: this host's.
        sets: float64, (sets, centres, width), `shift` subtracted: each set for itself.
        half_life: as for `stream`, and so are the others.
        shift: float32, (width,).
        hosts: of the job.
        device: that computes.
    """
    count = _Count(hosts)
    whole = Sums.none(sets.shape)
    for batch in batches:
        found, squares = _assigned(batch, sets, shift, device)
        count.add(batch, squares)
        whole = whole.add(found, decay=_decay(len(batch) * hosts.count, half_life))
    whole = _summed(whole, hosts)
    return count.finished(whole.means(sets), whole.mass, whole)


class _Count:
    """What is counted while a pass goes on."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts
        self._ssd: Array | float = 0.0
        self._rows = self._batches = 0

    def add(self, batch: Batch, squares: Array) -> None:
        """Count `batch`, and its sums of squared distances: float64, (sets,)."""
        self._ssd = self._ssd + squares
        self._rows += len(batch)
        self._batches += 1

    def finished(self, centres: Array, mass: Array, sums: Sums) -> Pass:
        """The pass, with what all hosts have counted."""
        sets = 1 if centres.ndim == 2 else len(centres)
        own = np.append(np.broadcast_to(self._ssd, sets), float(self._rows))
        *ssd, seen = self._hosts.sum(own)
        return Pass(
            centres=centres,
            mass=mass,
            sums=sums,
            ssd=np.array(ssd),
            seen=float(seen),
            rows=self._rows,
            batches=self._batches,
        )


def _decay(rows: float, half_life: int) -> float:
    """What masses are multiplied by for so many new rows."""
    return float(0.5 ** (rows / half_life)) if half_life else 1.0


def _assigned(batch: Batch, sets: Array, shift: Array, device: Device) -> tuple[Sums, Array]:
    """What a batch adds to each centre of each set, and each set's sum of squared distances.

    Raises:
        CustomerError: the rows are too large for that.
    """
    # The batch is nobody else's.
    rows = np.subtract(batch.features, shift, out=batch.features)
    flat = rows.reshape(-1)
    there = device.put(rows)
    labels, least = nearest_of_each(there, device.put(sets.astype(np.float32)), device)
    below = device.get(least).sum(axis=0, dtype=np.float64)
    if not np.isfinite(below).all():
        raise CustomerError(
            "Channel 'train' has features so large that their squares are no numbers in 32-bit "
            "floating point. Please scale them and try again."
        )
    squares = below + _square(flat)
    each = [sums(there, labels[:, number], sets.shape[1], device) for number in range(len(sets))]
    found = Sums(np.stack([one.rows for one in each]), np.stack([one.mass for one in each]))
    return found, np.maximum(squares, 0.0)


def _square(flat: Array) -> float:
    """The sum of the squares of float32 numbers, (numbers,)."""
    found = float(np.dot(flat, flat))
    return found if np.isfinite(found) else float(np.square(flat, dtype=np.float64).sum())


def _summed(own: Sums, hosts: Hosts) -> Sums:
    """The sums of all hosts."""
    if hosts.count == 1:
        return own
    whole = hosts.sum(np.concatenate([own.rows, own.mass[..., np.newaxis]], axis=-1))
    return Sums(whole[..., :-1], whole[..., -1])
