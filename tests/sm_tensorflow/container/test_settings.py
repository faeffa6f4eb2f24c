"""The hyperparameters that TensorFlow's containers interpret."""

from __future__ import annotations

from typing import Any

import pytest

from sm_core.errors import ConfigurationError
from sm_tensorflow.container.settings import TrainingSettings


def test_defaults() -> None:
    settings = TrainingSettings.read({})
    assert (settings.training_steps, settings.evaluation_steps) == (1000, 100)
    assert (settings.save_checkpoints_secs, settings.save_checkpoints_steps) == (300, None)
    assert (settings.keep_checkpoint_max, settings.evaluation_frequency) == (5, 1000)
    assert settings.checkpoint_path is None
    assert not settings.delay_workers_by_global_step


def test_null_steps_are_for_ever() -> None:
    settings = TrainingSettings.read({"training_steps": None, "evaluation_steps": None})
    assert (settings.training_steps, settings.evaluation_steps) == (None, None)


def test_steps_alone_decide_about_checkpoints() -> None:
    settings = TrainingSettings.read({"save_checkpoints_steps": 50})
    assert (settings.save_checkpoints_secs, settings.save_checkpoints_steps) == (None, 50)


@pytest.mark.parametrize(
    ("given", "frequency"),
    [
        ({"min_eval_frequency": 0}, 0),
        ({"min_eval_frequency": None}, 1000),
        ({"min_eval_frequency": 7}, 7),
        ({"train_steps_per_iteration": 10}, 10),
        ({"train_steps_per_iteration": 10, "min_eval_frequency": 25}, 25),
        ({"train_steps_per_iteration": 10, "min_eval_frequency": 0}, 0),
    ],
)
def test_how_often_is_evaluated(given: dict[str, Any], frequency: int) -> None:
    assert TrainingSettings.read(given).evaluation_frequency == frequency


def test_each_iteration_has_a_checkpoint() -> None:
    for given in ({}, {"save_checkpoints_secs": 60}, {"save_checkpoints_steps": 100}):
        settings = TrainingSettings.read({"train_steps_per_iteration": 10, **given})
        assert (settings.save_checkpoints_secs, settings.save_checkpoints_steps) == (None, 10)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (
            {"save_checkpoints_secs": 1, "save_checkpoints_steps": 1},
            "save_checkpoints_secs and save_checkpoints_steps exclude each other",
        ),
        ({"training_steps": "100"}, "training_steps is '100'; it must be a whole number"),
        ({"training_steps": 0}, "training_steps is 0; it must be a whole number of at least 1"),
        ({"evaluation_steps": True}, "evaluation_steps is True"),
        ({"save_summary_steps": 1.5}, "save_summary_steps is 1.5"),
        ({"keep_checkpoint_max": -1}, "keep_checkpoint_max is -1"),
        ({"eval_delay_secs": "soon"}, "eval_delay_secs is 'soon'; it must be a number"),
        ({"delay_workers_by_global_step": 1}, "delay_workers_by_global_step is 1"),
        ({"checkpoint_path": 5}, "checkpoint_path is 5; it must be text"),
        ({"save_checkpoints_secs": 0}, "save_checkpoints_secs is 0"),
    ],
)
def test_what_is_wrong_is_named(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        TrainingSettings.read(given)


def test_a_tuners_whole_number_may_have_a_fraction_of_nothing() -> None:
    assert TrainingSettings.read({"training_steps": 50.0}).training_steps == 50
