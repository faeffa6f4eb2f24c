"""Function mode through the contract, with the real TensorFlow."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sm_core.testing.containers import Container, Ended
from tests.sm_tensorflow.container.jobs import (
    LINEAR,
    TRAIN,
    checkpoints,
    container_of,
    exported,
    iris_like,
    wait_for,
)

pytestmark = [pytest.mark.integ, pytest.mark.timeout(600)]


def check(ended: Ended) -> None:
    assert (ended.exit_code, ended.failure, ended.succeeded) == (0, None, True), ended.log


def evaluated(log: str) -> list[int]:
    """Steps of the checkpoints that were evaluated."""
    return [int(step) for step in re.findall(r"Saving dict for global step (\d+):", log)]


EXTRAS = """
class Count(tf.train.SessionRunHook):
    def __init__(self, name):
        self.name, self.runs = name, 0
    def after_run(self, context, values):
        self.runs += 1
    def end(self, session):
        print(self.name, "ran", self.runs, "times", flush=True)

def monitors(hyperparameters):
    return [Count("monitor of %s" % hyperparameters["training_steps"])]

def hook():
    return Count("evaluation hook")

def metrics():
    return {"error": error}

def error(labels, predictions):
    return tf.metrics.mean_absolute_error(labels, predictions["y"])
"""


def test_every_hyperparameter_has_its_effect(tmp_path: Path, tensorflow_python: str) -> None:
    container = container_of(tmp_path / "c", tensorflow_python, LINEAR + EXTRAS)
    ended = container.train(
        hyperparameters={
            **TRAIN,
            "save_checkpoints_steps": 5,
            "keep_checkpoint_max": 2,
            "keep_checkpoint_every_n_hours": 10,
            "min_eval_frequency": 8,
            "log_step_count_steps": 4,
            "save_summary_steps": 10,
            "train_monitors": ["monitors"],
            "eval_hooks": ["hook"],
            "eval_metrics": "metrics",
        }
    )
    check(ended)
    assert checkpoints(container.base / "model") == [15, 20]
    # As in TensorFlow 1.4: no sooner than after 8 steps, and only what is saved since.
    assert evaluated(ended.log) == [5, 15, 20]
    assert len(re.findall(r"INFO tensorflow: loss = \S+, step = \d+", ended.log)) == 5
    assert "global_step/sec" in ended.log
    assert "monitor of 20 ran 20 times" in ended.log
    assert ended.log.count("evaluation hook ran 1 times") == 3
    assert len(re.findall(r"Saving dict for global step \d+: error = ", ended.log)) == 3
    assert "deprecated" not in ended.log
    folder = exported(container)
    events = next((container.base / "model").glob("events.out.tfevents.*"))
    assert summaries(tensorflow_python, events)[:2] == [0, 10]
    assert int(folder.name) > 0


def summaries(python: str, events: Path) -> list[int]:
    """Steps at which the loss was written."""
    code = (
        "import sys, tensorflow.compat.v1 as tf\n"
        "for event in tf.train.summary_iterator(sys.argv[1]):\n"
        "    if any(value.tag == 'loss' for value in event.summary.value):\n"
        "        print('step', event.step)\n"
    )
    done = subprocess.run(
        [python, "-c", code, str(events)], capture_output=True, text=True, check=True
    )
    # Steps are counted from 0 or from 1, as the session fetches the number.
    return [step - step % 5 for step in map(int, re.findall(r"step (\d+)", done.stdout))]


@pytest.mark.long
def test_evaluation_waits(tmp_path: Path, tensorflow_python: str) -> None:
    container = container_of(tmp_path / "c", tensorflow_python, LINEAR + EXTRAS)
    often = {**TRAIN, "train_steps_per_iteration": 5}
    throttled = container.train(
        hyperparameters={
            **often,
            "continuous_eval_throttle_secs": 36000,
            "checkpoint_path": None,
            # Hardly any time passes before one of them is kept for good.
            "keep_checkpoint_max": 1,
            "keep_checkpoint_every_n_hours": 1e-9,
            "eval_metrics": {"wrong": "error"},
        }
    )
    check(throttled)
    assert evaluated(throttled.log) == [5, 20]
    assert re.search(r"global step 20: .*wrong = ", throttled.log)
    assert checkpoints(container.base / "model") == [0, 5, 10, 15, 20]


@pytest.mark.long
def test_evaluation_is_delayed(tmp_path: Path, tensorflow_python: str) -> None:
    container = container_of(tmp_path / "c", tensorflow_python, LINEAR)
    ended = container.train(
        hyperparameters={**TRAIN, "train_steps_per_iteration": 5, "eval_delay_secs": 36000}
    )
    assert evaluated(ended.log) == [20]
    # Steps that are done already are not done again.
    job = {**TRAIN, "training_steps": 30, "save_checkpoints_steps": 2}
    again = container.train(
        hyperparameters={**job, "min_eval_frequency": 0, "keep_checkpoint_max": 0}
    )
    log = again.log.removeprefix(ended.log)
    assert "model.ckpt-20" in log
    assert evaluated(log) == [30]
    assert checkpoints(container.base / "model")[-6:] == [20, 22, 24, 26, 28, 30]


@pytest.mark.long
def test_training_ends_with_its_input(tmp_path: Path, tensorflow_python: str) -> None:
    container = container_of(tmp_path / "c", tensorflow_python, LINEAR)
    ended = container.train(
        hyperparameters={**TRAIN, "training_steps": None, "evaluation_steps": None, "epochs": 7}
    )
    check(ended)
    assert evaluated(ended.log) == [7]
    exported(container)


def test_a_stop_saves_and_exports(tmp_path: Path, tensorflow_python: str) -> None:
    container = container_of(tmp_path / "c", tensorflow_python, LINEAR)
    model = container.base / "model"
    with container.training(hyperparameters={**TRAIN, "training_steps": None}) as process:
        wait_for(lambda: bool(checkpoints(model)) and "step = " in container.log())
        os.killpg(process.pid, signal.SIGTERM)
        ended = container.ended(process)
    assert (ended.exit_code, ended.failure) == (143, None), ended.log
    assert checkpoints(model)[-1] > 0
    exported(container)


@pytest.mark.long
def test_a_stop_while_the_script_is_imported_saves_and_exports(
    tmp_path: Path, tensorflow_python: str
) -> None:
    stopped = "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n"
    container = container_of(tmp_path / "c", tensorflow_python, stopped + LINEAR)
    ended = container.train(hyperparameters={**TRAIN, "training_steps": None})
    assert (ended.exit_code, ended.failure) == (143, None), ended.log
    assert checkpoints(container.base / "model") == [0, 1]
    exported(container)


def refused(container: Container, **hyperparameters: Any) -> str:
    ended = container.train(hyperparameters={**TRAIN, **hyperparameters})
    assert ended.exit_code == 1, ended.log
    return str(ended.failure)


def test_a_checkpoint_of_another_model_is_named(tmp_path: Path, tensorflow_python: str) -> None:
    container = container_of(tmp_path / "c", tensorflow_python, LINEAR)
    check(container.train(hyperparameters=TRAIN))
    container.write_code({"train.py": LINEAR.replace('name="sum"', 'name="total"')})
    reason = refused(container)
    assert "the checkpoint model.ckpt-20 of" in reason
    assert "belongs to another model" in reason
    assert "total/bias not found in checkpoint" in reason
    data = next((container.base / "model").glob("model.ckpt-20.data-*"))
    data.write_bytes(bytes(data.stat().st_size))
    container.write_code({"train.py": LINEAR})
    (container.base / "output/failure").unlink()
    reason = refused(container)
    assert "cannot be restored: it is damaged" in reason
    assert "TensorFlow says: " in reason
    assert "Graph execution error" not in reason


@pytest.mark.long
def test_a_tensorflow_without_estimators_is_named(tmp_path: Path, python_with: Any) -> None:
    container = container_of(tmp_path / "c", python_with("2.21.0"), LINEAR)
    assert "this container has TensorFlow 2.21.0. Choose framework_version=" in refused(container)


@pytest.mark.parametrize(
    ("script", "hyperparameters", "reason"),
    [
        (
            "def model_fn(features, labels, mode): ...\n",
            {},
            "train.py does not define train_input_fn, eval_input_fn, serving_input_fn. A script",
        ),
        (LINEAR, {"training_steps": "x"}, "training_steps is 'x'; it must be a whole number"),
        (
            LINEAR,
            {"save_checkpoints_secs": 1, "save_checkpoints_steps": 1},
            "exclude each other",
        ),
        (LINEAR + "print 'x'\n", {}, "is Python 2 (a print statement)"),
    ],
)
def test_what_is_refused_before_tensorflow_is_imported(
    tmp_path: Path,
    tensorflow_python: str,
    script: str,
    hyperparameters: dict[str, Any],
    reason: str,
) -> None:
    container = container_of(tmp_path / "c", tensorflow_python, script)
    assert reason in refused(container, **hyperparameters)


_TRAIN_INPUT = '    return _rows(hyperparameters.get("epochs"))'
_NO_ROWS = """
    x = np.zeros((0, 2), dtype=np.float32)
    return tf.data.Dataset.from_tensor_slices(({"x": x}, x.sum(axis=1))).repeat().batch(4)
"""


@pytest.mark.long
@pytest.mark.parametrize(
    ("old", "new", "hyperparameters", "reason"),
    [
        ("def eval_input_fn", "def evaluate", {}, "train.py does not define eval_input_fn. A"),
        ('return tf.estimator.EstimatorSpec(mode, {"y": output}, ', "(", {}, "returned nothing"),
        ("", "", {"eval_hooks": ["absent"]}, "eval_hooks names 'absent', which is no function of"),
        ("", "", {"train_monitors": [{"a": 1}]}, "train_monitors names {'a': 1}"),
        (_TRAIN_INPUT, "    return None", {}, "train_input_fn returned nothing; it must return"),
        (_TRAIN_INPUT, _NO_ROWS, {}, "train_input_fn gave no batch, and so nothing was trained"),
        ("", "", {"eval_metrics": 3}, "eval_metrics is 3; it must be the name of a function"),
        ("", "", {"checkpoint_path": "here"}, "it must begin with s3://"),
    ],
)
def test_what_else_is_refused(
    tmp_path: Path,
    tensorflow_python: str,
    old: str,
    new: str,
    hyperparameters: dict[str, Any],
    reason: str,
) -> None:
    script = LINEAR.replace(old, new) if old else LINEAR
    container = container_of(tmp_path / "c", tensorflow_python, script)
    assert reason in refused(container, sagemaker_script_mode=False, **hyperparameters)


PREMADE = """
import os
import numpy as np
import tensorflow as tf

def estimator_fn(run_config, hyperparameters):
    name = hyperparameters["estimator"]
    columns = [tf.feature_column.numeric_column("inputs", shape=[4])]
    options = {}
    if "Combined" in name:
        options = {"linear_feature_columns": columns, "dnn_feature_columns": columns,
                   "dnn_hidden_units": [10, 20, 10]}
    else:
        options = {"feature_columns": columns}
        if "DNN" in name:
            options["hidden_units"] = [10, 20, 10]
    if "Classifier" in name:
        options["n_classes"] = 3
    return getattr(tf.estimator, name)(config=run_config, **options)

def _input(training_dir, hyperparameters, name):
    rows = tf.contrib.learn.datasets.base.load_csv_with_header(
        filename=os.path.join(training_dir, name), target_dtype=np.int, features_dtype=np.float32)
    target = np.array(rows.target)
    if "Regressor" in hyperparameters["estimator"]:
        target = target.astype(np.float32)
    return tf.estimator.inputs.numpy_input_fn(
        x={"inputs": np.array(rows.data)}, y=target, num_epochs=None, shuffle=True)()

def train_input_fn(training_dir, hyperparameters):
    return _input(training_dir, hyperparameters, "iris_training.csv")

def eval_input_fn(training_dir, hyperparameters):
    return _input(training_dir, hyperparameters, "iris_test.csv")

def serving_input_fn(hyperparameters):
    spec = {"inputs": tf.FixedLenFeature(dtype=tf.float32, shape=[4])}
    return tf.estimator.export.build_parsing_serving_input_receiver_fn(spec)()
"""
KINDS = ("Linear", "DNN", "DNNLinearCombined")
LONG = pytest.mark.long


@pytest.mark.long
@pytest.mark.parametrize("what", ["Classifier", "Regressor"])
@pytest.mark.parametrize("kind", ["Linear", "DNN", "DNNLinearCombined"])
def test_premade_estimators_train_and_export(
    tmp_path: Path, tensorflow_python: str, kind: str, what: str
) -> None:
    container = container_of(tmp_path / "c", tensorflow_python, PREMADE)
    files = {"iris_training.csv": iris_like(120), "iris_test.csv": iris_like(30)}
    container.write_channel("training", files)
    ended = container.train(
        hyperparameters={**TRAIN, "training_steps": 50, "estimator": f"{kind}{what}"}
    )
    check(ended)
    exported(container)
    method = "Classify" if what == "Classifier" else "Regress"
    assert f"Signatures INCLUDED in export for {method}: ['serving_default'" in ended.log
    with container.serve(variables={"SAGEMAKER_PROGRAM": "train.py"}) as server:
        answer = server.invoke("[6.4, 3.2, 4.5, 1.5]", content_type="application/json")
    assert answer.status == 200, answer.body
    result = json.loads(answer.body)["result"]
    if what == "Regressor":
        ((regression,),) = result.values()
        assert list(regression) == ["value"]
        return
    ((classification,),) = result.values()
    assert [each["label"] for each in classification["classes"]] == ["0", "1", "2"]
    assert sum(each["score"] for each in classification["classes"]) == pytest.approx(1, rel=1e-4)


OUTPUTS = """
def forms(output):
    scores = tf.stack([1 - output, output], axis=1)
    labels = tf.constant([["no", "yes"]])
    export = tf.estimator.export
    return {
        "classify": export.ClassificationOutput(scores, labels),
        "regress": export.RegressionOutput(output),
        "predict": export.PredictOutput({"twice": 2 * output, "y": output}),
    }
"""


@pytest.mark.long
def test_export_outputs_decide_the_form_of_answers(tmp_path: Path, tensorflow_python: str) -> None:
    script = LINEAR.replace(
        'predictions={"y": output})',
        'predictions={"y": output}, export_outputs={\n'
        '            "serving_default": forms(output)[hyperparameters["form"]]})',
    ).replace(
        """build_raw_serving_input_receiver_fn(
        {"x": tf.placeholder(tf.float32, [None, 2])})""",
        """build_parsing_serving_input_receiver_fn(
        {"x": tf.FixedLenFeature([2], tf.float32)})""",
    )
    answers = {}
    for form in ("classify", "regress", "predict"):
        container = container_of(tmp_path / form, tensorflow_python, script + OUTPUTS)
        check(container.train(hyperparameters={**TRAIN, "form": form}))
        with container.serve(variables={"SAGEMAKER_PROGRAM": "train.py"}) as server:
            answer = server.invoke('{"x": [0.5, 0.25]}', content_type="application/json")
        assert answer.status == 200, answer.body
        answers[form] = json.loads(answer.body)
    (classes,) = answers["classify"]["result"]["classifications"]
    assert [each["label"] for each in classes["classes"]] == ["no", "yes"]
    assert list(answers["regress"]["result"]) == ["regressions"]
    assert set(answers["predict"]["outputs"]) == {"twice", "y"}


KERAS = """
import numpy as np
import tensorflow as tf

def keras_model_fn(hyperparameters):
    model = tf.keras.models.Sequential()
    model.add(tf.keras.layers.Dense(1, input_shape=(2,), name="in"))
    model.compile(optimizer=tf.keras.optimizers.SGD(lr=0.0001, momentum=0.9),
                  loss="mse", metric="mae")
    print("learning rate", float(tf.keras.backend.eval(model.optimizer.lr)))
    return model

def _rows():
    x = np.ones((8, 2), dtype=np.float32)
    return tf.data.Dataset.from_tensor_slices(({"in_input": x}, x.sum(axis=1))).repeat().batch(4)

def train_input_fn(training_dir, hyperparameters):
    return _rows()

def eval_input_fn(training_dir, hyperparameters):
    return _rows()

def serving_input_fn(hyperparameters):
    inputs = {"in_input": tf.placeholder(tf.float32, [None, 2])}
    return tf.estimator.export.ServingInputReceiver(inputs, inputs)
"""


@pytest.mark.long
def test_a_keras_model_trains_and_exports(tmp_path: Path, tensorflow_python: str) -> None:
    container = container_of(tmp_path / "c", tensorflow_python, KERAS)
    ended = container.train(hyperparameters=TRAIN)
    check(ended)
    assert re.search(r"learning rate 9.99\d+e-05", ended.log), ended.log
    assert re.search(r"global step 20: .*mean_absolute_error", ended.log)
    exported(container)


@pytest.mark.long
@pytest.mark.parametrize("script", [LINEAR, KERAS], ids=["model_fn", "keras_model_fn"])
def test_the_last_tensorflow_with_estimators(tmp_path: Path, python_with: Any, script: str) -> None:
    container = container_of(tmp_path / "c", python_with("2.15.1"), script)
    check(container.train(hyperparameters=TRAIN))
    shutil.rmtree(exported(container))
