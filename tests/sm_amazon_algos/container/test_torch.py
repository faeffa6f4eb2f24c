"""PyTorch: several hosts as containers of one machine, and a GPU's path on the CPU."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import venv
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tomli
from sklearn.datasets import load_breast_cancer

from sm_amazon_algos import numpy_to_record_serializer, write_numpy_to_dense_tensor
from sm_amazon_algos.container.algorithms import algorithm_called
from sm_core.testing.containers import Container

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[3]
#: A build for CPUs alone is a tenth of the size.
TORCH = "torch==2.13.0"
ROWS, LABELS = load_breast_cancer(return_X_y=True)


@pytest.fixture(scope="module")
def torch_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Interpreter of an environment as the ContainerSpec for several hosts describes it."""
    folder = tmp_path_factory.mktemp("torch")
    venv.create(folder, with_pip=True)
    python = str(folder / "bin" / "python")
    wanted = [TORCH]
    for project in (ROOT, ROOT / "plugins" / "sm_amazon_algos"):
        table = tomli.loads((project / "pyproject.toml").read_text("utf-8"))["project"]
        wanted += table["optional-dependencies"]["container"]
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*pip, *wanted], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"PyTorch cannot be installed here: {done.stderr[-500:]}")
    own = [f"--editable={ROOT}", f"--editable={ROOT / 'plugins' / 'sm_amazon_algos'}"]
    subprocess.run([*pip, "--no-deps", *own], check=True)
    return python


def trained_on_hosts(
    folder: Path, python: str, name: str, shares: list[Any], hyperparameters: Mapping[str, Any]
) -> Path:
    """The model's file of a job with a host for each share."""
    hosts = [f"algo-{number}" for number in range(1, len(shares) + 1)]
    ports = {host: f"127.0.0.1:{46000 + 20 * n}-{46019 + 20 * n}" for n, host in enumerate(hosts)}
    variables = {"SMCORE_ALGORITHM": name, "SMCORE_HOST_ADDRESSES": json.dumps(ports)}
    containers = []
    with ExitStack() as stack:
        for host, share in zip(hosts, shares, strict=True):
            container = Container(folder / host, python=python)
            channel = container.base / "input" / "data" / "train"
            channel.mkdir()
            body = share if isinstance(share, bytes) else numpy_to_record_serializer(share)
            (channel / "part-0").write_bytes(body)
            process = stack.enter_context(
                container.training(
                    hyperparameters=hyperparameters, hosts=hosts, host=host, variables=variables
                )
            )
            containers.append((container, process))
        for container, process in containers:
            ended = container.ended(process)
            assert ended.exit_code == 0, ended.log
    for container, _ in containers[1:]:
        assert not list((container.base / "model").iterdir())
    return containers[0][0].base / "model" / "model_algo-1"


@pytest.mark.parametrize("mode", ["regular", "randomized"])
def test_pca_on_hosts_is_pca_on_one(tmp_path: Path, torch_python: str, mode: str) -> None:
    hyperparameters = {
        "num_components": 3,
        "feature_dim": 30,
        "mini_batch_size": 50,
        "algorithm_mode": mode,
        "_seed": 1,
    }
    models = []
    for shares in ([ROWS], np.split(ROWS, [100])):
        file = trained_on_hosts(
            tmp_path / str(len(shares)), torch_python, "pca", shares, hyperparameters
        )
        models.append(algorithm_called("pca").load(file))
    projected = [model.predict(ROWS.astype(np.float32))["projection"] for model in models]
    scale = np.abs(projected[0]).max()
    np.testing.assert_allclose(projected[0] / scale, projected[1] / scale, atol=1e-4)


def test_kmeans_on_hosts_is_as_good_as_on_one(tmp_path: Path, torch_python: str) -> None:
    hyperparameters = {"k": 4, "feature_dim": 30, "mini_batch_size": 50, "epochs": 6, "_seed": 1}
    found = []
    for shares in ([ROWS], np.split(ROWS, [100, 300])):
        file = trained_on_hosts(
            tmp_path / str(len(shares)), torch_python, "kmeans", shares, hyperparameters
        )
        model = algorithm_called("kmeans").load(file)
        distances = model.predict(ROWS.astype(np.float32))["distance_to_cluster"]
        found.append(float(np.square(distances.astype(np.float64)).sum()))
    assert found[1] == pytest.approx(found[0], rel=0.02)


def labelled(rows: npt.NDArray[Any], labels: npt.NDArray[Any]) -> bytes:
    file = io.BytesIO()
    write_numpy_to_dense_tensor(file, rows.astype(np.float32), labels.astype(np.float32))
    return file.getvalue()


def test_linear_learner_on_hosts_is_as_good_as_on_one(tmp_path: Path, torch_python: str) -> None:
    accuracy = []
    for cuts in ([], [200]):
        parts = zip(np.split(ROWS, cuts), np.split(LABELS, cuts), strict=True)
        shares = [labelled(rows, labels) for rows, labels in parts]
        file = trained_on_hosts(
            tmp_path / str(len(shares)),
            torch_python,
            "linear-learner",
            shares,
            {"predictor_type": "binary_classifier", "mini_batch_size": 60 // len(shares)},
        )
        answer = algorithm_called("linear-learner").load(file).predict(ROWS.astype(np.float32))
        accuracy.append(float((answer["predicted_label"] == LABELS).mean()))
    assert accuracy[1] >= accuracy[0] - 0.01


ON_TORCH = """
import sys
import numpy as np
from pathlib import Path
from sm_amazon_algos.container.algorithms import Job, algorithm_called
from sm_amazon_algos.container.devices import CPU, torch_device
from sm_amazon_algos.container.report import Report
from sm_amazon_algos.container.settings import read_settings
from sm_core.container.channels import Channel
base = Path(sys.argv[1])
jobs = {
    "kmeans": {"k": 4, "feature_dim": 30, "epochs": 4},
    "pca": {"num_components": 3, "feature_dim": 30, "mini_batch_size": 50},
    "linear-learner": {"predictor_type": "binary_classifier", "mini_batch_size": 50, "epochs": 2},
}
for name, hyperparameters in jobs.items():
    algorithm = algorithm_called(name)
    for device, label in ((CPU, "numpy"), (torch_device("cpu"), "torch")):
        algorithm.train(Job(
            settings=read_settings(
                hyperparameters, algorithm.hyperparameters, required=algorithm.required
            ),
            channels={"train": Channel(name="train", path=base / "train")},
            model_dir=base / f"{name}-{label}",
            report=Report(algorithm=algorithm.log_name, host="algo-1"),
            device=device,
            seed=1,
        ))
"""


def test_arrays_of_pytorch_come_to_the_same(tmp_path: Path, torch_python: str) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "part-0").write_bytes(labelled(ROWS, LABELS))
    command = [torch_python, "-c", ON_TORCH, str(tmp_path)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    rows = ROWS.astype(np.float32)

    def answers(name: str, label: str, key: str) -> npt.NDArray[Any]:
        file = tmp_path / f"{name}-{label}" / "model_algo-1"
        found: npt.NDArray[Any] = algorithm_called(name).load(file).predict(rows)[key]
        return found

    keys = {"kmeans": "distance_to_cluster", "pca": "projection", "linear-learner": "score"}
    for name, key in keys.items():
        one, other = answers(name, "numpy", key), answers(name, "torch", key)
        np.testing.assert_allclose(one, other, atol=1e-3 * np.abs(one).max())


def test_without_pytorch_numpy_computes() -> None:
    code = (
        "from sm_amazon_algos.container.devices import CPU, device_for; assert device_for(1) is CPU"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
