"""KMeans, PCA, LinearLearner: from arrays to a job's request, a model and an endpoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from sm_amazon_algos import (
    PCA,
    KMeans,
    KMeansPredictor,
    LinearLearner,
    LinearLearnerModel,
    LinearLearnerPredictor,
    RecordSet,
)
from sm_amazon_algos.arrays import RecordArrays
from sm_amazon_algos.estimator import AmazonAlgorithm
from sm_core.errors import CodecError, ConfigurationError, InputError
from sm_core.estimator import Estimator
from sm_core.inputs import TrainingInput
from sm_core.session import Session

ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
Objects = Callable[[str], dict[str, bytes]]
Shards = Callable[[str], dict[str, RecordArrays]]
BUCKET = "sagemaker-us-east-1-123456789012"


def made(cls: type[Any], session: Session | None = None, count: int = 1, **options: Any) -> Any:
    required = {KMeans: {"k": 3}, PCA: {"num_components": 2}}.get(cls, {})
    options = {**required, **options}
    return cls(ROLE, count, "ml.c5.xlarge", sagemaker_session=session, **options)


def records(rows: int | None = 100, width: int = 4, **more: Any) -> RecordSet:
    return RecordSet("s3://b/set/.amazon.manifest", rows, width, **more)


def sent(estimator: AmazonAlgorithm, inputs: Any, **options: Any) -> dict[str, str]:
    found: dict[str, str] = estimator.training_request(inputs, **options)["HyperParameters"]
    return found


# Record sets


def test_an_array_is_uploaded_to_the_default_bucket(session: Session, shards: Shards) -> None:
    kmeans = made(KMeans, session, count=2)
    values = np.arange(20, dtype=np.float32).reshape(5, 4)
    found = kmeans.record_set(values)
    assert found.s3_data.startswith(f"s3://{BUCKET}/sagemaker-record-sets/KMeans-")
    assert (found.num_records, found.feature_dim, found.channel) == (5, 4, "train")
    parts = [each.features["values"] for each in shards(BUCKET).values()]
    np.testing.assert_array_equal(np.concatenate(parts), values)
    assert all(not each.label for each in shards(BUCKET).values())


@pytest.mark.parametrize("location", ["s3://mine", "s3://mine/", "s3://mine/some/where"])
def test_or_to_another_place(session: Session, stored: Objects, location: str) -> None:
    session.client("s3").create_bucket(Bucket="mine")
    found = made(PCA, session, data_location=location).record_set(np.eye(3))
    prefix = location.rstrip("/")
    assert found.s3_data.startswith(f"{prefix}/PCA-")
    assert len(stored("mine")) == 2


def test_a_place_that_is_none_is_refused_when_it_is_given() -> None:
    with pytest.raises(ConfigurationError, match="data_location 'bucket/x' is not of the form"):
        made(KMeans, data_location="bucket/x")


def test_linear_learner_s_numbers_are_float32(session: Session, shards: Shards) -> None:
    learner = made(LinearLearner, session)
    learner.record_set(np.eye(3), np.array([1, 0, 1]), channel="validation")
    (found,) = shards(BUCKET).values()
    assert found.features["values"].dtype == found.label["values"].dtype == np.float32
    assert found.label["values"].tolist() == [1, 0, 1]


def test_linear_learner_s_labels_are_missed_at_once(session: Session, stored: Objects) -> None:
    learner = made(LinearLearner, session)
    for rows in (np.eye(3), iter([np.eye(3)])):
        with pytest.raises(InputError, match=r"learns from labels: give record_set\(rows, labels"):
            learner.record_set(rows)
    assert stored(BUCKET) == {}


def test_a_channel_that_there_is_not_is_refused_before_the_upload(session: Session) -> None:
    with pytest.raises(InputError, match="no channel 'validation'; the algorithm knows: train, te"):
        made(KMeans, session).record_set(np.eye(3), channel="validation")


@pytest.mark.parametrize("rows", [np.array([[1e39]]), [[1e39]], iter([np.array([[1e39]])])])
def test_numbers_that_float32_does_not_have_are_refused(
    session: Session, stored: Objects, rows: Any
) -> None:
    labels = None if hasattr(rows, "__next__") else [0]
    if labels is None:
        rows = ((block, [0]) for block in rows)
    with pytest.raises(CodecError, match=r"numbers beyond 3\.4e\+38, the range of 32-bit"):
        made(LinearLearner, session).record_set(rows, labels)
    assert stored(BUCKET) == {}


def test_sparse_rows_lists_and_blocks_are_data_too(session: Session, shards: Shards) -> None:
    matrix = scipy.sparse.csr_matrix(np.eye(4, 50, dtype=np.float32))
    kmeans = made(KMeans, session)
    for data in (matrix, [matrix[:3], matrix[3:]], iter([matrix[:1], matrix[1:]])):
        found = kmeans.record_set(data)
        assert (found.num_records, found.feature_dim) == (4, 50)
        arrays = list(shards(BUCKET).values())[-1].features["values"]
        assert scipy.sparse.issparse(arrays)
    assert kmeans.record_set([[1, 2], [3, 4]]).feature_dim == 2


# What a job is asked to do


def test_the_request(session: Session) -> None:
    kmeans = made(KMeans, session, count=2, init_method="kmeans++", eval_metrics=["msd", "ssd"])
    request = kmeans.training_request([records(), records(channel="test")])
    image = "382416733822.dkr.ecr.us-east-1.amazonaws.com/kmeans:1"
    assert request["AlgorithmSpecification"]["TrainingImage"] == image
    assert request["HyperParameters"] == {
        "k": "3",
        "feature_dim": "4",
        "init_method": "kmeans++",
        "eval_metrics": '["msd", "ssd"]',
        "force_dense": "True",
    }
    train, test = request["InputDataConfig"]
    assert train == {
        "ChannelName": "train",
        "ContentType": "application/x-recordio-protobuf",
        "DataSource": {
            "S3DataSource": {
                "S3Uri": "s3://b/set/.amazon.manifest",
                "S3DataType": "ManifestFile",
                "S3DataDistributionType": "ShardedByS3Key",
            }
        },
    }
    assert test["ChannelName"] == "test"
    assert test["DataSource"]["S3DataSource"]["S3DataDistributionType"] == "FullyReplicated"


@pytest.mark.parametrize(
    ("cls", "rows", "count", "size"),
    [
        (KMeans, 100, 1, None),
        (PCA, 100, 1, "100"),
        (PCA, 100, 3, "33"),
        (PCA, 9999, 2, "500"),
        (LinearLearner, 100, 2, "50"),
        (LinearLearner, 9999, 1, "1000"),
        (LinearLearner, None, 1, None),
    ],
)
def test_rows_per_step(
    session: Session, cls: type[Any], rows: int | None, count: int, size: str | None
) -> None:
    assert sent(made(cls, session, count), records(rows)).get("mini_batch_size") == size


def test_rows_per_step_may_be_said(session: Session) -> None:
    pca = made(PCA, session, mini_batch_size=7)
    assert sent(pca, records())["mini_batch_size"] == "7"
    assert sent(pca, records(), mini_batch_size=8)["mini_batch_size"] == "8"
    assert pca.mini_batch_size == 7
    with pytest.raises(ConfigurationError, match="mini_batch_size is 0; it must be a whole number"):
        sent(pca, records(), mini_batch_size=0)


@pytest.mark.parametrize("size", [51, 51.0, "51", np.int64(51)])
def test_a_batch_that_no_instance_can_fill_is_refused(session: Session, size: Any) -> None:
    learner = made(LinearLearner, session, count=2)
    with pytest.raises(ConfigurationError, match=r"each of 2 instance\(s\) gets 50 rows"):
        sent(learner, records(100), mini_batch_size=size)
    # Where each gets all, it can.
    assert sent(learner, records(100, distribution="FullyReplicated"), mini_batch_size=size)


def test_what_the_data_does_not_tell_must_be_set(session: Session) -> None:
    csv = TrainingInput("s3://b/p", content_type="text/csv;label_size=0")
    with pytest.raises(ConfigurationError) as caught:
        sent(made(PCA, session), csv)
    assert "feature_dim is missing; set it, or fit with what record_set(array)" in str(caught.value)
    assert "mini_batch_size is missing" in str(caught.value)
    found = sent(made(PCA, session, feature_dim=9, mini_batch_size=5), csv)
    assert (found["feature_dim"], found["mini_batch_size"]) == ("9", "5")
    # LinearLearner finds out by itself.
    assert "feature_dim" not in sent(made(LinearLearner, session), csv)


def test_what_contradicts_the_data_is_refused(session: Session) -> None:
    with pytest.raises(ConfigurationError, match="feature_dim is 5, but the records have 4 col"):
        sent(made(KMeans, session, feature_dim=5), records())
    with pytest.raises(ConfigurationError, match="num_components is 9, but the data has only 4"):
        sent(made(PCA, session, num_components=9), records())
    with pytest.raises(InputError, match="train has 4, test has 5 columns"):
        sent(made(KMeans, session), [records(), records(width=5, channel="test")])


def test_all_that_contradicts_the_data_is_told_at_once(session: Session) -> None:
    learner = made(
        LinearLearner, session, count=2, feature_dim=5, predictor_type="regressor", loss="logistic"
    )
    with pytest.raises(ConfigurationError) as caught:
        sent(learner, records(num_objects=1), mini_batch_size=51)
    text = str(caught.value)
    assert text.startswith("LinearLearner: feature_dim is 5, but the records have 4 columns; leave")
    assert "the records lie in 1 object(s), which cannot be shared out over 2 instances" in text
    assert "mini_batch_size is 51, but each of 2 instance(s) gets 50 rows" in text
    assert "loss is 'logistic', but a regressor takes auto, squared_loss" in text
    csv = TrainingInput("s3://b/p", content_type="text/csv;label_size=0", input_mode="Pipe")
    kmeans = made(KMeans, session, feature_dim=5)
    with pytest.raises(ConfigurationError) as caught:
        sent(kmeans, {"train": records(), "test": csv}, mini_batch_size=0)
    assert str(caught.value) == (
        "KMeans: channel 'test' is CSV, which can be read in File mode only; feature_dim is 5, but "
        "the records have 4 columns; leave it out; mini_batch_size is 0; it must be a whole number "
        "of at least 1"
    )


def test_records_for_fewer_instances_are_refused_before_a_host_gets_none(session: Session) -> None:
    kmeans = made(KMeans, session)
    found = kmeans.record_set(np.eye(6))
    kmeans.train_instance_count = 3
    with pytest.raises(
        ConfigurationError, match=r"in 1 object\(s\), which cannot be shared out over"
    ):
        sent(kmeans, found)
    kmeans.train_instance_count = 1
    assert sent(kmeans, found)


def test_the_task_decides_what_is_needed(session: Session) -> None:
    learner = made(LinearLearner, session, predictor_type="multiclass_classifier")
    learner.loss = "logistic"
    with pytest.raises(ConfigurationError) as caught:
        sent(learner, records())
    assert str(caught.value) == (
        "LinearLearner: loss is 'logistic', but a multiclass_classifier takes auto, softmax_loss; "
        "num_classes is missing, which a multiclass_classifier needs"
    )
    assert sent(made(LinearLearner, session), records())["predictor_type"] == "binary_classifier"


def test_kmeans_takes_csv_in_file_mode_only(session: Session) -> None:
    csv = TrainingInput("s3://b/p", content_type="text/csv;label_size=0", input_mode="Pipe")
    with pytest.raises(
        ConfigurationError, match="channel 'train' is CSV, which can be read in File"
    ):
        sent(made(KMeans, session, feature_dim=2), csv)
    assert sent(made(PCA, session, feature_dim=2, mini_batch_size=1), csv)


def test_mini_batch_size_by_position_is_explained(session: Session) -> None:
    with pytest.raises(TypeError, match=r"fit\(records, mini_batch_size=500\)"):
        made(KMeans, session).fit(records(), 500)


# All of it


def test_fit_deploy_and_delete(session: Session) -> None:
    estimator = Estimator(
        framework="linear-learner",
        role=ROLE,
        train_instance_count=2,
        train_instance_type="ml.c5.xlarge",
        predictor_type="regressor",
        sagemaker_session=session,
    )
    assert isinstance(estimator, LinearLearner)
    rows, labels = np.eye(6, dtype=np.float32), np.arange(6, dtype=np.float32)
    train = estimator.record_set(rows, labels)
    validation = estimator.record_set(rows, labels, channel="validation")
    estimator.fit([train, validation], mini_batch_size=2)
    job = estimator.latest_training_job
    assert job is not None
    described = job.describe()
    assert described["TrainingJobStatus"] == "Completed"
    assert described["HyperParameters"]["mini_batch_size"] == "2"
    names = [channel["ChannelName"] for channel in described["InputDataConfig"]]
    assert names == ["train", "validation"]
    assert isinstance(estimator.create_model(), LinearLearnerModel)
    with estimator.deploy(1, "ml.m5.large") as predictor:
        assert isinstance(predictor, LinearLearnerPredictor)
    assert session.sagemaker_client.list_endpoints()["Endpoints"] == []


def test_the_predictor_is_the_algorithm_s(session: Session) -> None:
    kmeans = made(KMeans, session)
    kmeans.fit(kmeans.record_set(np.eye(3)))
    predictor = kmeans.deploy(1, "ml.m5.large")
    assert isinstance(predictor, KMeansPredictor)
    predictor.delete()
