"""Models beside the real MXNet: it reads what we write, and we read what it writes."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sm_amazon_algos.container.ndarrays import read_ndarrays, write_ndarrays
from sm_core.containerspec import ContainerSpec
from sm_core.plugins import client_plugins

pytestmark = pytest.mark.long

#: Reads a file, says what is in it, and writes the same again.
SCRIPT = """
import sys
import mxnet as mx
found = mx.nd.load(sys.argv[1])
for entry in found:
    array = found[entry] if isinstance(found, dict) else entry
    print(entry if isinstance(found, dict) else "-", array.dtype.__name__, array.shape)
mx.nd.save(sys.argv[2], found)
"""


@pytest.fixture(scope="module")
def through_mxnet(container_python: Callable[[ContainerSpec], str]) -> Callable[[Path], Any]:
    """What MXNet says of a file, and the bytes that it writes for the same arrays."""
    spec = client_plugins().hook.sm_container(
        framework="mxnet", version=None, device="cpu", image=None, hosts=1, function_mode=None
    )
    python = container_python(spec)

    def run(file: Path) -> tuple[list[str], bytes]:
        again = file.with_name("again")
        command = [python, "-W", "ignore", "-c", SCRIPT, str(file), str(again)]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout.splitlines(), again.read_bytes()

    return run


def test_models_of_both_algorithms(
    trained: Callable[..., Any], through_mxnet: Callable[[Path], Any]
) -> None:
    rows = np.random.default_rng(0).normal(size=(100, 7))
    kmeans = trained("kmeans", rows, k=8).file
    pca = trained("pca", rows, num_components=3, mini_batch_size=10, model="pca").file
    said, written = through_mxnet(kmeans)
    assert said == ["- float32 (8, 7)"]
    assert written == kmeans.read_bytes()
    said, written = through_mxnet(pca)
    assert said == ["mean float32 (1, 7)", "v float32 (7, 3)", "s float32 (3,)"]
    assert written == pca.read_bytes()


@pytest.mark.parametrize("kind", ["float16", "float64", "uint8", "int8", "int32", "int64"])
def test_every_type(tmp_path: Path, through_mxnet: Callable[[Path], Any], kind: str) -> None:
    array = np.arange(24).reshape(2, 3, 4).astype(kind)
    file = tmp_path / "arrays"
    file.write_bytes(write_ndarrays({"käse": array}))
    said, written = through_mxnet(file)
    assert said == [f"käse {kind} (2, 3, 4)"]
    assert written == file.read_bytes()
    found = read_ndarrays(written)
    assert isinstance(found, dict)
    np.testing.assert_array_equal(found["käse"], array)
