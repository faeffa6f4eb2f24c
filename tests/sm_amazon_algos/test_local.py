"""The algorithms on this machine, through the local service: on one host, and on several."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import uv
from sklearn.datasets import load_breast_cancer

from sm_amazon_algos import PCA, KMeans, LinearLearner, write_numpy_to_dense_tensor
from sm_amazon_algos.containers import container_spec
from sm_core.containerspec import Device
from sm_core.errors import TrainingJobFailed
from sm_core.inputs import TrainingInput
from sm_core.session import Session
from sm_local.environments import index_settings
from sm_local.home import Home
from sm_local.startup import stop_service

pytestmark = pytest.mark.integ

ROWS, LABELS = load_breast_cancer(return_X_y=True)
ROWS = ROWS.astype(np.float32)


@pytest.fixture
def local_session() -> Iterator[Session]:
    """A Session of a local service of the test's own, which is stopped in any case."""
    yield Session.local()
    stop_service(Home.default())


def answers(estimator: Any, records: Any) -> dict[str, npt.NDArray[Any]]:
    """What an estimator's model says of all rows, once it has been trained."""
    estimator.fit(records, logs=False)
    with estimator.deploy(1, "ml.m5.large") as predictor:
        found: dict[str, npt.NDArray[Any]] = predictor.predict(ROWS, as_numpy=True)
        return found


def test_metric_definitions_find_the_log_s_lines(local_session: Session) -> None:
    learner = LinearLearner(
        "SageMakerRole",
        1,
        "ml.c5.xlarge",
        predictor_type="binary_classifier",
        epochs=2,
        num_models=1,
        sagemaker_session=local_session,
        metrics={
            "train:progress": r"#progress_metric: host=\S+, completed (\S+) %",
            "train:throughput": r"#throughput_metric: host=\S+, train throughput=(\S+)",
            "train:objective_loss": r"epoch=\d+, train \S+_objective <loss>=(\S+)",
            "validation:objective_loss": r"epoch=\d+, validation \S+_objective <loss>=(\S+)",
            "validation:objective_loss:final": r"host=\S+, validation \S+_objective <loss>=(\S+)",
            "validation:binary_f_beta": r"host=\S+, validation binary_f_\S+ <score>=(\S+)",
            "validation:roc_auc_score": r"#validation_score \S+ : \('roc_auc_score', (\S+)\)",
        },
    )
    train = learner.record_set(ROWS[:400], LABELS[:400])
    validation = learner.record_set(ROWS[400:], LABELS[400:], channel="validation")
    learner.fit([train, validation], mini_batch_size=100, logs=False)
    assert learner.latest_training_job is not None
    described = learner.latest_training_job.describe()
    found = {each["MetricName"]: each["Value"] for each in described["FinalMetricDataList"]}
    assert found["train:progress"] == 100
    assert found["train:throughput"] > 0
    assert 0 < found["train:objective_loss"] < 1
    # The same weights may be judged in other batches, whose sums are rounded in another way.
    most = 1.0001 * found["validation:objective_loss"]
    assert 0 < found["validation:objective_loss:final"] <= most
    assert 0.8 < found["validation:binary_f_beta"] <= 1
    assert 0.9 < found["validation:roc_auc_score"] <= 1


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_what_pytorch_needs_can_be_installed(device: Device) -> None:
    requirements = container_spec("pca", device, hosts=2).requirements
    done = subprocess.run(
        [
            uv.find_uv_bin(),
            "pip",
            "install",
            "--dry-run",
            "--python",
            sys.executable,
            *requirements,
        ],
        env={**os.environ, **index_settings(os.environ)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert " + torch==" in done.stderr


@pytest.mark.long
def test_two_hosts_come_to_what_one_comes_to(local_session: Session) -> None:
    options: dict[str, Any] = {
        "role": "SageMakerRole",
        "train_instance_type": "ml.c5.xlarge",
        "sagemaker_session": local_session,
    }
    found = []
    for hosts in (1, 2):
        options["train_instance_count"] = hosts
        kmeans = KMeans(**options, k=4, epochs=6, hyperparameters={"_seed": 1})
        pca = PCA(**options, num_components=3)
        learner = LinearLearner(**options, predictor_type="binary_classifier")
        distances = answers(kmeans, kmeans.record_set(ROWS))["distance_to_cluster"]
        projected = answers(pca, pca.record_set(ROWS))["projection"]
        predicted = answers(learner, learner.record_set(ROWS, LABELS))["predicted_label"]
        found.append((np.mean(distances**2), projected, np.mean(predicted == LABELS)))
    (msd, projected, accuracy), (other_msd, other_projected, other_accuracy) = found
    assert other_msd == pytest.approx(msd, rel=0.02)
    np.testing.assert_allclose(other_projected, projected, atol=1e-4 * np.abs(projected).max())
    assert other_accuracy >= accuracy - 0.01


@pytest.mark.long
def test_what_one_host_finds_wrong_is_why_the_job_fails(local_session: Session) -> None:
    rows = ROWS.copy()
    rows[-1, 2] = np.nan
    kmeans = KMeans("SageMakerRole", 2, "ml.c5.xlarge", k=4, sagemaker_session=local_session)
    records = kmeans.record_set(rows)
    with pytest.raises(TrainingJobFailed, match=r"ClientError: Channel 'train' has .* NaN"):
        kmeans.fit(records, mini_batch_size=50, logs=False)


@pytest.mark.long
def test_hosts_whose_rows_differ_in_width_say_so(local_session: Session, tmp_path: Path) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    for number, width in enumerate((5, 4)):
        with (folder / str(number)).open("wb") as file:
            write_numpy_to_dense_tensor(file, ROWS[:, :width].copy(), LABELS.astype(np.float32))
    data = local_session.upload_data(str(folder), key_prefix="rows")
    learner = LinearLearner(
        "SageMakerRole",
        2,
        "ml.c5.xlarge",
        predictor_type="regressor",
        sagemaker_session=local_session,
    )
    train = TrainingInput(data, distribution="ShardedByS3Key")
    with pytest.raises(TrainingJobFailed, match="have 4 features on one host and 5 on another"):
        learner.fit({"train": train}, mini_batch_size=50, logs=False)


@pytest.mark.long
def test_pipes_of_more_rows_than_are_kept(local_session: Session) -> None:
    random = np.random.default_rng(0)
    rows = random.standard_normal((800_000, 100), dtype=np.float32)
    labels = (rows[:, 0] > 1).astype(np.float32)
    learner = LinearLearner(
        "SageMakerRole",
        1,
        "ml.c5.xlarge",
        predictor_type="binary_classifier",
        epochs=2,
        num_models=2,
        positive_example_weight_mult="balanced",
        input_mode="Pipe",
        sagemaker_session=local_session,
        metrics={"accuracy": r"host=\S+, train binary_classification_accuracy <score>=(\S+)"},
    )
    learner.fit(learner.record_set(rows, labels), logs=False)
    assert learner.latest_training_job is not None
    (accuracy,) = learner.latest_training_job.describe()["FinalMetricDataList"]
    assert accuracy["Value"] > 0.95
