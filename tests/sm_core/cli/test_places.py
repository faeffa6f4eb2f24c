"""Where a command's requests go."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from sm_core.cli import main
from sm_core.cli.places import chosen_session, place_options, session
from sm_core.session import Session

Run = Callable[..., Result]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Add a command ``probe``; what Session it gets."""
    found: list[Any] = []

    @main.command()
    @place_options
    def probe() -> None:
        found[:] = [chosen_session(), session()]

    return found


def probe(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.mark.parametrize(
    "arguments", [("--backend", "local", "probe"), ("probe", "--backend", "local")]
)
def test_the_back_end_may_stand_before_or_behind(made: list[Any], arguments: list[str]) -> None:
    assert probe(*arguments).exit_code == 0
    assert [each.backend.name for each in made] == ["local", "local"]


def test_what_stands_behind_wins(made: list[Any]) -> None:
    assert probe("--backend", "aws", "probe", "--backend", "local").exit_code == 0
    assert made[1].backend.name == "local"


def test_nothing_chosen(made: list[Any]) -> None:
    assert probe("probe", "--debug").exit_code == 0
    chosen, default = made
    assert chosen is None
    assert default.backend.name == "aws"


def test_region_and_profile(
    made: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config"
    config.write_text("[profile other]\nregion = eu-west-1\n", encoding="utf-8")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    assert probe("probe", "--profile", "other").exit_code == 0
    found: Session = made[0]
    assert (found.region, found.boto_session.profile_name) == ("eu-west-1", "other")
    assert probe("probe", "--profile", "other", "--region", "eu-north-1").exit_code == 0
    assert made[0].region == "eu-north-1"


def test_contradictions_are_wrong_usage(made: list[Any]) -> None:
    result = probe("probe", "--backend", "local", "--region", "eu-north-1")
    assert result.exit_code == 2
    assert "--region cannot be given with --backend local" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--backend", "lokal"], "did you mean 'local'?"),
        (["--profile", "nobody"], "The config profile (nobody) could not be found"),
    ],
)
def test_what_is_not_there_is_one_line(made: list[Any], arguments: list[str], message: str) -> None:
    result = probe("probe", *arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_back_ends_are_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "COMP_WORDS", "sm jobs list --backend ")
    monkeypatch.setitem(os.environ, "COMP_CWORD", "4")
    result = CliRunner().invoke(main, env={"_SM_COMPLETE": "bash_complete"}, prog_name="sm")
    assert result.stdout.split() == ["plain,aws", "plain,local"]


def test_click_is_not_needed_outside_a_command() -> None:
    with pytest.raises(RuntimeError):
        session()
    assert click.get_current_context(silent=True) is None
