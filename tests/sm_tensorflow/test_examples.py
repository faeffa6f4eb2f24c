"""The examples with TensorFlow, through the local service."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integ, pytest.mark.timeout(900)]

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the examples, with a home for the local service that all of them share."""
    folder = tmp_path_factory.mktemp("examples")
    for source in EXAMPLES.glob("tensorflow_*"):
        ignored = shutil.ignore_patterns("data", "__pycache__")
        shutil.copytree(source, folder / source.name, ignore=ignored)
    try:
        yield folder
    finally:
        run(folder, "-m", "sm_core.cli", "local", "down", "--all")


def run(folder: Path, *arguments: str) -> str:
    """What a Python program prints there; fails with its output if it does."""
    home = folder if (folder / "tensorflow_iris").is_dir() else folder.parent
    answer = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "SMCORE_LOCAL_HOME": str(home / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def number(pattern: str, output: str) -> float:
    """The number that stands in `output` where the pattern has its group."""
    found = re.search(pattern, output)
    assert found is not None, output
    return float(found[1])


def test_iris_is_trained_evaluated_exported_and_classified(folder: Path) -> None:
    output = run(folder / "tensorflow_iris", "iris.py")
    evaluated = number(r"global step 500: accuracy = ([\d.]+)", output)
    assert evaluated > 0.9
    asked = number(r"accuracy on 30 held-out flowers: ([\d.]+)%", output)
    assert asked / 100 == pytest.approx(evaluated, abs=0.001)
    # As the specification shows it.
    score = r"[\d.e-]+"
    classes = ", ".join(rf"{{'label': '{name}', 'score': {score}}}" for name in range(3))
    shape = rf"{{'result': {{'classifications': \[{{'classes': \[{classes}\]}}\]}}}}"
    assert re.search(rf"^the first answer: {shape}$", output, re.MULTILINE), output


#: Who answers with the mean of all patients is wrong by 77.
KNOWS_SOMETHING = 70
ERROR = r"error on 100 held-out patients: ([\d.]+)"


def test_a_regression_with_layers(folder: Path) -> None:
    output = run(folder / "tensorflow_diabetes", "regression.py")
    evaluated = number(r"global step 500: .*rmse = ([\d.]+)", output)
    assert evaluated < KNOWS_SOMETHING
    assert number(ERROR, output) == pytest.approx(evaluated, abs=0.1)


@pytest.mark.long
def test_a_keras_model(folder: Path) -> None:
    output = run(folder / "tensorflow_diabetes", "regression.py", "progression_keras.py")
    assert "mean_absolute_error = " in output
    assert number(ERROR, output) < KNOWS_SOMETHING


@pytest.mark.long
def test_a_training_is_resumed_from_its_checkpoints(folder: Path) -> None:
    first, resumed, second = re.split(
        r"(training goes on from model\.ckpt-100 of s3://\S+)",
        run(folder / "tensorflow_diabetes", "resume.py"),
    )
    assert "/diabetes-" in resumed
    number(r"global step (100): .*rmse = ", first)
    assert re.search(r"Restoring parameters from \S+/model\.ckpt-100$", second, re.MULTILINE)
    assert number(r"global step 500: .*rmse = ([\d.]+)", second) < KNOWS_SOMETHING


@pytest.mark.long
def test_a_script_of_its_own_on_a_current_tensorflow(folder: Path) -> None:
    output = run(folder / "tensorflow_digits", "script_mode.py")
    assert number(r"accuracy on 300 held-out digits: ([\d.]+)%", output) > 80
