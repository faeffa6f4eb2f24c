"""How a script's functions are found and called; none of it needs TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sm_core.container.environment import TrainingEnvironment
from sm_core.errors import ConfigurationError, SourceError
from sm_tensorflow.container.userfunctions import UserFunctions

HYPERPARAMETERS = {"rate": 0.1}


def environment(folder: Path, channels: Sequence[str] = ("training", "other")) -> Any:
    config = folder / "input" / "config"
    config.mkdir(parents=True, exist_ok=True)
    (config / "hyperparameters.json").write_text('{"rate": "0.1"}', encoding="utf-8")
    entries = ", ".join(f'"{name}": {{}}' for name in channels)
    (config / "inputdataconfig.json").write_text(f"{{{entries}}}", encoding="utf-8")
    return TrainingEnvironment.read({"SAGEMAKER_BASE_DIR": str(folder)})


def functions(folder: Path, script: str, **options: Any) -> UserFunctions:
    module = ModuleType("train")
    exec(script, vars(module))
    return UserFunctions(module, environment(folder, **options))


@pytest.mark.parametrize(
    "definition",
    [
        "def train_input_fn(training_dir, hyperparameters):\n return training_dir, hyperparameters",
        "def train_input_fn(dir, params):\n return dir, params",
        "def train_input_fn(hyperparameters, training_dir):\n return training_dir, hyperparameters",
        "def train_input_fn(where, hyperpameters):\n return where, hyperpameters",
        "def train_input_fn(a='x', b=None, c=3):\n return a, b",
        "def train_input_fn(params, where):\n return where, params",
        "def train_input_fn(*both):\n return both",
        "def train_input_fn(**all):\n return all['training_dir'], all['hyperparameters']",
        "train_input_fn = lambda d, h: (lambda: (d, h))",
    ],
)
def test_inputs_by_name_and_by_position(tmp_path: Path, definition: str) -> None:
    found = functions(tmp_path, definition).call_with_inputs("train_input_fn")
    assert tuple(found) == (f"{tmp_path}/input/data/training", HYPERPARAMETERS)


def test_all_channels(tmp_path: Path) -> None:
    script = "def train_input_fn(input_channels, *, params):\n    return input_channels, params"
    channels, hyperparameters = functions(tmp_path, script, channels=("a", "b")).call_with_inputs(
        "train_input_fn"
    )
    assert channels == {name: f"{tmp_path}/input/data/{name}" for name in "ab"}
    assert hyperparameters == HYPERPARAMETERS


INPUTS = "def train_input_fn(training_dir, hyperparameters):\n    return training_dir"


def test_the_only_channel_is_the_training_dir(tmp_path: Path) -> None:
    found = functions(tmp_path, INPUTS, channels=("abalone",)).call_with_inputs("train_input_fn")
    assert found == f"{tmp_path}/input/data/abalone"


@pytest.mark.parametrize(
    ("channels", "reason"), [(("a", "b"), "only be one of several: a, b"), ((), "no input channel")]
)
def test_no_training_dir(tmp_path: Path, channels: tuple[str, ...], reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        functions(tmp_path, INPUTS, channels=channels).call_with_inputs("train_input_fn")


def test_what_is_never_passed_is_named(tmp_path: Path) -> None:
    script = "def train_input_fn(training_dir, hyperparameters, size): ..."
    with pytest.raises(SourceError, match="requires an argument that is not passed: size"):
        functions(tmp_path, script).call_with_inputs("train_input_fn")


@pytest.mark.parametrize(
    ("returned", "found"), [("None", "nothing"), ("lambda: None", "nothing"), ("1, 2, 3", "3 val")]
)
def test_inputs_that_are_none_are_named(tmp_path: Path, returned: str, found: str) -> None:
    script = f"def eval_input_fn(training_dir, hyperparameters):\n    return {returned}"
    with pytest.raises(SourceError, match=f"eval_input_fn returned {found}"):
        functions(tmp_path, script).call_with_inputs("eval_input_fn")


def test_all_missing_functions_are_named(tmp_path: Path) -> None:
    module = ModuleType("train")
    module.eval_input_fn = print  # type: ignore[attr-defined]  # as a script defines it
    with pytest.raises(
        SourceError,
        match=r"define model_fn \(or estimator_fn, or keras_model_fn\), train_input_fn, "
        r"serving_input_fn\. A script",
    ):
        UserFunctions.of(module, environment(tmp_path))


def test_estimator_fn_wins(tmp_path: Path) -> None:
    script = "def model_fn(): ...\ndef keras_model_fn(): ...\ndef estimator_fn(): ...\n"
    assert functions(tmp_path, script).model_function == "estimator_fn"


def test_hyperparameters_are_passed_where_there_is_room(tmp_path: Path) -> None:
    script = (
        "def serving_input_fn(params):\n    return params\ndef keras_model_fn():\n    return 1\n"
    )
    found = functions(tmp_path, script)
    assert found.call_with_hyperparameters("serving_input_fn") == HYPERPARAMETERS
    assert found.call_with_hyperparameters("keras_model_fn") == 1
