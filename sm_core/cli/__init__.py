"""The ``sm`` command: the core's own sub-commands, and those that plugins add (``sm_commands``)."""

from __future__ import annotations

import click

from sm_core.cli.completion import completion
from sm_core.cli.deploy import deploy
from sm_core.cli.endpoints import endpoints
from sm_core.cli.frameworks import frameworks
from sm_core.cli.groups import Commands
from sm_core.cli.jobs import jobs
from sm_core.cli.places import place_options
from sm_core.cli.plugins import plugins
from sm_core.cli.predict import predict
from sm_core.cli.train import train

__all__ = ["main"]


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Each command has a --help of its own.",
)
@click.version_option(package_name="sm-core", prog_name="sm")
@place_options
def main() -> None:
    """Train and host machine-learning models on Amazon SageMaker, or on this machine."""


for command in (completion, deploy, endpoints, frameworks, jobs, plugins, predict, train):
    main.add_command(command)
