"""PCA as a job: its subspace beside LAPACK's and the published sketch's, its model, its log."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn import datasets

from sm_amazon_algos.container.errors import CustomerError
from sm_amazon_algos.container.hosts import Hosts
from sm_amazon_algos.container.ndarrays import read_ndarrays
from sm_core.container.channels import Channel

Train = Callable[..., Any]
Rows = npt.NDArray[np.float64]


def generated() -> Rows:
    rng = np.random.default_rng(0)
    turned, _ = np.linalg.qr(rng.normal(size=(80, 80)))
    found: Rows = rng.normal(size=(1500, 80)) / np.arange(1, 81) @ turned + 3
    return found


DATA: dict[str, Callable[[], Rows]] = {
    "iris": lambda: datasets.load_iris().data,
    "wine": lambda: datasets.load_wine().data,
    "breast cancer": lambda: datasets.load_breast_cancer().data,
    "digits": lambda: datasets.load_digits().data,
    "generated": generated,
}


def arrays(found: Any) -> dict[str, npt.NDArray[Any]]:
    read = read_ndarrays(found.file.read_bytes())
    assert isinstance(read, dict)
    return read


def angle(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> float:
    """The largest principal angle between two subspaces, by their bases, in radians."""
    one, _ = np.linalg.qr(one.astype(np.float64))
    outside = one - other @ (other.T @ one)
    return float(np.arcsin(min(1.0, float(np.linalg.norm(outside, 2)))))


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("components", [1, 2, 3, 5, 10])
@pytest.mark.parametrize("name", DATA)
def test_the_subspace_is_lapack_s(
    trained: Train, name: str, components: int, centred: bool
) -> None:
    rows = DATA[name]()
    if components > rows.shape[1]:
        components = rows.shape[1]
    found = trained(
        "pca", rows, num_components=components, mini_batch_size=100, subtract_mean=centred
    )
    model = arrays(found)
    _, values, vectors = np.linalg.svd(rows - rows.mean(axis=0) * centred, full_matrices=False)
    assert angle(model["v"], vectors[:components].T) < 1e-3
    np.testing.assert_allclose(model["s"][::-1], values[:components], rtol=1e-4)


def test_the_model_has_aws_s_arrays(trained: Train) -> None:
    rows = DATA["wine"]()
    model = arrays(trained("pca", rows, num_components=3, mini_batch_size=50))
    assert {name: (array.dtype.name, array.shape) for name, array in model.items()} == {
        "mean": ("float32", (1, 13)),
        "v": ("float32", (13, 3)),
        "s": ("float32", (3,)),
    }
    assert (np.diff(model["s"]) > 0).all(), "ascending"
    np.testing.assert_allclose(model["v"].T @ model["v"], np.eye(3), atol=1e-6)
    np.testing.assert_allclose(model["mean"][0], rows.mean(axis=0), rtol=1e-6)
    without = trained("pca", rows, num_components=3, mini_batch_size=50, subtract_mean="False")
    assert list(arrays(without)) == ["v", "s"]


def test_projections_are_of_the_centred_rows(trained: Train) -> None:
    rows = DATA["wine"]()
    found = trained("pca", rows, num_components=2, mini_batch_size=50)
    model = arrays(found)
    projected = found.model.predict(rows.astype(np.float32))["projection"]
    np.testing.assert_allclose(projected, (rows - model["mean"]) @ model["v"], rtol=1e-3, atol=1e-2)
    assert projected[:, 1].std() > projected[:, 0].std(), "the strongest is the last"


def sketched(rows: Rows, components: int, extra: int, seed: int) -> npt.NDArray[Any]:
    """The published one-pass sketch: random signs times rows, the top right singular vectors."""
    rng = np.random.default_rng(seed)
    signs = rng.choice([-1.0, 1.0], size=(components + extra, len(rows)))
    product, sums = signs @ rows, signs.sum(axis=1)
    centred = product - np.outer(sums, rows.mean(axis=0))
    found: npt.NDArray[Any] = np.linalg.svd(centred, full_matrices=False)[2][:components].T
    return found


def lost(rows: Rows, basis: npt.NDArray[Any]) -> float:
    """What of the rows' variance is outside of a subspace, as a sum of squares."""
    basis, _ = np.linalg.qr(basis.astype(np.float64))
    centred = rows - rows.mean(axis=0)
    return float(np.square(centred).sum() - np.square(centred @ basis).sum())


@pytest.mark.parametrize(("components", "extra"), [(2, 0), (2, 5), (3, -1), (5, 5), (8, 2)])
@pytest.mark.parametrize("name", ["wine", "breast cancer", "digits", "generated"])
def test_randomized_is_no_worse_than_the_published_sketch(
    trained: Train, name: str, components: int, extra: int
) -> None:
    rows = DATA[name]()
    more = max(10, components) if extra == -1 else extra
    own = [
        lost(
            rows,
            arrays(
                trained(
                    "pca",
                    rows,
                    num_components=components,
                    mini_batch_size=200,
                    algorithm_mode="randomized",
                    extra_components=extra,
                    seed=seed,
                )
            )["v"],
        )
        for seed in range(10)
    ]
    published = [lost(rows, sketched(rows, components, more, seed)) for seed in range(10)]
    assert np.median(own) <= np.median(published)


@pytest.mark.parametrize("components", [1, 2, 3, 5])
def test_randomized_is_close_to_the_optimum_where_the_spectrum_falls_fast(
    trained: Train, components: int
) -> None:
    rows = DATA["breast cancer"]()
    values = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False)
    for seed in range(5):
        model = arrays(
            trained(
                "pca",
                rows,
                num_components=components,
                mini_batch_size=100,
                algorithm_mode="randomized",
                seed=seed,
            )
        )
        optimum = float(np.square(values[components:]).sum())
        assert lost(rows, model["v"]) <= 1.005 * optimum
        np.testing.assert_allclose(model["s"][::-1], values[:components], rtol=5e-3)


@pytest.mark.parametrize("mode", ["regular", "stable", "randomized"])
@pytest.mark.parametrize("kind", ["int32", "int64", "float32", "float64"])
def test_more_components_than_rows(trained: Train, mode: str, kind: str) -> None:
    rows = np.arange(10).reshape(2, 5).astype(kind)
    found = trained("pca", rows, num_components=3, mini_batch_size=2, algorithm_mode=mode)
    model = arrays(found)
    np.testing.assert_allclose(model["s"], [0, 0, np.sqrt(2 * 5 * 2.5**2)], atol=1e-5)
    np.testing.assert_allclose(model["v"].T @ model["v"], np.eye(3), atol=1e-5)
    np.testing.assert_allclose(np.abs(model["v"][:, -1]), 5**-0.5, rtol=1e-5)


def test_as_many_components_as_columns(trained: Train) -> None:
    rows = DATA["iris"]()
    for mode in ("regular", "randomized"):
        found = trained("pca", rows, num_components=4, mini_batch_size=9, algorithm_mode=mode)
        assert lost(rows, arrays(found)["v"]) == pytest.approx(0, abs=1e-6)


def test_rows_that_are_all_the_same(trained: Train) -> None:
    rows = np.full((7, 3), 4.0)
    for mode in ("regular", "randomized"):
        model = arrays(
            trained("pca", rows, num_components=2, mini_batch_size=3, algorithm_mode=mode)
        )
        np.testing.assert_allclose(model["s"], 0, atol=1e-6)
        np.testing.assert_allclose(model["v"].T @ model["v"], np.eye(2), atol=1e-6)


def test_rows_far_from_zero(trained: Train) -> None:
    rows = (DATA["wine"]() + 1e5).astype(np.float32).astype(np.float64)
    model = arrays(trained("pca", rows, num_components=2, mini_batch_size=50))
    _, _, vectors = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    assert angle(model["v"], vectors[:2].T) < 1e-3


def test_the_log_s_lines(trained: Train) -> None:
    rows = DATA["wine"]()
    log = trained("pca", rows, num_components=2, mini_batch_size=50, test=rows).log
    assert "#progress_metric: host=algo-1, completed 100.0 % of epochs" in log
    assert re.search(r"#throughput_metric: host=algo-1, train throughput=\S+ records/second", log)
    assert '"Total Batches Seen": {"sum": 4.0' in log
    (error,) = re.findall(r"test reconstruction_error <loss>=(\S+)", log)
    values = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False)
    wanted = float(np.square(values[2:]).sum()) / len(rows)
    assert float(error) == pytest.approx(wanted, rel=1e-3)


def test_no_rows_are_refused(trained: Train, write_channel: Callable[..., Channel]) -> None:
    channel = write_channel("train", np.ones((0, 2)))
    with pytest.raises(CustomerError, match="No training data: channel 'train' has no rows"):
        trained("pca", channel, num_components=1, mini_batch_size=1, feature_dim=2)


@pytest.mark.parametrize("mode", ["regular", "randomized"])
def test_several_hosts_come_to_the_same_model(
    trained: Train,
    write_channel: Callable[..., Channel],
    on_hosts: Callable[..., list[Any]],
    mode: str,
) -> None:
    rows = DATA["breast cancer"]()
    options: dict[str, Any] = {
        "num_components": 3,
        "mini_batch_size": 50,
        "algorithm_mode": mode,
        "feature_dim": 30,
    }
    alone = arrays(trained("pca", rows, **options))
    channels = [
        write_channel("train", share, folder=f"data-{rank}")
        for rank, share in enumerate(np.split(rows, [60, 60]))
    ]

    def run(own: Hosts) -> Any:
        folder = f"model-{own.rank}"
        return trained("pca", channels[own.rank], **options, hosts=own, model=folder)

    together = arrays(on_hosts(run, 3)[0])
    for name in ("mean", "s"):
        np.testing.assert_allclose(together[name], alone[name], rtol=1e-4)
    assert angle(together["v"], np.linalg.qr(alone["v"].astype(np.float64))[0]) < 1e-3


@pytest.mark.parametrize("mode", ["regular", "randomized"])
def test_features_too_large_to_add_up_are_refused(trained: Train, mode: str) -> None:
    rows = np.full((300, 5), 2e38, dtype=np.float32)
    rows[0] = 0
    with pytest.raises(CustomerError, match="so large that their sums or products are no numbers"):
        trained(
            "pca",
            np.concatenate([rows, -rows, rows]),
            num_components=2,
            mini_batch_size=50,
            algorithm_mode=mode,
            subtract_mean=False,
        )
