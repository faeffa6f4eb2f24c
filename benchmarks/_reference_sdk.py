"""AWS's own SDK 2, in an environment that is thrown away, and the matrices that both get."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
from uv import find_uv_bin

PEER = "sagemaker<3"
ROUNDS = 7


def matrix(kind: str, rows: int) -> Any:
    """Rows of float32: 100 columns (``dense``), or so many of a hundred times as many columns."""
    rng = np.random.default_rng(0)
    if kind == "dense":
        return rng.random((rows, 100), dtype=np.float32)
    filled = int(kind)
    counts = rng.poisson(filled, rows)
    columns = [np.sort(rng.choice(100 * filled, count, replace=False)) for count in counts]
    pointers = np.concatenate([[0], np.cumsum(counts)])
    values = rng.random(int(pointers[-1]), dtype=np.float32)
    parts = (values, np.concatenate(columns).astype(np.int32), pointers)
    return scipy.sparse.csr_matrix(parts, shape=(rows, 100 * filled))


def rows_per_second(
    data: Any,
    write: Callable[[io.BytesIO, Any, Any], None],
    read: Callable[[io.BytesIO], Any],
    rounds: int = ROUNDS,
) -> float:
    """How many rows a second are written to memory and read again, in the best of some rounds.

    Seconds are those of the processor: what else the machine does counts less.
    """
    labels = np.ones(data.shape[0], dtype=np.float32)
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        file = io.BytesIO()
        write(file, data, labels)
        file.seek(0)
        read(file)
        best = min(best, time.process_time() - start)
    return float(data.shape[0] / best)


def of_the_sdk(kind: str, rows: int) -> float | None:
    """The same with AWS's SDK: None if it cannot be installed."""
    with tempfile.TemporaryDirectory() as folder:
        python = Path(folder, "bin", "python")
        install = ["pip", "install", "--quiet", "--python", str(python), PEER, "scipy", "uv"]
        for command in (["venv", "--quiet", "--python", sys.executable, folder], install):
            if subprocess.run([find_uv_bin(), *command], stdout=sys.stderr, check=False).returncode:
                return None
        answer = subprocess.run(
            [python, "-W", "ignore", __file__, kind, str(rows)],
            stdout=subprocess.PIPE,
            env={**os.environ, "SAGEMAKER_SUPPRESS_V2_WARNING": "1"},
            text=True,
            check=True,
        )
    return float(json.loads(answer.stdout.splitlines()[-1]))


def compare(kind: str, claim: str, ours: float, rows: int) -> None:
    """Print the comparison, or that there is nothing to compare with, as one line of JSON."""
    theirs = of_the_sdk(kind, rows)
    found: dict[str, Any] = {"claim": claim}
    if theirs is None:
        found["skipped"] = f"{PEER} cannot be installed here"
    else:
        found |= {"ours": ours / 1000, "theirs": theirs / 1000, "unit": "krows/s"}
    print(json.dumps(found))


def main() -> None:
    """Measure AWS's SDK, which is installed here."""
    from sagemaker.amazon import common

    kind, rows = sys.argv[1], int(sys.argv[2])
    write = (
        common.write_numpy_to_dense_tensor
        if kind == "dense"
        else common.write_spmatrix_to_sparse_tensor
    )
    print(json.dumps(rows_per_second(matrix(kind, rows), write, common.read_records, rounds=3)))


if __name__ == "__main__":
    main()
