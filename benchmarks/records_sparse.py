"""Sparse records of some 10 and some 100 numbers and a label, written and read: rows a second.

Against AWS's SDK 2, which ends with a list of records; ours ends with a sparse matrix.
"""

from __future__ import annotations

from benchmarks import _reference_sdk
from sm_amazon_algos import records_to_numpy, write_spmatrix_to_sparse_tensor


def main() -> None:
    """Print the comparisons, each as one line of JSON."""
    for filled in (10, 100):
        data = _reference_sdk.matrix(str(filled), 20_000)
        ours = _reference_sdk.rows_per_second(
            data, write_spmatrix_to_sparse_tensor, lambda file: records_to_numpy(file.getbuffer())
        )
        claim = f"sparse records of some {filled} numbers, written and read / sagemaker 2"
        _reference_sdk.compare(str(filled), claim, ours, 2_000)


if __name__ == "__main__":
    main()
