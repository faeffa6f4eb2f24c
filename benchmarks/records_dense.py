"""Records of 100 columns of float32 and a label, written and read: rows a second.

Against AWS's SDK 2, which ends with a list of records; ours ends with arrays of all numbers.
"""

from __future__ import annotations

from benchmarks import _reference_sdk
from sm_amazon_algos import records_to_numpy, write_numpy_to_dense_tensor


def main() -> None:
    """Print the comparison as one line of JSON."""
    data = _reference_sdk.matrix("dense", 20_000)
    ours = _reference_sdk.rows_per_second(
        data, write_numpy_to_dense_tensor, lambda file: records_to_numpy(file.getbuffer())
    )
    _reference_sdk.compare("dense", "dense records, written and read / sagemaker 2", ours, 4_000)


if __name__ == "__main__":
    main()
