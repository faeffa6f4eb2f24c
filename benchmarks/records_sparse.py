"""Sparse records of some 10 and some 100 numbers and a label, against AWS's SDK 2: rows a second.

Both sides write to memory and read back. What counts is arrays of all numbers, features and labels:
AWS's SDK reads a list of records, from which its users collect them. Its bare list of records is
compared, too: with ours, and with our arrays.
"""

from __future__ import annotations

import io
from typing import Any

from benchmarks import _reference_sdk
from sm_amazon_algos import read_records, records_to_numpy, write_spmatrix_to_sparse_tensor


def numbers(file: io.BytesIO) -> tuple[Any, Any]:
    """Features and labels in `file`."""
    found = records_to_numpy(file.getbuffer())
    return found.features["values"], found.label["values"]


def main() -> None:
    """Print the comparisons, each as one line of JSON."""
    steps = _reference_sdk.Steps(write_spmatrix_to_sparse_tensor, read_records, numbers)
    for filled in (10, 100):
        what = f"sparse records of some {filled} numbers"
        _reference_sdk.compare(str(filled), what, steps, (20_000, 2_000))


if __name__ == "__main__":
    main()
