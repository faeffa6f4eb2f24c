"""Training and serving containers through their contract: processes, files, HTTP."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_iris

from sm_amazon_algos import numpy_to_record_serializer, plugin, records_to_numpy
from sm_core.container.environment import ServingEnvironment
from sm_core.testing.containers import Container, Ended

pytestmark = pytest.mark.integ

RECORDS = "application/x-recordio-protobuf"
ROWS = load_iris().data
KMEANS = {"SMCORE_ALGORITHM": "kmeans"}


@pytest.fixture
def container(tmp_path: Path) -> Container:
    return Container(tmp_path)


def write(container: Container, channel: str, body: bytes) -> None:
    folder = container.base / "input" / "data" / channel
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "part-0").write_bytes(body)


def train(container: Container, **hyperparameters: object) -> Ended:
    return container.train(hyperparameters=hyperparameters, variables=KMEANS)


def test_a_model_is_trained_and_served(container: Container) -> None:
    write(container, "train", numpy_to_record_serializer(ROWS))
    write(container, "test", numpy_to_record_serializer(ROWS[:50]))
    ended = train(container, k=3, feature_dim=4, epochs=3, _seed=1)
    assert (ended.exit_code, ended.failure, ended.succeeded) == (0, None, True), ended.log
    assert "#quality_metric: host=algo-1, test msd <loss>=" in ended.log
    assert [path.name for path in (container.base / "model").iterdir()] == ["model_algo-1"]
    with container.serve(variables=KMEANS) as server:
        answer = server.invoke(b"5.1,3.5,1.4,0.2\n", content_type="text/csv")
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
        (row,) = json.loads(answer.body)["predictions"]
        assert set(row) == {"closest_cluster", "distance_to_cluster"}
        body = numpy_to_record_serializer(ROWS)
        answer = server.invoke(body, content_type=RECORDS, accept=RECORDS)
        clusters = records_to_numpy(answer.body).label["closest_cluster"]
        assert len(np.unique(clusters[:50])) == 1
        bad = server.invoke(b"1,2", content_type="text/csv")
        assert (bad.status, bad.body) == (400, b"unable to evaluate payload provided")
    assert "does not match the feature dimension of the model: 4" in container.log()


@pytest.mark.parametrize(
    ("hyperparameters", "body", "reason"),
    [
        (
            {},
            b"",
            (
                "No value(s) were specified for 'k', 'feature_dim' which are required "
                "hyperparameter(s) (caused by ValidationError)"
            ),
        ),
        (
            {"k": 3, "feature_dim": 4, "clusters": 3},
            b"",
            "Additional hyperparameters are not allowed ('clusters' was unexpected)",
        ),
        (
            {"k": 3, "feature_dim": 5},
            numpy_to_record_serializer(ROWS),
            (
                "The feature dimension of the input: 4 does not match the feature dimension of the "
                "model: 5."
            ),
        ),
        (
            {"k": 3, "feature_dim": 4},
            b"hello",
            (
                "Unable to read data channel 'train'. Requested content-type is "
                "'application/x-recordio-protobuf'."
            ),
        ),
        (
            {"k": 151, "feature_dim": 4},
            numpy_to_record_serializer(ROWS),
            "The number of clusters k=151 is larger than the number of rows",
        ),
    ],
    ids=["missing", "unknown", "width", "damaged", "too many clusters"],
)
def test_what_the_customer_has_to_correct_ends_the_job(
    container: Container, hyperparameters: dict[str, object], body: bytes, reason: str
) -> None:
    write(container, "train", body)
    ended = train(container, **hyperparameters)
    assert ended.exit_code == 2
    assert ended.failure is not None
    assert ended.failure.startswith(f"ClientError: {reason}")
    assert f"Customer Error: {reason}" in ended.log
    assert "Traceback" not in ended.log


def test_channels_that_are_missing_or_unknown(container: Container) -> None:
    sentence = "Failed to validate input data configuration. (caused by ValidationError)"
    ended = train(container, k=3, feature_dim=4)
    assert ended.failure is not None
    assert sentence in ended.failure
    assert "'train' is a required property" in ended.failure
    shutil.rmtree(container.base / "output")
    write(container, "train", b"")
    write(container, "validation", b"")
    ended = train(container, k=3, feature_dim=4)
    assert ended.failure is not None
    assert "'validation' unexpected" in ended.failure


def test_hook_sm_train_leaves_other_containers_alone(container: Container) -> None:
    container.write_code({"train.py": "print('a script')"})
    ended = container.train(hyperparameters={"sagemaker_program": "train.py"})
    assert ended.exit_code == 0
    assert "a script" in ended.log


def test_hook_sm_inference_leaves_other_containers_alone(tmp_path: Path) -> None:
    environment = ServingEnvironment.read({"SAGEMAKER_BASE_DIR": str(tmp_path)})
    assert plugin.sm_inference(environment) is None


def test_several_hosts_need_pytorch(container: Container) -> None:
    addresses = json.dumps({"algo-1": "127.0.0.1:47000-47009", "algo-2": "127.0.0.1:47010-47019"})
    write(container, "train", numpy_to_record_serializer(ROWS))
    ended = container.train(
        hyperparameters={"k": 3, "feature_dim": 4},
        hosts=("algo-1", "algo-2"),
        variables={**KMEANS, "SMCORE_HOST_ADDRESSES": addresses},
    )
    assert ended.failure is not None
    assert "a job of 2 hosts needs PyTorch in its container" in ended.failure
