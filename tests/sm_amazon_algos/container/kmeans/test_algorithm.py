"""KMeans as a job: its quality beside scikit-learn's, its model, its log, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn import datasets
from sklearn.cluster import KMeans
from sklearn.preprocessing import scale

from sm_amazon_algos.container.errors import CustomerError
from sm_amazon_algos.container.hosts import Hosts
from sm_amazon_algos.container.ndarrays import read_ndarrays
from sm_amazon_algos.metrics import metric_definitions
from sm_core.container.channels import Channel

Train = Callable[..., Any]
Rows = npt.NDArray[np.float64]


def blobs() -> Rows:
    rows, _ = datasets.make_blobs(8000, 12, centers=15, cluster_std=2.5, random_state=1)
    found: Rows = rows
    return found


#: Name → rows and the number of clusters.
DATA: dict[str, tuple[Callable[[], Rows], int]] = {
    "iris": (lambda: datasets.load_iris().data, 3),
    "wine": (lambda: scale(datasets.load_wine().data), 3),
    "breast cancer": (lambda: datasets.load_breast_cancer().data, 2),
    "breast cancer, scaled": (lambda: scale(datasets.load_breast_cancer().data), 5),
    "digits": (lambda: datasets.load_digits().data, 10),
    "diabetes": (lambda: datasets.load_diabetes().data, 5),
    "blobs": (blobs, 15),
    "no clusters at all": (lambda: np.random.default_rng(3).random((4000, 6)), 12),
}


def shuffled(name: str) -> tuple[Rows, int]:
    make, k = DATA[name]
    rows = make()
    return rows[np.random.default_rng(0).permutation(len(rows))], k


def centroids_of(found: Any) -> npt.NDArray[Any]:
    read = read_ndarrays(found.file.read_bytes())
    assert isinstance(read, list)
    (centroids,) = read
    return centroids


def inertia(model: Any, rows: Rows) -> float:
    distances = model.predict(rows.astype(np.float32))["distance_to_cluster"]
    return float(np.square(distances.astype(np.float64)).sum())


@pytest.mark.parametrize("method", ["random", "kmeans++"])
@pytest.mark.parametrize("name", DATA)
def test_inertia_is_scikit_learn_s_within_two_percent(
    trained: Train, name: str, method: str
) -> None:
    rows, k = shuffled(name)
    best = KMeans(k, n_init=10, random_state=0).fit(rows).inertia_
    found = [
        inertia(trained("kmeans", rows, k=k, epochs=10, init_method=method, seed=seed).model, rows)
        for seed in range(5)
    ]
    assert np.median(found) <= 1.02 * best


@pytest.mark.parametrize("name", ["breast cancer", "digits"])
def test_one_pass_is_nearly_as_good(trained: Train, name: str) -> None:
    rows, k = shuffled(name)
    best = KMeans(k, n_init=10, random_state=0).fit(rows).inertia_
    found = [
        inertia(trained("kmeans", rows, k=k, mini_batch_size=200, seed=seed).model, rows)
        for seed in range(5)
    ]
    assert np.median(found) <= 1.05 * best


def test_the_model_is_one_array_without_a_name(trained: Train) -> None:
    rows, _ = shuffled("iris")
    centroids = centroids_of(trained("kmeans", rows, k=4))
    assert (centroids.dtype.name, centroids.shape) == ("float32", (4, 4))


def test_rows_far_from_zero_cluster_as_well(trained: Train) -> None:
    rows, k = shuffled("iris")
    near = inertia(trained("kmeans", rows, k=k, epochs=10).model, rows)
    far = (rows + 5000).astype(np.float32).astype(np.float64)
    assert inertia(trained("kmeans", far, k=k, epochs=10).model, far) <= 1.02 * near


def test_the_same_seed_gives_the_same_model(trained: Train) -> None:
    rows, k = shuffled("wine")
    first, second, other = (
        trained("kmeans", rows, k=k, seed=seed).file.read_bytes() for seed in (1, 1, 2)
    )
    assert first == second != other


def test_a_half_life_follows_rows_that_drift(trained: Train) -> None:
    rng = np.random.default_rng(0)
    drift = np.repeat(np.linspace(0, 100, 50), 100)
    rows = rng.normal(size=(5000, 1)) + drift[:, np.newaxis]
    late = rows[-500:]
    options: dict[str, Any] = {"k": 1, "mini_batch_size": 100, "extra_center_factor": 1}
    plain = trained("kmeans", rows, **options).model
    recent = trained("kmeans", rows, **options, half_life_time_size=200).model
    assert inertia(recent, late) < inertia(plain, late) / 20


def test_half_life_is_in_rows(trained: Train) -> None:
    # One centre; the first 100 rows are 0, the next 100 are 1, and a row counts half after 100.
    rows = np.repeat([[0.0], [1.0]], 100, axis=0)
    options: dict[str, Any] = {"k": 1, "mini_batch_size": 100, "extra_center_factor": 1}
    halved = trained("kmeans", rows, **options, half_life_time_size=100)
    centroids = centroids_of(halved)
    np.testing.assert_allclose(centroids, [[2 / 3]], rtol=1e-6)
    even = centroids_of(trained("kmeans", rows, **options))
    np.testing.assert_allclose(even, [[0.5]], rtol=1e-6)


def test_one_pass_keeps_the_mean_of_each_centre_s_rows(trained: Train) -> None:
    rows = np.array([[0.0], [1], [2], [100], [101], [105]])
    found = trained("kmeans", rows, k=2, extra_center_factor=3, mini_batch_size=6)
    centroids = centroids_of(found)
    assert sorted(centroids[:, 0].tolist()) == [1, 102]


def test_the_log_s_lines(trained: Train, metrics: Callable[[str], list[Mapping[str, Any]]]) -> None:
    rows, _ = shuffled("iris")
    log = trained("kmeans", rows, k=3, epochs=3, mini_batch_size=40, test=rows[:50]).log
    assert "shrinking 30 centers into 3" in log
    attempts = re.findall(r"local kmeans attempt #(\d+)\. Current mean square distance (\S+)", log)
    assert [int(number) for number, _ in attempts] == list(range(10))
    assert "finished shrinking process. Mean Square Distance = " in log
    assert re.findall(r"#progress_metric: host=algo-1, completed (\S+) % of epochs", log) == [
        "33.333333333333336",
        "66.66666666666667",
        "100.0",
    ]
    assert len(re.findall(r"#throughput_metric: host=\S+, train throughput=\S+ records", log)) == 3
    assert re.search(r"#quality_metric: host=algo-1, train msd <loss>=\S+", log)
    assert re.search(r"#quality_metric: host=algo-1, test msd <loss>=\S+", log)
    assert "test ssd" not in log
    definitions = metric_definitions("kmeans", {})
    said = {each["Name"] for each in definitions if re.search(each["Regex"], log)}
    assert said == {each["Name"] for each in definitions} - {"test:ssd"}
    documents = metrics(log)
    assert all(d["Dimensions"]["Algorithm"] == "AWS/KMeansWebscale" for d in documents)
    (first,) = [d for d in documents if d["Dimensions"].get("Meta") == "init_train_data_iter"]
    assert first["Metrics"]["Number of Records Since Last Reset"]["sum"] == 40
    timers = {name for document in documents for name in document["Metrics"] if ".time" in name}
    assert timers == {"update.time", "_shrink.time", "finalize.time", "model.serialize.time"}
    passes = [d for d in documents if d["Dimensions"].get("Meta") == "training_data_iter"]
    assert [d["Metrics"]["Number of Batches Since Last Reset"]["sum"] for d in passes] == [4] * 3
    assert passes[-1]["Metrics"]["Total Records Seen"]["sum"] == 450


def test_one_pass_reports_the_best_trial(trained: Train) -> None:
    rows, _ = shuffled("iris")
    log = trained("kmeans", rows, k=3).log
    attempts = [
        float(v) for v in re.findall(r"attempt #\d+\. Current mean square distance (\S+)", log)
    ]
    (reported,) = re.findall(r"train msd <loss>=(\S+)", log)
    assert float(reported) == pytest.approx(min(map(float, attempts)), abs=1e-6)


def test_what_eval_metrics_ask_for(trained: Train) -> None:
    rows, _ = shuffled("iris")
    given = {"k": 3, "epochs": 4, "eval_metrics": '["msd", "ssd"]'}
    found = trained("kmeans", rows, **given, test=rows)
    values = dict(re.findall(r"test (msd|ssd) <loss>=(\S+)", found.log))
    assert float(values["ssd"]) == pytest.approx(inertia(found.model, rows), rel=1e-6)
    assert float(values["msd"]) == pytest.approx(float(values["ssd"]) / len(rows), rel=1e-6)
    assert "Test data is not provided." in trained("kmeans", rows, k=3).log


def test_more_rows_a_batch_than_there_are(trained: Train) -> None:
    rows, _ = shuffled("iris")
    assert (
        "mini_batch_size=5000 is larger than the data: 150 rows" in trained("kmeans", rows, k=3).log
    )


def test_as_many_clusters_as_rows(trained: Train) -> None:
    rows = np.arange(10.0).reshape(5, 2)
    model = trained("kmeans", rows, k=5, epochs=4).model
    assert inertia(model, rows) == pytest.approx(0, abs=1e-9)


def test_fewer_different_rows_than_clusters(trained: Train) -> None:
    rows = np.repeat([[1.0, 2], [3, 4]], 10, axis=0)
    for method in ("random", "kmeans++"):
        found = trained("kmeans", rows, k=4, epochs=3, init_method=method)
        assert centroids_of(found).shape == (4, 2)
        assert inertia(found.model, rows) == pytest.approx(0, abs=1e-9)


def test_batches_smaller_than_the_centres(trained: Train) -> None:
    rows, k = shuffled("digits")
    best = KMeans(k, n_init=3, random_state=0).fit(rows).inertia_
    model = trained("kmeans", rows, k=k, epochs=10, mini_batch_size=7).model
    assert inertia(model, rows) <= 1.05 * best


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_more_clusters_than_rows_are_refused(
    trained: Train, write_channel: Callable[..., Channel], rows: int
) -> None:
    channel = write_channel("train", np.ones((rows, 2)))
    with pytest.raises(CustomerError, match=r"k=3 is larger than the number of rows|has no rows"):
        trained("kmeans", channel, k=3, feature_dim=2)


def test_an_empty_test_channel_is_refused(trained: Train) -> None:
    rows, _ = shuffled("iris")
    with pytest.raises(CustomerError, match="Channel 'test' has no rows"):
        trained("kmeans", rows, k=3, test=np.ones((0, 4)))


@pytest.mark.parametrize("hosts", [2, 3])
def test_several_hosts_come_to_the_same_quality(
    trained: Train,
    write_channel: Callable[..., Channel],
    on_hosts: Callable[..., list[Any]],
    hosts: int,
) -> None:
    rows, k = shuffled("digits")
    best = KMeans(k, n_init=10, random_state=0).fit(rows).inertia_
    # Shares of different sizes: hosts run out of batches one after the other.
    shares = np.split(rows, [100, 900][: hosts - 1])
    channels = [
        write_channel("train", share, folder=f"data-{rank}") for rank, share in enumerate(shares)
    ]

    def run(own: Hosts) -> Any:
        return trained(
            "kmeans",
            channels[own.rank],
            k=k,
            feature_dim=64,
            epochs=10,
            mini_batch_size=100,
            hosts=own,
            model=f"model-{own.rank}",
        )

    first, *others = on_hosts(run, hosts)
    assert inertia(first.model, rows) <= 1.02 * best
    assert not any(other.file.exists() for other in others)


def test_features_too_large_to_square_are_refused(trained: Train) -> None:
    rows = np.random.default_rng(0).random((100, 3)).astype(np.float32)
    with pytest.raises(CustomerError, match="so large that their squares are no numbers"):
        trained("kmeans", rows * np.float32(1e30), k=3)
    # Beyond what a sum of squares can be, but not what a square can.
    large = trained("kmeans", rows * np.float32(1e18), k=3, model="large")
    assert "nan" not in large.log
    assert "train msd <loss>=inf" not in large.log


def test_a_width_that_is_wrong_is_refused_however_large(trained: Train) -> None:
    with pytest.raises(CustomerError, match=r"feature dimension of the model: 10{18}\b"):
        trained("kmeans", np.ones((10, 3), dtype=np.float32), k=3, feature_dim=10**18)
