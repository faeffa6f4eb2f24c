"""The three classes, as users make them."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

import sm_mxnet
from sm_core import Estimator
from sm_mxnet import MXNet, MXNetModel, MXNetPredictor


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "train.py"
    path.write_text("def train(hyperparameters): ...\n", encoding="utf-8")
    return str(path)


def test_by_position_as_specified(script: str) -> None:
    estimator = MXNet(script, "SageMakerRole", 2, "ml.c4.xlarge")
    assert estimator.entry_point == script
    assert estimator.role == "SageMakerRole"
    assert estimator.train_instance_count == 2
    assert estimator.train_instance_type == "ml.c4.xlarge"


def test_by_the_framework_s_name(script: str) -> None:
    estimator = Estimator(framework="mxnet", entry_point=script, train_instance_type="ml.c4.xlarge")
    assert isinstance(estimator, MXNet)
    assert estimator.framework is not None
    assert estimator.framework.model_class() is MXNetModel
    assert estimator.framework.predictor_class() is MXNetPredictor


def test_signatures_name_the_options() -> None:
    assert list(inspect.signature(MXNet).parameters)[:4] == [
        "entry_point",
        "role",
        "train_instance_count",
        "train_instance_type",
    ]
    assert list(inspect.signature(MXNetModel).parameters)[:2] == ["model_data", "role"]


def test_public_names_are_importable_and_no_others() -> None:
    assert dir(sm_mxnet) == sm_mxnet.__all__
    for name in sm_mxnet.__all__:
        assert getattr(sm_mxnet, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'MXNett'"):
        sm_mxnet.MXNett  # type: ignore[attr-defined]  # that is what is tested  # noqa: B018
