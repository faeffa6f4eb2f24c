"""The estimator, as users make it, and the requests that it makes."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest

from sm_core import ConfigurationError, Estimator, Session
from sm_core.attaching import DescribedJob
from sm_tensorflow import TensorFlow, TensorFlowModel, TensorFlowPredictor
from sm_tensorflow.estimator import TensorFlowOptions
from sm_tensorflow.options import OPTIONS

ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
FUNCTIONS = """
def model_fn(features, labels, mode, hyperparameters): ...
def train_input_fn(training_dir, hyperparameters): ...
def eval_input_fn(training_dir, hyperparameters): ...
def serving_input_fn(hyperparameters): ...
def metrics(): ...
"""
MAIN = "if __name__ == '__main__':\n    print('training')\n"


def estimator(folder: Path, text: str = FUNCTIONS, **options: Any) -> TensorFlow:
    script = folder / "tf-train.py"
    script.write_text(text, encoding="utf-8")
    given = {
        "role": ROLE,
        "train_instance_type": "ml.c4.xlarge",
        "sagemaker_session": Session(boto3.Session(region_name="us-west-2")),
        "framework_version": "1.4.1" if text is not MAIN else "2.14.1",
    }
    return TensorFlow(str(script), **{**given, **options})


def hyperparameters(made: TensorFlow) -> dict[str, Any]:
    sent = made.training_request("s3://bucket/data", job_name="job")["HyperParameters"]
    return {name: json.loads(text) for name, text in sent.items()}


def test_by_position_as_specified(tmp_path: Path) -> None:
    script = tmp_path / "tf-train.py"
    script.write_text(FUNCTIONS, encoding="utf-8")
    made = TensorFlow(str(script), "SageMakerRole", 2, "ml.c4.xlarge", 10000, 200)
    assert (made.role, made.train_instance_count) == ("SageMakerRole", 2)
    assert made.train_instance_type == "ml.c4.xlarge"
    assert (made.training_steps, made.evaluation_steps) == (10000, 200)


def test_by_the_framework_s_name(tmp_path: Path) -> None:
    script = tmp_path / "tf-train.py"
    script.write_text(FUNCTIONS, encoding="utf-8")
    made = Estimator(framework="tensorflow", entry_point=str(script), train_instance_type="local")
    assert isinstance(made, TensorFlow)
    assert made.framework is not None
    assert made.framework.model_class() is TensorFlowModel
    assert made.framework.predictor_class() is TensorFlowPredictor


def test_the_options_are_typed_as_they_are_declared() -> None:
    assert {option.name for option in OPTIONS} <= TensorFlowOptions.__optional_keys__
    assert {option.name for option in OPTIONS} <= set(inspect.signature(TensorFlow).parameters)


def test_what_a_job_of_function_mode_is_told(tmp_path: Path) -> None:
    told = hyperparameters(estimator(tmp_path, output_path="s3://own/results/"))
    assert told["training_steps"] == 1000
    assert told["evaluation_steps"] == 100
    assert told["checkpoint_path"] == "s3://own/results/job/checkpoints"
    assert "model_dir" not in told
    forever = estimator(tmp_path, training_steps=None, evaluation_steps=None)
    told = hyperparameters(forever)
    assert (told["training_steps"], told["evaluation_steps"]) == (None, None)
    resumed = estimator(tmp_path, checkpoint_path="s3://own/before")
    assert hyperparameters(resumed)["checkpoint_path"] == "s3://own/before"


def test_what_a_job_of_script_mode_is_told(tmp_path: Path) -> None:
    made = estimator(tmp_path, MAIN, output_path="s3://own/", hyperparameters={"rate": 0.1})
    told = hyperparameters(made)
    assert told["model_dir"] == "s3://own/job/model"
    assert told["rate"] == 0.1
    assert not {"training_steps", "evaluation_steps", "checkpoint_path"} & told.keys()
    assert "model_dir" not in hyperparameters(estimator(tmp_path, MAIN, model_dir=False))
    own = estimator(tmp_path, MAIN, hyperparameters={"model_dir": "/opt/ml/model"})
    assert hyperparameters(own)["model_dir"] == "/opt/ml/model"


@pytest.mark.parametrize(
    ("options", "mistake"),
    [
        ({"training_steps": "10"}, "training_steps is '10'; it must be a whole number, or None"),
        ({"evaluation_steps": 1.5}, "evaluation_steps is 1.5"),
        ({"training_steps": 0}, "training_steps is 0; it must be positive"),
        ({"training_steps": True}, "training_steps is True; it must be a whole number"),
        ({"evaluation_steps": 0}, "evaluation_steps is 0; it must be positive"),
        ({"checkpoint_path": "here"}, "checkpoint_path 'here' is not of the form"),
        ({"hyperparameters": {"save_summary_steps": 0}}, "save_summary_steps is 0"),
        ({"hyperparameters": {"save_checkpoints_steps": "5"}}, "save_checkpoints_steps is '5'"),
        ({"hyperparameters": {"keep_checkpoint_max": -1}}, "a whole number of at least 0"),
        ({"hyperparameters": {"keep_checkpoint_every_n_hours": 0}}, "a number of hours above 0"),
        ({"hyperparameters": {"eval_delay_secs": -1}}, "a number of seconds"),
        ({"hyperparameters": {"delay_workers_by_global_step": 1}}, "True or False"),
        ({"hyperparameters": {"eval_hooks": {"a": "metrics"}}}, "the name of a function in the s"),
        ({"hyperparameters": {"eval_hooks": [object]}}, "the name of a function in the script"),
        (
            {"hyperparameters": {"eval_metrics": "absent"}},
            "absent, which the script does not define",
        ),
        (
            {"hyperparameters": {"eval_metrics": {"error": "absent"}}},
            "eval_metrics names absent, which the script does not define",
        ),
        ({"hyperparameters": {"eval_metrics": {"error": len}}}, "a dict of such functions' names"),
        ({"hyperparameters": {"eval_metrics": ["metrics"]}}, "a dict of such functions' names"),
        (
            {"hyperparameters": {"save_checkpoints_secs": 1, "save_checkpoints_steps": 1}},
            "save_checkpoints_secs and save_checkpoints_steps are both given",
        ),
    ],
)
def test_mistakes_are_told_at_once(tmp_path: Path, options: dict[str, Any], mistake: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        estimator(tmp_path, **options)
    assert mistake in str(caught.value)


def test_every_optional_hyperparameter_is_taken(tmp_path: Path) -> None:
    given = {
        "save_summary_steps": 10,
        "save_checkpoints_steps": 5,
        "keep_checkpoint_max": 0,
        "keep_checkpoint_every_n_hours": 0.5,
        "log_step_count_steps": 1,
        "eval_metrics": "metrics",
        "train_monitors": ["metrics"],
        "eval_hooks": "metrics",
        "eval_delay_secs": 0,
        "continuous_eval_throttle_secs": 60,
        "min_eval_frequency": 0,
        "delay_workers_by_global_step": True,
        "train_steps_per_iteration": 10,
    }
    told = hyperparameters(estimator(tmp_path, hyperparameters=given))
    assert {name: told[name] for name in given} == given
    named = {"error": "metrics"}
    told = hyperparameters(estimator(tmp_path, hyperparameters={"eval_metrics": named}))
    assert told["eval_metrics"] == named


def test_steps_may_be_numbers_of_numpy(tmp_path: Path) -> None:
    told = hyperparameters(estimator(tmp_path, training_steps=np.int64(20)))
    assert told["training_steps"] == 20


def test_a_script_of_its_own_may_call_its_hyperparameters_anything(tmp_path: Path) -> None:
    made = estimator(tmp_path, MAIN, hyperparameters={"eval_metrics": 3, "training_steps": 7})
    assert hyperparameters(made)["training_steps"] == 7
    with pytest.raises(ConfigurationError, match="training_steps, checkpoint_path: these are for"):
        estimator(tmp_path, MAIN, training_steps=5, checkpoint_path="s3://own/x")


def test_missing_functions_are_all_named(tmp_path: Path) -> None:
    made = estimator(tmp_path, "def train_input_fn(training_dir, hyperparameters): ...\n")
    with pytest.raises(ConfigurationError) as caught:
        made.training_request("s3://bucket/data")
    assert (
        "tf-train.py does not define model_fn (or estimator_fn, or keras_model_fn), eval_input_fn, "
        "serving_input_fn"
    ) in str(caught.value)


def test_missing_functions_are_named_where_any_version_would_do(tmp_path: Path) -> None:
    made = estimator(
        tmp_path,
        "def model_fn(features, labels, mode, hyperparameters): ...\n",
        framework_version="2.14.1",
        train_instance_type="local",
        sagemaker_session=None,
    )
    with pytest.raises(ConfigurationError, match="train_input_fn, eval_input_fn, serving_input_fn"):
        made.training_request("s3://bucket/data")


def test_keras_on_several_hosts_is_refused(tmp_path: Path) -> None:
    script = FUNCTIONS.replace("model_fn(features, labels, mode, ", "keras_model_fn(")
    hyperparameters(estimator(tmp_path, script))
    with pytest.raises(ConfigurationError, match="Keras models train on one host only"):
        hyperparameters(estimator(tmp_path, script, train_instance_count=2))


OWN_IMAGE = "123456789012.dkr.ecr.us-west-2.amazonaws.com/own:1"
LEGACY_IMAGE = "520713654638.dkr.ecr.us-west-2.amazonaws.com/sagemaker-tensorflow:1.4.1-cpu-py2"


def test_functions_on_several_hosts_without_a_shared_folder_are_refused(tmp_path: Path) -> None:
    version: dict[str, Any] = {"framework_version": None}
    hyperparameters(estimator(tmp_path, image_name=OWN_IMAGE, **version))
    with pytest.raises(ConfigurationError, match="the hosts share no folder") as caught:
        hyperparameters(
            estimator(tmp_path, image_name=OWN_IMAGE, train_instance_count=2, **version)
        )
    for way_out in ("train_instance_count to 1", "='1.10.0'", "MultiWorkerMirroredStrategy"):
        assert way_out in str(caught.value)
    # As many hosts as one likes for a script of its own.
    hyperparameters(
        estimator(tmp_path, MAIN, image_name=OWN_IMAGE, train_instance_count=2, **version)
    )


@pytest.mark.parametrize(
    "options",
    [
        {"framework_version": "1.4.1"},
        {"framework_version": "1.10"},
        {"framework_version": None, "image_name": LEGACY_IMAGE},
        {"framework_version": "1.10.0", "image_name": OWN_IMAGE},
        {"framework_version": None, "sagemaker_session": None, "train_instance_type": "local"},
    ],
)
def test_functions_on_several_hosts_train_where_all_write_to_one_place(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    made = estimator(tmp_path, train_instance_count=2, **options)
    assert hyperparameters(made)["checkpoint_path"].endswith("/job/checkpoints")


def test_functions_on_an_image_that_only_runs_scripts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"would not train on AWS") as caught:
        hyperparameters(estimator(tmp_path, framework_version=None))
    for way_out in ("framework_version='1.10.0'", "image_name=", "script_mode=True", "'local'"):
        assert way_out in str(caught.value)


@pytest.mark.parametrize(
    ("text", "mode"),
    [(FUNCTIONS, True), (MAIN, False), (MAIN + FUNCTIONS, True)],
)
def test_how_a_script_is_run(tmp_path: Path, text: str, mode: bool) -> None:
    version = {"framework_version": "2.14.1"}
    assert estimator(tmp_path, text, **version).function_mode() is mode
    assert estimator(tmp_path, text, script_mode=True, **version).function_mode() is False


def test_a_script_in_s3_is_run_by_an_image_that_only_runs_scripts() -> None:
    made = TensorFlow(
        "train.py",
        ROLE,
        source_dir="s3://own/code.tar.gz",
        train_instance_type="ml.c4.xlarge",
        sagemaker_session=Session(boto3.Session(region_name="us-west-2")),
    )
    told = hyperparameters(made)
    assert "model_dir" in told
    assert "training_steps" not in told


@pytest.mark.parametrize(
    ("version", "own", "mode"),
    [
        ("1.4.1", {"training_steps": 7, "evaluation_steps": None, "rate": 0.1}, True),
        ("2.14.1", {"training_steps": 7, "checkpoint_path": "s3://own/kept"}, True),
        ("2.14.1", {"model_dir": "s3://own/results/job/model", "rate": 0.1}, False),
    ],
)
def test_a_job_is_attached_to_with_its_own_options(
    version: str, own: dict[str, Any], mode: bool
) -> None:
    session = Session(boto3.Session(region_name="us-west-2"))
    toolkit = {"program": "train.py", "submit_directory": "s3://own/code.tar.gz"}
    given = {**own, **{f"sagemaker_{name}": value for name, value in toolkit.items()}}
    legacy = version.startswith("1.")
    image = (
        f"520713654638.dkr.ecr.us-west-2.amazonaws.com/sagemaker-tensorflow:{version}-cpu-py2"
        if legacy
        else f"763104351884.dkr.ecr.us-west-2.amazonaws.com/tensorflow-training:{version}-cpu-py310"
    )
    description = {
        "TrainingJobName": "job",
        "RoleArn": ROLE,
        "AlgorithmSpecification": {"TrainingImage": image},
        "ResourceConfig": {"InstanceType": "ml.c4.xlarge", "InstanceCount": 1},
        "HyperParameters": {name: json.dumps(value) for name, value in given.items()},
    }
    job = DescribedJob.of(description, None)
    made = TensorFlow(**TensorFlow.options_of_job(job, session))
    assert made.framework_version == version
    assert made.function_mode() is mode
    assert made.training_steps == (7 if mode else 1000)
    assert made.checkpoint_path == own.get("checkpoint_path")
    assert made.model_dir is None
    assert made.hyperparameters() == ({"rate": 0.1} if "rate" in own else {})


DEPLOYED = "s3://bucket/job/output/model.tar.gz"


@pytest.mark.parametrize(
    ("text", "goes_along"),
    [(MAIN, False), (MAIN + "def handler(data, context): ...\n", True)],
)
def test_a_script_that_serves_nothing_stays_behind_on_aws(
    tmp_path: Path, text: str, goes_along: bool
) -> None:
    made = estimator(tmp_path, text, framework_version="2.14.1")
    model = made.create_model(model_data=DEPLOYED)
    assert (model.entry_point is not None) is goes_along
    local = estimator(
        tmp_path, text, train_instance_type="local", sagemaker_session=None
    ).create_model(model_data=DEPLOYED)
    assert local.entry_point is not None


def test_tensorboard_cannot_show_a_job_that_is_not_waited_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="leave wait=False out"):
        estimator(tmp_path).fit("s3://bucket/data", wait=False, run_tensorboard_locally=True)


def test_tensorboard_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tensorboard", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'sm-tensorflow\[tensorboard\]'"):
        estimator(tmp_path).fit("s3://bucket/data", run_tensorboard_locally=True)
