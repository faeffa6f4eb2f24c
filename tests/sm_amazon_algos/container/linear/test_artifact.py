"""Models in files: what comes back, what AWS's own say, what MXNet makes of ours."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sm_amazon_algos.container.linear.artifact import read_model, write_model
from sm_amazon_algos.container.linear.model import LinearModel
from sm_amazon_algos.container.linear.settings import Task
from sm_amazon_algos.container.ndarrays import write_ndarrays
from sm_core.containerspec import ContainerSpec
from sm_core.errors import CodecError
from sm_core.plugins import client_plugins

RANDOM = np.random.default_rng(0)
ROWS = RANDOM.normal(size=(7, 4)).astype(np.float32)
#: Task, loss, outputs.
KINDS: list[tuple[Task, str, int]] = [
    ("regressor", "squared_loss", 1),
    ("regressor", "quantile_loss", 1),
    ("binary_classifier", "logistic", 1),
    ("binary_classifier", "hinge_loss", 1),
    ("multiclass_classifier", "softmax_loss", 3),
]


def model(task: Task, loss: str, outputs: int) -> LinearModel:
    return LinearModel(
        task=task,
        loss=loss,
        weights=RANDOM.normal(size=(outputs, 4)).astype(np.float32),
        bias=RANDOM.normal(size=outputs).astype(np.float32),
        threshold=0.375 if task == "binary_classifier" else 0.5,
    )


@pytest.mark.parametrize(("task", "loss", "outputs"), KINDS)
def test_a_model_comes_back(tmp_path: Path, task: Task, loss: str, outputs: int) -> None:
    own = model(task, loss, outputs)
    file = tmp_path / "model_algo-1"
    file.write_bytes(write_model(own))
    found = read_model(file)
    assert (found.task, found.loss, found.threshold) == (own.task, own.loss, own.threshold)
    assert np.array_equal(found.weights, own.weights)
    assert np.array_equal(found.bias, own.bias)
    for name, column in own.predict(ROWS).items():
        assert np.array_equal(found.predict(ROWS)[name], column)


def test_the_members_are_those_of_aws() -> None:
    with zipfile.ZipFile(io.BytesIO(write_model(model("regressor", "squared_loss", 1)))) as archive:
        assert sorted(archive.namelist()) == [
            "additional-params.json",
            "manifest.json",
            "mx-mod-0000.params",
            "mx-mod-symbol.json",
        ]


def test_the_same_model_is_the_same_bytes() -> None:
    own = model("regressor", "squared_loss", 1)
    assert write_model(own) == write_model(own)


def written(tmp_path: Path, **members: bytes) -> Path:
    """A ZIP of members, whose names have ``_`` for ``-`` and ``__`` for the dot."""
    file = tmp_path / "model_algo-1"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", ".").replace("_", "-"), content)
    return file


def symbol(operator: str) -> bytes:
    nodes = [{"op": "null", "name": "data"}, {"op": "FullyConnected"}, {"op": operator}]
    return json.dumps({"nodes": nodes}).encode()


@pytest.mark.parametrize(
    ("operator", "task", "outputs"),
    [
        ("LogisticRegressionOutput", "binary_classifier", 1),
        ("SoftmaxOutput", "multiclass_classifier", 3),
        ("LinearRegressionOutput", "regressor", 1),
    ],
)
def test_models_that_say_no_more_than_mxnet_needs_are_read(
    tmp_path: Path, operator: str, task: Task, outputs: int
) -> None:
    weights = np.ones((outputs, 4), dtype=np.float32)
    arrays = {"arg:fc0_weight": weights, "arg:fc0_bias": np.zeros(outputs, dtype=np.float32)}
    file = written(
        tmp_path,
        mx_mod_symbol__json=symbol(operator),
        mx_mod_0000__params=write_ndarrays(arrays),
        additional_params__json=b'{"score_threshold": 0.25, "other": [1]}',
    )
    found = read_model(file)
    assert (found.task, found.threshold, found.feature_dim) == (task, 0.25, 4)
    assert len(found.predict(ROWS)["score"]) == 7


def test_a_model_without_a_bias_is_read(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        mx_mod_symbol__json=symbol("LinearRegressionOutput"),
        mx_mod_0000__params=write_ndarrays({"arg:fc0_weight": np.ones((1, 4), dtype=np.float32)}),
    )
    assert read_model(file).predict(ROWS)["score"] == pytest.approx(ROWS.sum(axis=1), abs=1e-5)


def test_scores_of_columns_far_from_zero_are_exact() -> None:
    rows = 1e6 + RANDOM.normal(size=(100, 30)).astype(np.float32)
    weights = RANDOM.normal(size=(1, 30)).astype(np.float32)
    bias = np.array([-1e6 * weights.sum(dtype=np.float64)], dtype=np.float32)
    far = LinearModel(task="regressor", loss="squared_loss", weights=weights, bias=bias)
    exact = rows.astype(np.float64) @ weights[0].astype(np.float64) + bias[0]
    assert far.predict(rows)["score"] == pytest.approx(exact, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({}, "it lacks mx-mod-symbol.json, mx-mod-0000.params"),
        ({"mx_mod_symbol__json": b"[", "mx_mod_0000__params": b""}, "0x112|cut off"),
        (
            {
                "mx_mod_symbol__json": symbol("SoftmaxOutput"),
                "mx_mod_0000__params": write_ndarrays({"arg:w": np.ones((1, 1))}),
            },
            "no matrix fc0_weight; it has w",
        ),
        (
            {
                "mx_mod_symbol__json": symbol("LogisticRegressionOutput"),
                "mx_mod_0000__params": write_ndarrays({"arg:fc0_weight": np.ones((2, 4))}),
            },
            "weights of 2 outputs; a binary_classifier has one",
        ),
        (
            {
                "mx_mod_symbol__json": symbol("LinearRegressionOutput"),
                "mx_mod_0000__params": write_ndarrays({"arg:fc0_weight": np.full((1, 4), np.nan)}),
            },
            "numbers in fc0_weight that are NaN",
        ),
        (
            {
                "mx_mod_symbol__json": b'{"nodes": null}',
                "mx_mod_0000__params": write_ndarrays({"arg:fc0_weight": np.ones((1, 4))}),
            },
            "mx-mod-symbol.json in the model has no list of nodes",
        ),
    ],
)
def test_what_is_no_model_is_refused(
    tmp_path: Path, members: dict[str, bytes], reason: str
) -> None:
    with pytest.raises(CodecError, match=reason):
        read_model(written(tmp_path, **members))


def test_what_is_no_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model_algo-1").write_bytes(b"no ZIP")
    with pytest.raises(CodecError, match="is no ZIP"):
        read_model(tmp_path / "model_algo-1")


def test_a_damaged_zip_is_read_or_refused(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        mx_mod_symbol__json=symbol("LinearRegressionOutput"),
        mx_mod_0000__params=write_ndarrays({"arg:fc0_weight": np.ones((1, 4), dtype=np.float32)}),
    )
    whole = file.read_bytes()
    for place in range(len(whole)):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        with contextlib.suppress(CodecError):
            assert read_model(file).feature_dim == 4


#: Unpacks nothing: the test has done that. Prints what the real MXNet predicts.
MXNET = """
import json, sys
import numpy as np
import mxnet as mx
rows = np.array(json.loads(sys.argv[1]), dtype=np.float32)
outputs = []
for prefix in sys.argv[2:]:
    module = mx.mod.Module.load(prefix + "/mx-mod", 0, label_names=["out_label"])
    module.bind(data_shapes=[("data", rows.shape)], for_training=False)
    module.forward(mx.io.DataBatch([mx.nd.array(rows)]), is_train=False)
    outputs.append(module.get_outputs()[0].asnumpy().tolist())
print(json.dumps(outputs))
"""


@pytest.mark.integ
@pytest.mark.timeout(600)
def test_the_real_mxnet_loads_models_and_predicts_the_same(
    tmp_path: Path, container_python: Callable[[ContainerSpec], str]
) -> None:
    spec: Any = client_plugins().hook.sm_container(
        framework="mxnet", version=None, device="cpu", image=None, hosts=1, function_mode=None
    )
    models = [model(*kind) for kind in KINDS]
    folders = []
    for number, each in enumerate(models):
        folder = tmp_path / str(number)
        with zipfile.ZipFile(io.BytesIO(write_model(each))) as archive:
            archive.extractall(folder)
        folders.append(str(folder))
    done = subprocess.run(
        [container_python(spec), "-c", MXNET, json.dumps(ROWS.tolist()), *folders],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for each, found in zip(models, json.loads(done.stdout.splitlines()[-1]), strict=True):
        wanted = each.scores(ROWS)
        assert np.array(found).reshape(wanted.shape) == pytest.approx(wanted, abs=1e-5)
