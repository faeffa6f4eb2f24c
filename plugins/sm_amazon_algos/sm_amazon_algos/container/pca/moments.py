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

#: Products of so many numbers in the beginning are of 64 bits: in little data errors do not even
#: out, and time does not matter.
_EXACT = 1 << 20


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

    Args:
        batches: this host's; overwritten.
        shift: float32, (width,), subtracted from every row: the sums of rows far from zero would
            cancel out.
        directions: Ω, float64, (width, columns), what Σxxᵀ is multiplied by; None for nothing.
        hosts: of the job.
        device: that computes.
    """
    xp, width = device.xp, len(shift)
    omegas = {
        kind: None if directions is None else xp.astype(device.put(directions), kind)
        for kind in (xp.float32, xp.float64)
    }
    columns = width if directions is None else directions.shape[1]
    products = device.put(np.zeros((width, columns)))
    total, count = np.zeros(width), 0
    shifted = bool(shift.any())
    for batch in batches:
        rows = np.subtract(batch.features, shift, out=batch.features) if shifted else batch.features
        # A product with ones is much faster than a sum along columns, and as good around zero.
        total += np.ones(len(rows), dtype=np.float32) @ rows
        kind = xp.float64 if count * width < _EXACT else xp.float32
        there = xp.astype(device.put(rows), kind, copy=False)
        omega = omegas[kind]
        right = there if omega is None else xp.matmul(there, omega)
        products += xp.matmul(xp.permute_dims(there, (1, 0)), right)
        count += len(rows)
    sums = hosts.sum(np.append(total, float(count)))
    return Moments(
        rows=round(float(sums[-1])),
        total=sums[:-1],
        products=hosts.sum(device.get(products)),
        own_rows=count,
    )
