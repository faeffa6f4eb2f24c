"""LinearLearner as a job: quality beside scikit-learn's, hyperparameters, log, what is refused."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse
from sklearn import datasets, metrics
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sm_amazon_algos.container.errors import CustomerError
from sm_amazon_algos.container.hosts import Hosts
from sm_amazon_algos.container.linear import examples
from sm_amazon_algos.metrics import metric_definitions

pytestmark = pytest.mark.timeout(300)

Learn = Callable[..., Any]
Rows = npt.NDArray[np.float64]
BINARY, MULTICLASS, REGRESSOR = "binary_classifier", "multiclass_classifier", "regressor"


def generated(count: int = 600, classes: int = 2, seed: int = 0) -> tuple[Rows, Rows]:
    rows, labels = datasets.make_classification(
        count, 8, n_informative=5, n_classes=classes, flip_y=0.1, random_state=seed
    )
    return rows, labels


def line(count: int = 600, noise: float = 0.3, seed: int = 0) -> tuple[Rows, Rows]:
    random = np.random.default_rng(seed)
    rows = random.normal([100, 0, -3], [20, 1, 0.01], (count, 3))
    labels = 1000 + rows @ [2, -30, 500] + noise * random.normal(size=count)
    return rows, labels


def error(found: Any, rows: Rows, labels: Rows) -> float:
    """Root of the mean squared error."""
    scores = found.model.predict(rows.astype(np.float32))["score"]
    return float(np.sqrt(np.mean((scores - labels) ** 2)))


def predicted(found: Any, rows: Rows) -> npt.NDArray[np.int64]:
    labels: npt.NDArray[np.int64] = found.model.predict(rows.astype(np.float32))["predicted_label"]
    return labels


def splits(name: str) -> list[Any]:
    rows, labels = getattr(datasets, f"load_{name}")(return_X_y=True)
    strata = labels if name != "diabetes" else None
    return [
        train_test_split(rows, labels, test_size=0.25, random_state=seed, stratify=strata)
        for seed in range(2)
    ]


def tuned_classifier(rows: Rows, labels: Rows) -> Any:
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=3000))
    grid = {"logisticregression__C": [0.01, 0.1, 1, 10]}
    return GridSearchCV(pipeline, grid, cv=5).fit(rows, labels)


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("breast_cancer", BINARY),
        ("iris", MULTICLASS),
        pytest.param("wine", MULTICLASS, marks=pytest.mark.long),
        pytest.param("digits", MULTICLASS, marks=pytest.mark.long),
    ],
)
def test_accuracy_is_scikit_learn_s_within_half_a_percent(
    learned: Learn, name: str, task: str
) -> None:
    own, theirs = [], []
    for number, (rows, others, labels, truth) in enumerate(splits(name)):
        found = learned(task, (rows, labels), folder=str(number), mini_batch_size=32)
        own.append((predicted(found, others) == truth).mean())
        theirs.append(tuned_classifier(rows, labels).score(others, truth))
    assert np.mean(own) >= 0.995 * np.mean(theirs)


def test_f1_is_scikit_learn_s_within_half_a_percent(learned: Learn) -> None:
    own, theirs = [], []
    for number, (rows, others, labels, truth) in enumerate(splits("breast_cancer")):
        found = learned(
            BINARY,
            (rows, labels),
            folder=str(number),
            binary_classifier_model_selection_criteria="f_beta",
        )
        own.append(metrics.f1_score(truth, predicted(found, others)))
        theirs.append(metrics.f1_score(truth, tuned_classifier(rows, labels).predict(others)))
    assert np.mean(own) >= 0.995 * np.mean(theirs)


def test_rmse_is_scikit_learn_s_within_half_a_percent(learned: Learn) -> None:
    own, theirs = [], []
    for number, (rows, others, labels, truth) in enumerate(splits("diabetes")):
        found = learned(REGRESSOR, (rows, labels), folder=str(number))
        own.append(error(found, others, truth))
        ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-4, 3, 20)))
        theirs.append(np.sqrt(np.mean((ridge.fit(rows, labels).predict(others) - truth) ** 2)))
    assert np.mean(own) <= 1.005 * np.mean(theirs)


def test_many_rows(learned: Learn) -> None:
    rows, labels = datasets.make_classification(
        30_000, 20, n_informative=12, n_redundant=4, flip_y=0.05, random_state=3
    )
    found = learned(BINARY, (rows[:20_000], labels[:20_000]))
    best = LogisticRegression().fit(rows[:20_000], labels[:20_000])
    accuracy = (predicted(found, rows[20_000:]) == labels[20_000:]).mean()
    assert accuracy >= 0.995 * best.score(rows[20_000:], labels[20_000:])


def test_scores_are_in_the_labels_units(learned: Learn) -> None:
    assert error(learned(REGRESSOR, line()), *line(seed=1)) < 0.33


@pytest.mark.parametrize(
    "loss",
    [
        "absolute_loss",
        "eps_insensitive_squared_loss",
        "eps_insensitive_absolute_loss",
        "quantile_loss",
        "huber_loss",
    ],
)
def test_other_losses_of_regression(learned: Learn, loss: str) -> None:
    found = learned(REGRESSOR, line(2000), loss=loss, mini_batch_size=100)
    assert error(found, *line(seed=1)) < 0.6
    objective = found.values(f"train {loss}_objective")[-1]
    assert 0 < objective < 1


def test_a_quantile_is_one(learned: Learn) -> None:
    random = np.random.default_rng(0)
    rows = random.normal(size=(4000, 2))
    labels = rows[:, 0] + random.exponential(size=4000)
    found = learned(REGRESSOR, (rows, labels), loss="quantile_loss", quantile=0.9)
    scores = found.model.predict(rows.astype(np.float32))["score"]
    assert (labels <= scores).mean() == pytest.approx(0.9, abs=0.015)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop"])
@pytest.mark.parametrize("loss", ["logistic", "hinge_loss"])
def test_optimizers_and_losses_of_a_binary_classifier(
    learned: Learn, optimizer: str, loss: str
) -> None:
    rows, labels = generated(2000)
    found = learned(BINARY, (rows, labels), optimizer=optimizer, loss=loss, mini_batch_size=50)
    best = LogisticRegression().fit(rows, labels).score(rows, labels)
    assert (predicted(found, rows) == labels).mean() >= best - 0.01


@pytest.mark.parametrize(
    ("hyperparameters", "measure"),
    [
        ({"init_method": "normal", "init_sigma": 0.5}, 1.0),
        ({"normalize_data": False, "unbias_data": False, "normalize_label": True}, None),
        ({"normalize_label": False, "unbias_label": False, "learning_rate": 3}, None),
        ({"num_models": 1}, 1.0),
        ({"use_lr_scheduler": False}, 1.0),
        ({"epochs": 2}, None),
    ],
)
def test_other_ways_to_learn_a_line(
    learned: Learn, hyperparameters: dict[str, Any], measure: float | None
) -> None:
    found = learned(REGRESSOR, line(2000), mini_batch_size=100, **hyperparameters)
    spread = float(np.std(line()[1]))
    assert error(found, *line(seed=1)) < (measure or 0.8 * spread)


def test_without_a_bias_there_is_none(learned: Learn) -> None:
    random = np.random.default_rng(0)
    rows = random.normal(5, 1, (1000, 2))
    found = learned(REGRESSOR, (rows, rows @ [2, 3]), use_bias=False, mini_batch_size=50)
    zero = found.model.predict(np.zeros((1, 2), dtype=np.float32))["score"]
    assert zero == pytest.approx([0], abs=1e-6)
    assert error(found, rows, rows @ [2, 3]) < 0.3


def test_l1_leaves_out_columns_that_say_nothing(learned: Learn) -> None:
    random = np.random.default_rng(0)
    rows = random.normal(size=(2000, 20))
    labels = rows[:, 0] + 0.1 * random.normal(size=2000)
    found = learned(
        REGRESSOR,
        (rows, labels),
        l1=0.1,
        wd=0,
        mini_batch_size=2000,
        early_stopping_tolerance=1e-9,
        num_models=1,
    )
    unit = np.concatenate([np.zeros((1, 20)), np.eye(20)]).astype(np.float32)
    scores = found.model.predict(unit)["score"]
    weights = scores[1:] - scores[0]
    assert abs(weights[0]) > 0.5
    assert (np.abs(weights[1:]) < 1e-6).mean() > 0.8


def test_wd_makes_weights_small(learned: Learn) -> None:
    rows, labels = generated(1000)
    probes = np.concatenate([np.zeros((1, 8)), np.eye(8)]).astype(np.float32)

    def size(wd: float) -> float:
        found = learned(
            BINARY, (rows, labels), wd=wd, l1=0, folder=str(wd), loss="hinge_loss", num_models=1
        )
        scores = found.model.predict(probes)["score"]
        return float(np.abs(scores[1:] - scores[0]).sum())

    assert size(1.0) < 0.5 * size(0.0)


def test_balanced_weights_find_the_rare(learned: Learn) -> None:
    random = np.random.default_rng(0)
    labels = (random.random(2000) < 0.05).astype(float)
    rows = random.normal(size=(2000, 2)) + 1.5 * labels[:, None]
    common: dict[str, Any] = {
        "binary_classifier_model_selection_criteria": "loss_function",
        "num_models": 2,
    }

    def recall(weight: object) -> float:
        found = learned(
            BINARY,
            (rows, labels),
            positive_example_weight_mult=weight,
            folder=str(weight),
            **common,
        )
        return float(metrics.recall_score(labels, predicted(found, rows)))

    assert recall(1.0) < 0.6 < 0.75 < recall("balanced")
    assert recall("auto") > 0
    assert recall(19) > 0.75


def test_balanced_classes_find_the_rare(learned: Learn) -> None:
    random = np.random.default_rng(0)
    labels = random.choice(3, 2000, p=[0.05, 0.05, 0.9])
    rows = random.normal(size=(2000, 3)) + 1.5 * np.eye(3)[labels]
    found = [
        metrics.balanced_accuracy_score(
            labels,
            predicted(
                learned(
                    MULTICLASS,
                    (rows, labels),
                    balance_multiclass_weights=each,
                    num_models=1,
                    folder=str(each),
                ),
                rows,
            ),
        )
        for each in (False, True)
    ]
    assert found[1] > found[0] + 0.1


@pytest.mark.parametrize(
    ("criterion", "more", "holds"),
    [
        ("precision_at_target_recall", {"target_recall": 0.95}, ("recall", 0.95)),
        ("recall_at_target_precision", {"target_precision": 0.95}, ("precision", 0.95)),
        ("f1", {}, ("binary_f_1.000", 0.8)),
        ("cross_entropy_loss", {}, ("binary_classification_accuracy", 0.8)),
    ],
)
def test_criteria(
    learned: Learn, criterion: str, more: dict[str, float], holds: tuple[str, float]
) -> None:
    found = learned(
        BINARY,
        generated(2000),
        validation=generated(2000),
        binary_classifier_model_selection_criteria=criterion,
        **more,
    )
    name, least = holds
    (value,) = found.values(f", validation {name} <score>")
    assert value >= least


def test_the_best_model_is_that_of_the_validation_channel(learned: Learn) -> None:
    random = np.random.default_rng(0)
    rows = random.normal(size=(60, 50))
    labels = rows[:, 0] + random.normal(size=60)
    others = random.normal(size=(500, 50))
    truth = others[:, 0] + random.normal(size=500)
    found = learned(REGRESSOR, (rows, labels), validation=(others, truth))
    objectives = found.values("validation mse_objective <loss>")
    (mse,) = found.values(", validation mse <loss>")
    assert objectives[-1] == pytest.approx(mse, rel=1e-3)
    assert mse == pytest.approx(error(found, others, truth) ** 2, rel=1e-3)
    assert mse <= min(objectives[:-1])


LINES = [
    r"#quality_metric: host=algo-1, epoch=0, train \S+_cross_entropy_objective <loss>=\d+\.\d+",
    r"#quality_metric: host=algo-1, epoch=0, validation \S+_entropy_objective <loss>=\d+\.\d+",
    r"#early_stopping_criteria_metric: .*, epoch=0, criteria=sampled_accuracy, value=0\.\d+",
    r"#progress_metric: host=algo-1, completed 50\.0 % of epochs",
    r"#throughput_metric: host=algo-1, train throughput=[\d.]+ records/second",
    r"#quality_metric: host=algo-1, train binary_classification_accuracy <score>=0\.\d+",
    r"#quality_metric: host=algo-1, validation binary_f_1\.000 <score>=0\.\d+",
    r"#quality_metric: host=algo-1, validation roc_auc_score <score>=0\.\d+",
    r"#quality_metric: host=algo-1, test precision <score>=0\.\d+",
    r"#quality_metric: host=algo-1, test recall <score>=0\.\d+",
    r"#test_score \(algo-1\) : \('binary_classification_accuracy', 0\.\d+\)",
    r"Best model found for hyperparameters: \{\"optimizer\": \"adam\", \"learning_rate\": ",
]


def test_the_log_has_aws_s_lines(learned: Learn, metrics: Callable[[str], Any]) -> None:
    found = learned(BINARY, generated(), validation=generated(), test=generated(), epochs=2)
    for pattern in LINES:
        assert re.search(pattern, found.log), pattern
    documents = [
        each
        for each in metrics(found.log)
        if "train_binary_classification_cross_entropy_objective" in each["Metrics"]
    ]
    timers = {name for each in metrics(found.log) for name in each["Metrics"] if ".time" in name}
    assert timers == {"update.time", "check_early_stopping.time", "finalize.time"}
    metas = {each["Dimensions"].get("Meta") for each in metrics(found.log)}
    assert metas == {None, "init_train_data_iter", "training_data_iter"}
    dimensions = [each["Dimensions"] for each in documents]
    assert [(each["epoch"], each["model"]) for each in dimensions] == [
        (epoch, model) for epoch in range(2) for model in range(32)
    ]
    assert {each["Algorithm"] for each in dimensions} == {"Linear Learner"}


@pytest.mark.parametrize("task", [BINARY, REGRESSOR, MULTICLASS])
def test_the_log_has_every_metric_that_aws_defines(learned: Learn, task: str) -> None:
    data = {BINARY: generated(), REGRESSOR: line(), MULTICLASS: generated(classes=3)}[task]
    log = learned(task, data, validation=data, test=data, epochs=2, num_models=1).log
    for each in metric_definitions("linear-learner", {"predictor_type": task}):
        if each["Name"] != "train:throughput":
            values = re.findall(each["Regex"], log)
            assert values, each
            assert all(math.isfinite(float(value)) for value in values)


def test_without_test_data_the_log_says_so(learned: Learn) -> None:
    assert "Test data is not provided." in learned(REGRESSOR, line(), epochs=1).log


def test_early_stopping(learned: Learn) -> None:
    found = learned(REGRESSOR, line(), epochs=100, early_stopping_patience=2)
    values = found.values("#early_stopping_criteria_metric")
    assert "Early stop condition met. Stopping training." in found.log
    assert 3 <= len(values) < 100
    patient = learned(REGRESSOR, line(), epochs=9, early_stopping_patience=10, folder="patient")
    assert len(patient.values("#early_stopping_criteria_metric")) == 9


def test_the_same_data_gives_the_same_model(learned: Learn) -> None:
    first, second = (learned(BINARY, generated(), folder=name) for name in ("a", "b"))
    assert first.file.read_bytes() == second.file.read_bytes()


def test_csv_and_records_give_the_same_model(learned: Learn) -> None:
    rows, labels = generated()
    rows = rows.astype(np.float32).astype(np.float64)
    first = learned(BINARY, (rows, labels), folder="a")
    second = learned(BINARY, (rows, labels), csv=True, folder="b")
    assert first.file.read_bytes() == second.file.read_bytes()


def test_sparse_rows_give_the_model_of_dense_ones(learned: Learn) -> None:
    rows, labels = generated()
    rows = np.where(np.abs(rows) < 1, 0, rows).astype(np.float32)
    first = learned(BINARY, (rows, labels), folder="a")
    second = learned(BINARY, (scipy.sparse.csr_matrix(rows), labels), folder="b")
    assert first.file.read_bytes() == second.file.read_bytes()


@pytest.mark.parametrize("budget", [0, 9000, 1 << 20])
def test_rows_that_do_not_fit_are_read_again(
    learned: Learn, monkeypatch: pytest.MonkeyPatch, budget: int
) -> None:
    monkeypatch.setattr(examples.Rows.__init__, "__kwdefaults__", {"budget": budget})
    rows, labels = generated(2000, classes=3)
    found = learned(
        MULTICLASS,
        (rows, labels),
        validation=(rows, labels),
        mini_batch_size=50,
        num_point_for_scaler=500,
        balance_multiclass_weights=True,
    )
    best = LogisticRegression().fit(rows, labels).score(rows, labels)
    assert (predicted(found, rows) == labels).mean() >= best - 0.02


@pytest.mark.parametrize("budget", [0, 9000, 30_000])
@pytest.mark.parametrize("weight", ["balanced", "auto"])
@pytest.mark.parametrize("count", [1, 2])
def test_balanced_weights_of_rows_that_do_not_fit(
    learned: Learn,
    on_hosts: Callable[..., list[Any]],
    monkeypatch: pytest.MonkeyPatch,
    budget: int,
    weight: str,
    count: int,
) -> None:
    monkeypatch.setattr(examples.Rows.__init__, "__kwdefaults__", {"budget": budget})
    rows, labels = generated(2000)

    def one(hosts: Hosts) -> Any:
        # Of two hosts with room for 30,000 bytes, one keeps its rows and the other does not.
        part = slice(1500, None) if hosts.rank else slice(2000 if count == 1 else 1500)
        return learned(
            BINARY,
            (rows[part], labels[part]),
            hosts=hosts,
            folder=str(hosts.rank),
            mini_batch_size=50,
            num_point_for_scaler=500,
            positive_example_weight_mult=weight,
            num_models=2,
            epochs=4,
        )

    found = on_hosts(one, count)[0]
    best = LogisticRegression().fit(rows, labels).score(rows, labels)
    assert (predicted(found, rows) == labels).mean() >= best - 0.05


@pytest.mark.parametrize("task", [BINARY, MULTICLASS])
@pytest.mark.parametrize("count", [1, 2])
def test_one_class_only_is_refused_in_data_that_is_not_kept_too(
    learned: Learn,
    on_hosts: Callable[..., list[Any]],
    monkeypatch: pytest.MonkeyPatch,
    task: str,
    count: int,
) -> None:
    monkeypatch.setattr(examples.Rows.__init__, "__kwdefaults__", {"budget": 0})
    rows, labels = generated(200)

    def one(hosts: Hosts) -> Any:
        given = {"num_classes": 3} if task == MULTICLASS else {}
        data = rows, np.ones_like(labels)
        return learned(task, data, hosts=hosts, folder=str(hosts.rank), mini_batch_size=50, **given)

    with pytest.raises(CustomerError, match="All labels in channel 'train' are 1"):
        on_hosts(one, count)


@pytest.mark.parametrize("task", [BINARY, MULTICLASS, REGRESSOR])
@pytest.mark.parametrize("count", [2, 3])
def test_hosts_learn_together_what_one_learns(
    learned: Learn, on_hosts: Callable[..., list[Any]], task: str, count: int
) -> None:
    rows, labels = line(1500) if task == REGRESSOR else generated(1500, 2 + (task == MULTICLASS))
    alone = learned(task, (rows, labels), mini_batch_size=60, folder="alone")

    def one(hosts: Hosts) -> Any:
        # The last host has fewer rows than the others.
        part = slice(hosts.rank * 1500 // count, (hosts.rank + 1) * 1500 // count - 40 * hosts.rank)
        classes = {"num_classes": 3} if task == MULTICLASS else {}
        return learned(
            task,
            (rows[part], labels[part]),
            hosts=hosts,
            folder=str(hosts.rank),
            mini_batch_size=60 // count,
            **classes,
        )

    together = on_hosts(one, count)[0]
    if task == REGRESSOR:
        assert error(together, rows, labels) <= 1.05 * error(alone, rows, labels)
    else:
        accuracy = [(predicted(each, rows) == labels).mean() for each in (alone, together)]
        assert accuracy[1] >= accuracy[0] - 0.015


REFUSED: list[tuple[str, Any, dict[str, Any], str]] = [
    (BINARY, ([[1], [2]], [1, 1]), {}, "All labels in channel 'train' are 1"),
    (BINARY, ([[1], [2]], [1, 2]), {}, "Label 2 in channel 'train' is out of range"),
    (BINARY, ([[1], [2]], [1, 0.5]), {}, r"Label 0\.5 .* must be integers from 0 to 1"),
    (
        MULTICLASS,
        ([[1], [2], [3]], [0, 1, 3]),
        {"num_classes": 3},
        "Label 3 .* integers from 0 to 2",
    ),
    (REGRESSOR, ([[1], [2]], [[1, 2], [3, 4]]), {}, "2 labels in a row"),
    (REGRESSOR, ([[1], [2]], None), {}, "Channel 'train' has no labels"),
    (REGRESSOR, ([[1], [np.nan]], [1, 2]), {}, "features that are NaN or infinite"),
    (REGRESSOR, ([[1], [2]], [1, np.inf]), {}, "labels that are NaN or infinite"),
    (
        REGRESSOR,
        ([[1], [2]], [1, 2]),
        {"mini_batch_size": 3},
        "mini_batch_size is 3, but channel 'train' has only 2 rows",
    ),
    (
        REGRESSOR,
        ([[1], [2]], [1, 2]),
        {"feature_dim": 7},
        "input: 1 does not match the feature dimension of the model: 7",
    ),
    (REGRESSOR, ([[1], [2]], [1, 2]), {"k": 3}, r"not allowed \('k' was unexpected\)"),
    (
        REGRESSOR,
        ([[1], [2]], [1, 2]),
        {"loss": "logistic"},
        "loss is 'logistic', but a regressor takes",
    ),
    (
        REGRESSOR,
        ([[1], [2]], [1, 2]),
        {"optimizer": "sgd", "learning_rate": 1e30, "momentum": 0.9, "num_models": 1},
        "Training diverged",
    ),
]


@pytest.mark.parametrize(("task", "data", "more", "reason"), REFUSED)
def test_what_is_refused(
    learned: Learn, task: str, data: Any, more: dict[str, Any], reason: str
) -> None:
    rows, labels = data
    given = (np.array(rows, dtype=np.float32), labels and np.array(labels, dtype=np.float32))
    with pytest.raises(CustomerError, match=reason) as raised:
        learned(task, given, **{"mini_batch_size": 2, **more})
    assert str(raised.value).startswith("ClientError: ")
    assert raised.value.errno == 2


@pytest.mark.parametrize("channel", ["validation", "test"])
@pytest.mark.parametrize("task", [BINARY, REGRESSOR])
def test_a_channel_without_rows_is_refused(learned: Learn, channel: str, task: str) -> None:
    data = generated(100)
    none = data[0][:0], data[1][:0]
    with pytest.raises(CustomerError, match=f"Channel '{channel}' has no rows"):
        learned(task, data, **{channel: none})


def test_a_host_may_have_no_rows_to_validate_by(
    learned: Learn, on_hosts: Callable[..., list[Any]]
) -> None:
    rows, labels = generated(200)

    def one(hosts: Hosts) -> Any:
        own = slice(0, 100 * (1 - hosts.rank))
        return learned(
            BINARY,
            (rows, labels),
            validation=(rows[own], labels[own]),
            hosts=hosts,
            folder=str(hosts.rank),
        )

    found = on_hosts(one, 2)[0]
    assert (predicted(found, rows) == labels).mean() > 0.7


def test_of_one_class_there_is_no_curve(learned: Learn) -> None:
    rows, labels = generated(100)
    some = rows[labels > 0], labels[labels > 0]
    found = learned(BINARY, (rows, labels), validation=some, test=some)
    assert "validation recall" in found.log
    assert "train roc_auc_score" in found.log
    assert "validation roc_auc_score" not in found.log
    assert "nan" not in found.log


@pytest.mark.parametrize("scale", [1e-42, 1e-36, 1e-20, 1e20, 1e37])
def test_columns_of_any_scale(learned: Learn, scale: float) -> None:
    rows, labels = generated()
    rows = rows / np.abs(rows).max()
    rows[:, :4] *= scale
    found = learned(BINARY, (rows.astype(np.float32), labels), num_models=2)
    best = LogisticRegression().fit(rows[:, 4:], labels).score(rows[:, 4:], labels)
    assert (predicted(found, rows) == labels).mean() >= best - 0.1
