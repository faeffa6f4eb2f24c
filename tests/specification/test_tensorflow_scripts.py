"""The specification's samples of scripts for TensorFlow, in a container with TensorFlow 2.14.1."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sm_core import Session, SourceError
from sm_core.containerspec import ContainerSpec
from sm_core.plugins import client_plugins
from sm_core.scripts import runs_as_script
from sm_core.testing.containers import Container
from sm_local.home import Home
from sm_local.startup import stop_service
from sm_tensorflow import TensorFlow, TensorFlowPredictor
from sm_tensorflow.functions import FUNCTIONS

SAMPLES: dict[str, str] = {
    title.strip(): code
    for title, code in re.findall(
        r"^## (.*?)\n.*?^```\w+\n(.*?)^```$",
        (Path(__file__).parent / "tensorflow_scripts.md").read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )
}
TRAIN = {
    "sagemaker_program": "tf-train.py",
    "training_steps": 20,
    "evaluation_steps": 2,
    "learning_rate": 0.001,
}
IMPORTS = """
import os
import numpy as np
import tensorflow as tf
from tensorflow.contrib.keras.python.keras.layers import Dense
from tensorflow.python.estimator.export.export import build_raw_serving_input_receiver_fn

INPUT_TENSOR_NAME = "inputs"
"""
#: A serving_input_fn for premade estimators, which the specification's example does without.
PARSING = """
def serving_input_fn(hyperparameters):
    features = {INPUT_TENSOR_NAME: tf.FixedLenFeature(dtype=tf.float32, shape=[4])}
    return tf.estimator.export.build_parsing_serving_input_receiver_fn(features)()
"""


@pytest.fixture(scope="module")
def python(container_python: Callable[[ContainerSpec], str]) -> str:
    spec = client_plugins().hook.sm_container(
        framework="tensorflow", version=None, device="cpu", image=None, hosts=1, function_mode=None
    )
    return container_python(spec)


@pytest.fixture
def container(tmp_path: Path, python: str) -> Container:
    return Container(tmp_path, python=python)


def datasets(columns: int) -> dict[str, str]:
    """Rows of as many numbers and a whole one that they tell."""
    rows = np.random.default_rng(columns).random((64, columns))
    lines = [
        ",".join([*(f"{value:.3f}" for value in row), str(int(3 * row.mean()))]) for row in rows
    ]
    text = "\n".join(lines) + "\n"
    return {"training_dataset.csv": text, "evaluation_dataset.csv": text}


def script(*titles: str, more: str = "") -> str:
    return "\n\n".join([IMPORTS, *(SAMPLES[title] for title in titles), more])


ABALONE = ("A complete model_fn", "Complete input functions", "A complete serving_input_fn")


@pytest.mark.integ
@pytest.mark.timeout(900)
def test_a_complete_model_fn_is_trained_and_served(container: Container) -> None:
    container.write_code({"tf-train.py": script(*ABALONE)})
    container.write_channel("training", datasets(7))
    ended = container.train(hyperparameters=TRAIN)
    assert (ended.exit_code, ended.succeeded) == (0, True), ended.log
    assert re.search(r"Saving dict for global step 20: .*rmse = [\d.]+", ended.log), ended.log
    with container.serve(variables={"SAGEMAKER_PROGRAM": "tf-train.py"}) as server:
        row = server.invoke("[0.5, 0.4, 0.1, 0.5, 0.2, 0.1, 0.1]", content_type="application/json")
        assert row.status == 200, row.body
        ages = json.loads(row.body)["outputs"]["ages"]
        assert (ages["dtype"], len(ages["floatVal"])) == ("DT_FLOAT", 1)
        as_csv = server.invoke("0.5,0.4,0.1,0.5,0.2,0.1,0.1", content_type="text/csv")
        assert json.loads(as_csv.body)["outputs"]["ages"]["floatVal"] == ages["floatVal"]


def shape_of(value: Any) -> Any:
    """A JSON value with each number replaced by its type."""
    if isinstance(value, dict):
        return {name: shape_of(each) for name, each in value.items()}
    if isinstance(value, list):
        return [shape_of(each) for each in value]
    return value if isinstance(value, str) else type(value)


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Samples that name no Session find the local service."""
    monkeypatch.setenv("SMCORE_BACKEND", "local")
    yield
    stop_service(Home.default())


@pytest.mark.long
@pytest.mark.integ
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("local")
def test_a_prediction_of_a_complete_estimator_fn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    titles = ("A complete estimator_fn", "Complete input functions")
    Path("tf-train.py").write_text(script(*titles, more=PARSING), encoding="utf-8")
    for name, text in datasets(4).items():
        Path("data").mkdir(exist_ok=True)
        (Path("data") / name).write_text(text, encoding="utf-8")
    names: dict[str, Any] = {"TensorFlow": TensorFlow}
    names["inputs"] = Session().upload_data(str(tmp_path / "data"), key_prefix="data")
    # What the specification leaves out as `...`.
    sample = SAMPLES["A prediction"].replace("...", "role='SageMakerRole'")
    exec(compile(sample, "sample", "exec"), names)
    assert isinstance(names["predictor"], TensorFlowPredictor)
    assert shape_of(names["result"]) == shape_of(eval(SAMPLES["Its result"]))
    names["predictor"].delete()


KERAS_INPUTS = """
def _images():
    x = np.zeros((2, 299, 299, 3), dtype=np.float32)
    y = np.eye(1000, dtype=np.float32)[:2]
    return tf.data.Dataset.from_tensors(({"input_1": x}, y)).repeat()

def train_input_fn(training_dir, hyperparameters):
    return _images()

def eval_input_fn(training_dir, hyperparameters):
    return _images()

def serving_input_fn(hyperparameters):
    tensor = tf.placeholder(tf.float32, shape=[None, 299, 299, 3])
    return build_raw_serving_input_receiver_fn({"input_1": tensor})()
"""


@pytest.mark.long
@pytest.mark.integ
@pytest.mark.timeout(900)
def test_a_complete_keras_model_fn_is_trained_and_served(container: Container) -> None:
    container.write_code({"tf-train.py": script("A complete keras_model_fn", more=KERAS_INPUTS)})
    container.write_channel("training", {"x": ""})
    ended = container.train(hyperparameters={**TRAIN, "training_steps": 2, "evaluation_steps": 1})
    assert (ended.exit_code, ended.succeeded) == (0, True), ended.log
    assert re.search(r"Saving dict for global step 2: .*acc", ended.log), ended.log
    with container.serve(variables={"SAGEMAKER_PROGRAM": "tf-train.py"}) as server:
        body = json.dumps(np.zeros((299, 299, 3)).tolist())
        answer = server.invoke(body, content_type="application/json")
    assert answer.status == 200, answer.body
    (found,) = json.loads(answer.body)["outputs"].values()
    assert len(found["floatVal"]) == 1000
    assert sum(found["floatVal"]) == pytest.approx(1, rel=1e-3)


@pytest.mark.long
@pytest.mark.integ
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("local")
def test_the_step_of_distributed_training(tmp_path: Path) -> None:
    step = SAMPLES["The step of distributed training"]
    text, replaced = re.subn(
        r"  train_op = .*?\(\)\)\n", f"  {step}", script(*ABALONE), flags=re.DOTALL
    )
    assert replaced == 1
    (tmp_path / "tf-train.py").write_text(text, encoding="utf-8")
    (tmp_path / "data").mkdir()
    for name, content in datasets(7).items():
        (tmp_path / "data" / name).write_text(content, encoding="utf-8")
    estimator = TensorFlow(
        str(tmp_path / "tf-train.py"),
        role="SageMakerRole",
        train_instance_count=2,
        train_instance_type="ml.c4.xlarge",
        training_steps=200,
        evaluation_steps=1,
        hyperparameters={"learning_rate": 0.001},
    )
    estimator.fit(Session().upload_data(str(tmp_path / "data"), key_prefix="data"))
    with estimator.deploy(1, "ml.c4.xlarge") as predictor:
        (age,) = predictor.predict([0.5] * 7)["outputs"]["ages"]["floatVal"]
    assert np.isfinite(age)


SKELETONS = (
    "Skeleton of a model_fn",
    "Skeleton of an estimator_fn",
    "Skeleton of a keras_model_fn",
)


@pytest.mark.parametrize("model", SKELETONS)
def test_skeletons_are_scripts_whose_functions_are_called(tmp_path: Path, model: str) -> None:
    inputs = ("Skeleton of a train_input_fn", "Skeleton of an eval_input_fn")
    serving = SAMPLES["Skeleton of a serving_input_fn"]
    # A function of comments only is no Python.
    body = SAMPLES[model] + ("  pass\n" if "return" not in SAMPLES[model] else "")
    path = tmp_path / "tf-train.py"
    path.write_text("\n".join([body, *(SAMPLES[each] for each in inputs), serving]), "utf-8")
    with pytest.raises(SourceError, match="and the resulting feature Tensors together") as caught:
        runs_as_script(path, FUNCTIONS)
    assert "tf-train.py, line" in str(caught.value)
    path.write_text(
        path.read_text("utf-8").replace("  and the result", "  pass  # and the result"), "utf-8"
    )
    assert not runs_as_script(path, FUNCTIONS)
    TensorFlow(str(path), "SageMakerRole", 1, "local").training_request("s3://bucket/data")


def test_the_steps_of_a_request() -> None:
    names: dict[str, Any] = {
        "serialized_input": b"1",
        "request_content_type": "text/csv",
        "accepts": "application/json",
        "input_fn": lambda body, kind: (body, kind),
        "make_tensorflow_serving_prediction": lambda given: [given],
        "output_fn": lambda result, accepts: (result, accepts),
    }
    exec(compile(SAMPLES["Steps of a request"], "steps", "exec"), names)
    assert names["serialized_output"] == ([(b"1", "text/csv")], "application/json")


def test_every_sample_is_run() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    never_ran = ["An input_fn for pickled objects", "An output_fn for pickled objects"]
    assert len(SAMPLES) == 17
    tested = source.partition("def test_every_sample_is_run")[0]
    assert [title for title in SAMPLES if f'"{title}"' not in tested] == never_ran
