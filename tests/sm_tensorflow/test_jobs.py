"""Jobs on one host and several, from the estimator to an answer, through the local service."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sm_core import Session
from sm_tensorflow import TensorFlow
from tests.sm_tensorflow.container.jobs import LINEAR, wait_for

pytestmark = [pytest.mark.integ, pytest.mark.long, pytest.mark.timeout(1800)]


def estimator(folder: Path, session: Session, text: str = LINEAR, **options: Any) -> TensorFlow:
    script = folder / "train.py"
    script.write_text(text, encoding="utf-8")
    steps = {"training_steps": None, "evaluation_steps": 1} if text is LINEAR else {}
    given = {"role": "SageMakerRole", "train_instance_type": "ml.c4.xlarge", **steps}
    return TensorFlow(str(script), sagemaker_session=session, **{**given, **options})


def data(folder: Path, session: Session) -> str:
    (folder / "data").mkdir()
    (folder / "data" / "x.csv").write_text("", encoding="utf-8")
    return session.upload_data(folder / "data")


def checkpoints(made: TensorFlow) -> list[str]:
    """Names of what is in S3 of a job's checkpoints."""
    assert made.latest_training_job is not None
    told = made.latest_training_job.describe()["HyperParameters"]
    bucket, _, prefix = json.loads(told["checkpoint_path"]).removeprefix("s3://").partition("/")
    objects = made.sagemaker_session.client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix)
    return [entry["Key"].removeprefix(f"{prefix}/") for entry in objects.get("Contents", [])]


def check_that_it_answers(made: TensorFlow) -> None:
    with made.deploy(initial_instance_count=1, instance_type="ml.c4.xlarge") as predictor:
        (answer,) = predictor.predict([0.5, 0.25])["outputs"]["y"]["floatVal"]
    assert isinstance(answer, float)


@pytest.mark.parametrize("hosts", [1, 2])
def test_a_stopped_job_deploys(tmp_path: Path, local_session: Session, hosts: int) -> None:
    made = estimator(tmp_path, local_session, train_instance_count=hosts)
    made.fit(data(tmp_path, local_session), wait=False)
    job = made.latest_training_job
    assert job is not None
    # An environment is built before.
    wait_for(lambda: "checkpoint" in checkpoints(made), patience=1200)
    job.stop()
    with pytest.warns(UserWarning, match="its model is what had been saved by then"):
        description = job.wait(logs=False)
    assert description["TrainingJobStatus"] == "Stopped"
    # The step at which it was stopped, and not only the first one.
    saved = [name for name in checkpoints(made) if name.endswith(".index")]
    assert max(int(name.removesuffix(".index").rpartition("-")[2]) for name in saved) > 0
    check_that_it_answers(made)


def test_a_job_that_reaches_train_max_run_deploys(tmp_path: Path, local_session: Session) -> None:
    made = estimator(tmp_path, local_session, train_max_run=90)
    with pytest.warns(UserWarning, match=r"was stopped \(MaxRuntimeExceeded\)"):
        made.fit(data(tmp_path, local_session), logs=False)
    check_that_it_answers(made)


MIRRORED = """
import argparse, os
import numpy as np
import tensorflow as tf

parser = argparse.ArgumentParser()
parser.add_argument("--model_dir")
print("model_dir is", parser.parse_args().model_dir)
strategy = tf.distribute.MultiWorkerMirroredStrategy()
with strategy.scope():
    model = tf.keras.Sequential([tf.keras.layers.Dense(1, input_shape=(2,), name="y")])
    model.compile("sgd", "mse")
x = np.arange(32, dtype="float32").reshape(16, 2) / 32
model.fit(tf.data.Dataset.from_tensor_slices((x, x.sum(axis=1))).batch(4), epochs=2, verbose=0)
print("replicas", strategy.num_replicas_in_sync)
first = os.environ["SM_CURRENT_HOST"] == "algo-1"
model.save(os.path.join(os.environ["SM_MODEL_DIR"], "1") if first else "../other")
"""


def test_mirrored_workers_of_a_script_of_its_own(
    tmp_path: Path, local_session: Session, capfd: pytest.CaptureFixture[str]
) -> None:
    made = estimator(
        tmp_path,
        local_session,
        MIRRORED,
        train_instance_count=2,
        framework_version="2.14.1",
        hyperparameters={"sagemaker_multi_worker_mirrored_strategy_enabled": True},
    )
    made.fit(data(tmp_path, local_session))
    assert made.latest_training_job is not None
    log = capfd.readouterr().out
    place = f"s3://{local_session.default_bucket()}/{made.latest_training_job.name}/model"
    assert log.count(f"model_dir is {place}") == 2
    assert log.count("replicas 2") == 2
    with made.deploy(initial_instance_count=1, instance_type="ml.c4.xlarge") as predictor:
        ((answer,),) = predictor.predict({"instances": [[0.5, 0.25]]})["predictions"]
    assert isinstance(answer, float)
