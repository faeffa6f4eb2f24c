"""The settings of the models: the first by AWS's values, others nearby, the user's untouched."""

from __future__ import annotations

import attrs
import numpy as np
import pytest

from sm_amazon_algos.container.errors import CustomerError
from sm_amazon_algos.container.linear.grid import AXES, candidates, number_of_models
from sm_amazon_algos.container.linear.settings import Settings


def test_the_first_model_has_the_values_that_aws_logs() -> None:
    found = candidates(Settings("regressor"), 32, balance=1)
    first = [column[0] for column in (found.learning_rate, found.wd, found.l1)]
    assert first == [0.1, 1e-4, 0]
    assert (found.step[0], found.factor[0], found.minimum[0]) == (100, 0.99, 1e-5)


def test_32_models_are_32_settings() -> None:
    found = candidates(Settings("binary_classifier"), 32, balance=1)
    assert len({*zip(found.learning_rate, found.step, found.wd, found.l1, strict=True)}) == 32


@pytest.mark.parametrize(
    ("name", "column", "value"),
    [
        ("learning_rate", "learning_rate", 0.05),
        ("wd", "wd", 0.2),
        ("l1", "l1", 0.3),
        ("lr_scheduler_step", "step", 7),
        ("lr_scheduler_factor", "factor", 0.5),
        ("lr_scheduler_minimum_lr", "minimum", 1e-3),
        ("positive_example_weight_mult", "positive_weight", 3.0),
    ],
)
def test_what_the_user_sets_holds_for_all_models(name: str, column: str, value: float) -> None:
    settings = Settings.of({"predictor_type": "binary_classifier", name: value})
    found = candidates(settings, 32, balance=9)
    assert set(getattr(found, column)) == {value}


def test_balanced_weights() -> None:
    settings = Settings("binary_classifier", positive_example_weight_mult="balanced")
    assert set(candidates(settings, 4, balance=9).positive_weight) == {9}
    auto = Settings("binary_classifier", positive_example_weight_mult="auto")
    assert set(candidates(auto, 32, balance=9).positive_weight) == {1, 9}


def test_the_learning_rate_decays_in_steps_down_to_its_minimum() -> None:
    settings = Settings(
        "regressor",
        learning_rate=1.0,
        lr_scheduler_step=10,
        lr_scheduler_factor=0.5,
        lr_scheduler_minimum_lr=0.2,
    )
    found = candidates(settings, 1, balance=1)
    assert [found.rates(steps)[0] for steps in (0, 9, 10, 20, 30)] == [1, 1, 0.5, 0.25, 0.2]


def test_without_a_scheduler_it_stays() -> None:
    found = candidates(Settings("regressor", use_lr_scheduler=False), 4, balance=1)
    assert found.rates(10_000) == pytest.approx(found.learning_rate)


def test_as_many_models_as_asked_for_or_as_there_is_room_for() -> None:
    assert number_of_models(Settings("regressor"), 100) == 32
    assert number_of_models(Settings("regressor", num_models=5), 10**6) == 5
    wide = Settings("multiclass_classifier", num_classes=1000)
    assert number_of_models(wide, 4000) == 4
    assert number_of_models(wide, 10**6) == 1
    assert np.prod([len(values) for values in AXES.values()]) == 64
    with pytest.raises(CustomerError, match="so many models have 50000000000 weights"):
        number_of_models(Settings("regressor", num_models=10**10), 4)
    assert number_of_models(attrs.evolve(wide, num_models=1), 10**6) == 1
