"""A training script that fails, from the user's end: the error says what the script said."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sm_core import Estimator, Session, TrainingJobFailed

pytestmark = pytest.mark.integ

SCRIPT = """
import logging


def train(hyperparameters):
    logging.getLogger().setLevel(logging.INFO)
    logging.info("about to divide")
    return 1 / hyperparameters["divisor"]
"""


@pytest.fixture
def session() -> Iterator[Session]:
    yield Session.local()
    down = [sys.executable, "-m", "sm_core.cli", "local", "down", "--all"]
    subprocess.run(down, check=True, capture_output=True)


@pytest.mark.timeout(600)
def test_a_failing_script_is_quoted_and_nothing_is_left_running(
    session: Session, tmp_path: Path
) -> None:
    script = tmp_path / "divide.py"
    script.write_text(SCRIPT, encoding="utf-8")
    estimator = Estimator(
        framework="mxnet",
        entry_point=str(script),
        role="SageMakerRole",
        train_instance_type="ml.c4.xlarge",
        hyperparameters={"divisor": 0},
        sagemaker_session=session,
    )
    with pytest.raises(TrainingJobFailed) as caught:
        estimator.fit(logs=False)
    error = caught.value
    assert "ZeroDivisionError: division by zero" in error.failure_reason
    assert any("about to divide" in line for line in error.log_tail)
    assert 'return 1 / hyperparameters["divisor"]' in str(error)
    status = [sys.executable, "-m", "sm_core.cli", "local", "status"]
    shown = subprocess.run(status, check=True, capture_output=True, text=True).stdout
    assert "Jobs none" in " ".join(shown.split())
