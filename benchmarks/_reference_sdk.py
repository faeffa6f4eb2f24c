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

import attrs
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


@attrs.frozen
class Steps:
    """What is measured: each step ends in memory.

    Attributes:
        write: puts rows and labels into a file.
        records: reads a file into a list of records.
        numbers: reads a file into arrays of all numbers, features and labels.
    """

    write: Callable[[io.BytesIO, Any, Any], None]
    records: Callable[[io.BytesIO], list[Any]]
    numbers: Callable[[io.BytesIO], tuple[Any, Any]]


def microseconds(data: Any, steps: Steps, rounds: int = ROUNDS) -> dict[str, float]:
    """Microseconds a row that each step takes, in the best of some rounds.

    They are those of the processor: what else the machine does counts less.
    """
    labels = np.ones(data.shape[0], dtype=np.float32)

    def written() -> io.BytesIO:
        file = io.BytesIO()
        steps.write(file, data, labels)
        return file

    file = written()

    def again(read: Callable[[io.BytesIO], Any]) -> Any:
        file.seek(0)
        return read(file)

    features, label = again(steps.numbers)
    assert (features != data).sum() == 0
    assert (label == labels).all()

    works: dict[str, Callable[[], Any]] = {
        "write": written,
        "records": lambda: again(steps.records),
        "numbers": lambda: again(steps.numbers),
    }
    return {name: _seconds(work, rounds) / data.shape[0] * 1e6 for name, work in works.items()}


def _seconds(work: Callable[[], Any], rounds: int) -> float:
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        found = work()
        best = min(best, time.process_time() - start)
        # Giving records back takes time, which is not the next round's.
        del found
    return best


def of_the_sdk(kind: str, rows: int) -> dict[str, float] | None:
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
    found: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return found


def compare(kind: str, what: str, steps: Steps, rows: tuple[int, int]) -> None:
    """Print the comparisons, or that there is nothing to compare with, a line of JSON each.

    Args:
        kind: of the matrix.
        what: its description.
        steps: ours.
        rows: how many we get, and how many AWS's SDK.
    """
    theirs = of_the_sdk(kind, rows[1])
    if theirs is None:
        print(json.dumps({"claim": what, "skipped": f"{PEER} cannot be installed here"}))
        return
    ours = microseconds(matrix(kind, rows[0]), steps)
    claims = {
        "written and read into arrays": ("write", "numbers"),
        "written": ("write",),
        "read into arrays": ("numbers",),
        "read into a list of records": ("records",),
        "read: our arrays / their list of records": ("numbers", "records"),
    }
    for claim, names in claims.items():
        mine, other = names, names
        if claim.startswith("read: "):
            mine, other = names[:1], names[1:]
        found = {
            "claim": f"{what}, {claim} / sagemaker 2",
            "ours": 1000 / sum(ours[name] for name in mine),
            "theirs": 1000 / sum(theirs[name] for name in other),
            "unit": "krows/s",
        }
        print(json.dumps(found))


def steps_of_the_sdk(kind: str) -> Steps:
    """AWS's SDK, which is installed here, and the loop that its users write for the numbers."""
    from sagemaker.amazon import common

    def labels(records: list[Any]) -> Any:
        return np.array([r.label["values"].float32_tensor.values[0] for r in records], np.float32)

    def dense(file: io.BytesIO) -> tuple[Any, Any]:
        records = common.read_records(file)
        rows = [record.features["values"].float32_tensor.values for record in records]
        return np.array(rows, dtype=np.float32), labels(records)

    def sparse(file: io.BytesIO) -> tuple[Any, Any]:
        records = common.read_records(file)
        values: list[float] = []
        keys: list[int] = []
        ends = [0]
        for record in records:
            tensor = record.features["values"].float32_tensor
            values.extend(tensor.values)
            keys.extend(tensor.keys)
            ends.append(len(keys))
        shape = (len(records), tensor.shape[0])
        parts = (np.array(values, dtype=np.float32), np.array(keys), np.array(ends))
        return scipy.sparse.csr_matrix(parts, shape=shape), labels(records)

    if kind == "dense":
        return Steps(common.write_numpy_to_dense_tensor, common.read_records, dense)
    return Steps(common.write_spmatrix_to_sparse_tensor, common.read_records, sparse)


def main() -> None:
    """Measure AWS's SDK, which is installed here."""
    kind, rows = sys.argv[1], int(sys.argv[2])
    print(json.dumps(microseconds(matrix(kind, rows), steps_of_the_sdk(kind), rounds=3)))


if __name__ == "__main__":
    main()
