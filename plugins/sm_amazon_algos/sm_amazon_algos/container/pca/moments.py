"""What one pass over the data leaves of it: sums, which hosts can add up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from sm_amazon_algos.container.channels import Batch
from sm_amazon_algos.container.devices import Device
from sm_amazon_algos.container.hosts import Hosts

__all__ = ["Moments", "moments"]

Array = npt.NDArray[Any]

#: Up to so many columns products are of 64 bits: reading the data takes longer than they do.
_NARROW = 64


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

    Products are computed batch by batch in 32 bits, and added up in 64.

    Args:
        batches: this host's; overwritten.
        shift: float32, (width,), subtracted from every row: the sums of rows far from zero would
            cancel out.
        directions: Ω, float64, (width, columns), what Σxxᵀ is multiplied by; None for nothing.
        hosts: of the job.
        device: that computes.
    """
    xp, width = device.xp, len(shift)
    kind = xp.float64 if width <= _NARROW else xp.float32
    omega = None if directions is None else xp.astype(device.put(directions), kind)
    columns = width if omega is None else int(omega.shape[1])
    products = device.put(np.zeros((width, columns)))
    total, count = np.zeros(width), 0
    for batch in batches:
        rows = np.subtract(batch.features, shift, out=batch.features)
        total += rows.sum(axis=0, dtype=np.float64)
        count += len(rows)
        there = xp.astype(device.put(rows), kind, copy=False)
        right = there if omega is None else xp.matmul(there, omega)
        products += xp.matmul(xp.permute_dims(there, (1, 0)), right)
    sums = hosts.sum(np.append(total, float(count)))
    return Moments(
        rows=round(float(sums[-1])),
        total=sums[:-1],
        products=hosts.sum(device.get(products)),
        own_rows=count,
    )
