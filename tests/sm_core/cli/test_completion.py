"""Completion in shells."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest
from click.testing import CliRunner

from sm_core.cli import main

Complete = Callable[[str], set[str]]


@pytest.fixture
def complete() -> Complete:
    """What fish would be offered for the last word of a line."""

    def ask(line: str) -> set[str]:
        words, _, last = line.rpartition(" ")
        result = CliRunner().invoke(
            main,
            env={"_SM_COMPLETE": "fish_complete", "COMP_WORDS": words, "COMP_CWORD": last},
            prog_name="sm",
        )
        lines = (line for line in result.stdout.splitlines() if "," in line or line)
        return {line.partition(",")[2].partition("\t")[0] for line in lines}

    return ask


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell(shell: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0, result.output
    assert f"_SM_COMPLETE={shell}_complete" in result.stdout


def test_bash_takes_its_script() -> None:
    script = CliRunner().invoke(main, ["completion", "bash"]).stdout
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_commands_and_their_options(complete: Complete) -> None:
    assert complete("sm pl") == {"plugins"}
    assert complete("sm jobs d") == {"describe"}
    assert "--follow" in complete("sm jobs logs --f")


def test_the_options_that_a_framework_has(complete: Complete) -> None:
    assert complete("sm train --framework k") == {"kmeans"}
    assert complete("sm train --framework kmeans --local-i") == {"--local-init-method"}
    assert complete("sm train --local-i") == set()


def test_a_framework_that_is_not_written_out_yet(complete: Complete) -> None:
    assert "--framework" not in complete("sm train --framework kme --i")
    assert "--input" in complete("sm train --framework kme --i")
