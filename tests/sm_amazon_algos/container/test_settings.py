"""Hyperparameters in the container: defaults, types, and AWS's words for what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from sm_amazon_algos.container.errors import CustomerError
from sm_amazon_algos.container.settings import read_settings
from sm_amazon_algos.hyperparameters import KMeansHyperparameters, PCAHyperparameters

NEEDED = {"k": 3, "feature_dim": 2}


def kmeans(**given: Any) -> dict[str, Any]:
    return read_settings(given, KMeansHyperparameters, required=("k", "feature_dim"))


def test_what_is_not_given_has_aws_s_default() -> None:
    assert kmeans(**NEEDED) == {
        "k": 3,
        "feature_dim": 2,
        "mini_batch_size": 5000,
        "epochs": 1,
        "init_method": "random",
        "extra_center_factor": "auto",
        "local_lloyd_max_iter": 300,
        "local_lloyd_tol": 0.0001,
        "local_lloyd_init_method": "kmeans++",
        "local_lloyd_num_trials": "auto",
        "half_life_time_size": 0,
        "eval_metrics": ("msd",),
        "force_dense": True,
    }


def test_values_as_they_travel() -> None:
    found = kmeans(
        k="3",
        feature_dim=2.0,
        eval_metrics=["msd", "ssd"],
        force_dense="False",
        local_lloyd_tol="0.01",
        extra_center_factor="4",
    )
    assert (found["k"], found["feature_dim"]) == (3, 2)
    assert list(found["eval_metrics"]) == ["msd", "ssd"]
    assert found["force_dense"] is False
    assert (found["local_lloyd_tol"], found["extra_center_factor"]) == (0.01, 4)


def test_settings_of_aws_s_own_containers_change_nothing() -> None:
    internal = {"_kvstore": "auto", "_num_kv_servers": 1, "_tuning_objective_metric": "x"}
    assert kmeans(**NEEDED, **internal) == kmeans(**NEEDED)


MISSING = "No value(s) were specified for {} which are required hyperparameter(s)"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, MISSING.format("'k', 'feature_dim'") + " (caused by ValidationError)\n\nCaused by: "),
        ({"k": 3}, MISSING.format("'feature_dim'")),
        ({"k": "", "feature_dim": 2}, MISSING.format("'k'")),
        (
            {**NEEDED, "local_lloyd_max_iterations": 3},
            (
                "Additional hyperparameters are not allowed ('local_lloyd_max_iterations' was "
                "unexpected) (caused by ValidationError)"
            ),
        ),
        ({**NEEDED, "b": 3, "a": 1}, "not allowed ('a', 'b' were unexpected)"),
        # The names of attributes are the client's own.
        ({**NEEDED, "center_factor": 3}, "('center_factor' was unexpected)"),
        (
            {**NEEDED, "k": 0},
            (
                "Hyperparameter k: value 0 is not a whole number of at least 1 (caused by "
                "ValidationError)"
            ),
        ),
        ({**NEEDED, "k": "many"}, "Hyperparameter k: value many is not a whole number"),
        ({**NEEDED, "k": True}, "Hyperparameter k: value true is not"),
        ({**NEEDED, "init_method": "best"}, "value best is not 'random' or 'kmeans++'"),
        (
            {**NEEDED, "eval_metrics": "[msd"},
            (
                "Hyperparameter must be valid json, but found eval_metrics: (caused by ValueError)"
                "\n\nCaused by: No JSON object could be decoded"
            ),
        ),
        ({**NEEDED, "eval_metrics": "msd, ssd"}, "must be valid json, but found eval_metrics:"),
        ({**NEEDED, "eval_metrics": ["mse"]}, 'Hyperparameter eval_metrics: value ["mse"] is not'),
    ],
)
def test_mistakes_in_aws_s_words(given: dict[str, Any], message: str) -> None:
    with pytest.raises(CustomerError) as caught:
        kmeans(**given)
    assert message in str(caught.value)
    assert str(caught.value).startswith("ClientError: ")


def test_what_contradicts_itself() -> None:
    given = {"feature_dim": 2, "num_components": 3, "mini_batch_size": 1}
    with pytest.raises(CustomerError, match="num_components is 3, but the data has only 2 columns"):
        read_settings(given, PCAHyperparameters, required=())
