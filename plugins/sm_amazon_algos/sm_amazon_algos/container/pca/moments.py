"""What one pass over the data leaves of it: sums, which hosts can add up."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from sm_amazon_algos.container.channels import Batch
from sm_amazon_algos.container.devices import Device
from sm_amazon_algos.container.hosts import Hosts
from sm_amazon_algos.container.threads import blas_threads
from sm_core.container.machine import count_cpus

__all__ = ["Moments", "moments"]

Array = npt.NDArray[Any]

#: Products of so many numbers in the beginning are of 64 bits, unless there are more in the first
#: batch: in little data errors do not even out, and time does not matter.
_EXACT = 1 << 19
#: Numbers that the products of all threads of this host may be.
_SHARED = 1 << 25


@attrs.frozen(eq=False, kw_only=True)
class Moments:
    """Sums over the rows x of all hosts, of which a shift was subtracted.

    Attributes:
        rows: how many there are.
        total: float64, (width,): Σx.
        products: float64: Σxxᵀ, (width, width), or (Σxxᵀ)Ω, (width, columns of Ω).
        own_rows: rows of this host alone.
    """

    rows: int
    total: Array
    products: Array
    own_rows: int

    def centred(self, directions: Array | None) -> Array:
        """The products with Σ(x - mean)(x - mean)ᵀ instead.

        Args:
            directions: Ω, float64, (width, columns); None if the products are with none.
        """
        right = self.total if directions is None else self.total @ directions
        return self.products - np.outer(self.total, right) / max(self.rows, 1)


def moments(
    batches: Iterable[Batch],
    *,
    shift: Array,
    directions: Array | None,
    hosts: Hosts,
    device: Device,
) -> Moments:
    """The moments of the rows of all hosts.

    Products are computed batch by batch in 32 bits, but for the first ones, and added up in 64.
    On CPUs each thread reads a batch and computes with it: they seldom wait for each other, as the
    threads of one product do.

    Args:
        batches: this host's; overwritten.
        shift: float32, (width,), subtracted from every row: the sums of rows far from zero would
            cancel out.
        directions: Ω, float64, (width, columns), what Σxxᵀ is multiplied by; None for nothing.
        hosts: of the job.
        device: that computes.
    """
    width = len(shift)
    columns = width if directions is None else directions.shape[1]
    shares = [_Share(shift, directions, device) for _ in range(_shares(width * columns, device))]
    taken = _Taken(batches, width)

    def work(share: _Share) -> None:
        # What overflows is infinite in the sums, too; each thread has its own error state.
        with np.errstate(over="ignore", invalid="ignore"):
            while (batch := taken.next()) is not None:
                share.add(batch.features, exact=taken.are_few)

    threads = max(1, count_cpus() // len(shares))
    with ThreadPoolExecutor(len(shares)) as pool, blas_threads(threads):
        # What a thread raised comes out of the list.
        list(pool.map(work, shares))
    total, products = shares[0].total, device.get(shares[0].products)
    for share in shares[1:]:
        total += share.total
        products += device.get(share.products)
    sums = hosts.sum(np.append(total, float(taken.rows)))
    return Moments(
        rows=round(float(sums[-1])),
        total=sums[:-1],
        products=hosts.sum(products),
        own_rows=taken.rows,
    )


def _shares(size: int, device: Device) -> int:
    """How many threads add up products of `size` numbers, each for itself."""
    return min(count_cpus(), max(1, _SHARED // size)) if device.is_numpy else 1


class _Taken:
    """Batches that several threads take from one iterator, whoever comes first.

    Attributes:
        rows: how many were taken.
    """

    def __init__(self, batches: Iterable[Batch], width: int) -> None:
        self.rows = 0
        self._batches, self._width, self._lock = iter(batches), width, Lock()

    def next(self) -> Batch | None:
        """The next batch; None behind the last one."""
        with self._lock:
            batch = next(self._batches, None)
            self.rows += 0 if batch is None else len(batch)
            return batch

    @property
    def are_few(self) -> bool:
        """Whether so few rows were taken that products of 64 bits cost nothing."""
        return self.rows * self._width <= _EXACT


class _Share:
    """Sums over some of the batches.

    Attributes:
        total: float64, (width,): Σx.
        products: float64, on the device: Σxxᵀ or (Σxxᵀ)Ω.
    """

    def __init__(self, shift: Array, directions: Array | None, device: Device) -> None:
        self._device, self._xp = device, device.xp
        self._shift = shift if shift.any() else None
        self._omegas = {
            kind: None if directions is None else self._xp.astype(device.put(directions), kind)
            for kind in (self._xp.float32, self._xp.float64)
        }
        columns = len(shift) if directions is None else directions.shape[1]
        self.total = np.zeros(len(shift))
        self.products = device.put(np.zeros((len(shift), columns)))

    def add(self, rows: Array, *, exact: bool) -> None:
        """Add a batch, float32, (rows, width), overwritten; `exact` computes in 64 bits."""
        xp = self._xp
        if self._shift is not None:
            np.subtract(rows, self._shift, out=rows)
        # A product with ones is much faster than a sum along columns, and as good around zero.
        self.total += np.ones(len(rows), dtype=np.float32) @ rows
        kind = xp.float64 if exact else xp.float32
        there = xp.astype(self._device.put(rows), kind, copy=False)
        omega = self._omegas[kind]
        right = there if omega is None else xp.matmul(there, omega)
        self.products += xp.matmul(xp.permute_dims(there, (1, 0)), right)
