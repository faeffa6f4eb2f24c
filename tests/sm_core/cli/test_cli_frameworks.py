"""``sm frameworks``: what can be trained."""

from __future__ import annotations

import json
from collections.abc import Callable

from click.testing import Result

from sm_core.frameworks import Framework

Run = Callable[..., Result]


def test_a_table(run: Run, paper: Framework) -> None:
    result = run("frameworks")
    assert result.exit_code == 0, result.output
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["Framework", "Aliases", "Plugin", "Version", "Trains", "Channel"],
        ["paper", "origami", "paper", "2.0", "your", "script", "train"],
    ]


def test_json(run: Run, paper: Framework) -> None:
    (found,) = json.loads(run("frameworks", "--json").stdout)
    assert found == {
        "name": "paper",
        "aliases": ["origami"],
        "plugin": "paper",
        "default_version": "2.0",
        "script": True,
        "default_channel": "train",
    }
