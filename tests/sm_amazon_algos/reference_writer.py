"""Writes records with AWS's own SDK 2: reads cases as JSON from standard input, prints hex bytes.

Runs in an environment that has ``sagemaker`` 2 and scipy, for which it needs nothing of ours.
"""

from __future__ import annotations

import io
import json
import sys
from typing import Any


def written(case: dict[str, Any]) -> str:
    """The records of one case."""
    import numpy as np
    import scipy.sparse
    from sagemaker.amazon import common

    kind = np.dtype(case["kind"])
    labels = None
    if case["labels"] is not None:
        labels = np.array(case["labels"], dtype=case["label_kind"])
    file = io.BytesIO()
    if "indptr" in case:
        parts = (
            np.array(case["data"], dtype=kind),
            np.array(case["indices"], dtype=np.int32),
            np.array(case["indptr"], dtype=np.int32),
        )
        shape = (len(case["indptr"]) - 1, case["columns"])
        matrix = scipy.sparse.csr_matrix(parts, shape=shape)
        common.write_spmatrix_to_sparse_tensor(file, matrix, labels)
    else:
        rows = np.array(case["rows"], dtype=kind).reshape(len(case["rows"]), -1)
        common.write_numpy_to_dense_tensor(file, rows, labels)
    return file.getvalue().hex()


if __name__ == "__main__":
    json.dump([written(case) for case in json.load(sys.stdin)], sys.stdout)
