"""Jobs on more data than memory: real processes, measured."""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import scipy.sparse

from sm_amazon_algos import write_numpy_to_dense_tensor, write_spmatrix_to_sparse_tensor
from sm_core.testing.containers import Container, Ended

pytestmark = pytest.mark.long

#: Bytes of a channel (a sparse one's as a dense array), and of a job's memory at any time.
DATA, MOST = 1_500_000_000, 1_000_000_000
CSV = "text/csv"
Feed = Callable[[Path, str, Iterable[bytes]], AbstractContextManager[Any]]
#: Runs what it is given, and writes down how many bytes it had in memory at most.
MEASURING = """#!{python}
import os, resource, subprocess, sys
done = subprocess.run([sys.executable, *sys.argv[1:]])
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
with open({file!r}, "w") as file:
    file.write(str(peak * 1024))
sys.exit(done.returncode)
"""


@attrs.frozen
class Data:
    """One block of a channel, which is repeated.

    Attributes:
        block: its bytes.
        width: columns.
        times: how often it is repeated.
        content_type: of it.
    """

    block: bytes
    width: int
    times: int
    content_type: str | None = None


def labelled(rows: Any, labels: Any) -> bytes:
    file = io.BytesIO()
    if scipy.sparse.issparse(rows):
        write_spmatrix_to_sparse_tensor(file, rows, labels)
    else:
        write_numpy_to_dense_tensor(file, rows, labels)
    return file.getvalue()


def data_of(kind: str) -> Data:
    random = np.random.default_rng(0)
    count, width = (20_000, 2_000) if kind == "sparse" else (100_000, 100)
    times = -(-DATA // (4 * count * width))
    rows: Any = random.standard_normal((count, 100), dtype=np.float32)
    labels = (rows[:, 0] + random.standard_normal(count) > 0).astype(np.float32)
    if kind == "csv":
        text = io.BytesIO()
        np.savetxt(text, np.column_stack([labels, rows]), fmt="%.6g", delimiter=",")
        return Data(text.getvalue(), width, -(-DATA // text.tell()), CSV)
    if kind == "sparse":
        keys = np.sort(random.integers(0, width, (count, 100)), axis=1)
        starts = np.arange(0, count * 100 + 1, 100)
        rows = scipy.sparse.csr_matrix((rows.ravel(), keys.ravel(), starts), (count, width))
        rows.sum_duplicates()
    return Data(labelled(rows, labels), width, times)


HYPERPARAMETERS: dict[str, dict[str, Any]] = {
    "kmeans": {"k": 10},
    "pca": {"num_components": 10, "mini_batch_size": 500},
    "linear-learner": {"predictor_type": "binary_classifier", "epochs": 1},
}


def trained(folder: Path, name: str, data: Data, feed: Feed | None = None) -> tuple[Ended, int]:
    """How a job ended, and the bytes that it had in memory at most."""
    wrapper = folder / "python"
    script = MEASURING.format(python=sys.executable, file=str(folder / "peak"))
    wrapper.write_text(script, encoding="utf-8")
    wrapper.chmod(stat.S_IRWXU)
    container = Container(folder, python=str(wrapper))
    channels = container.base / "input" / "data"
    with ExitStack() as stack:
        if feed is not None:
            stack.enter_context(feed(channels, "train", [data.block] * data.times))
        else:
            (channels / "train").mkdir()
            first = channels / "train" / "part-0"
            first.write_bytes(data.block)
            for number in range(1, data.times):
                os.link(first, first.with_name(f"part-{number}"))
        ended = container.train(
            hyperparameters={**HYPERPARAMETERS[name], "feature_dim": data.width},
            pipes=["train"] if feed else [],
            content_types={"train": data.content_type} if data.content_type else None,
            variables={"SMCORE_ALGORITHM": name},
        )
    return ended, int((folder / "peak").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", list(HYPERPARAMETERS))
@pytest.mark.parametrize(
    ("kind", "pipe"), [("dense", True), ("dense", False), ("csv", True), ("sparse", True)]
)
def test_memory_stays_below_a_gigabyte(
    tmp_path: Path, fed: Feed, name: str, kind: str, pipe: bool
) -> None:
    ended, peak = trained(tmp_path, name, data_of(kind), fed if pipe else None)
    assert ended.exit_code == 0, ended.log
    assert peak < MOST
    assert [path.name for path in (tmp_path / "ml" / "model").iterdir()] == ["model_algo-1"]
