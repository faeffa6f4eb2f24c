"""The ``sm`` command: the core's own sub-commands, and those that plugins add (``sm_commands``)."""

from __future__ import annotations

import json
from typing import Any

import click

from sm_core.errors import SMError

__all__ = ["main"]


class _Commands(click.Group):
    """A group that asks the plugins for their commands when it needs to know one."""

    _asked = False

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands, plugins' included."""
        self._ask_plugins()
        return super().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command called `cmd_name`; the plugins are asked only if the core has none."""
        own = super().get_command(ctx, cmd_name)
        if own is None:
            self._ask_plugins()
        return own or super().get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error raised on purpose becomes one message and exit status 1."""
        try:
            return super().invoke(ctx)
        except SMError as error:
            raise click.ClickException(str(error)) from error

    def _ask_plugins(self) -> None:
        if self._asked:
            return
        self._asked = True
        from sm_core.plugins import client_plugins

        plugins = client_plugins()
        implementations = plugins.hook.sm_commands.get_hookimpls()
        for implementation in implementations:
            others = [other.plugin for other in implementations if other is not implementation]
            try:
                plugins.subset_hook_caller("sm_commands", others)(group=self)
            except Exception as error:  # noqa: BLE001 - whatever a plugin raises, the others go on
                click.echo(
                    f"Warning: plugin {implementation.plugin_name!r} cannot add its commands: "
                    f"{type(error).__name__}: {error}",
                    err=True,
                )


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Each command has a --help of its own.",
)
@click.version_option(package_name="sm-core", prog_name="sm")
def main() -> None:
    """Train and host machine-learning models on Amazon SageMaker, or on this machine."""


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def plugins(as_json: bool) -> None:
    """List the installed plugins.

    Shows each plugin's name, the distribution that brings it, the hooks it implements, and, for one
    that was set aside because it does not load, the reason.
    """
    from sm_core.plugins import client_plugins

    loads = client_plugins().loads
    if as_json:
        import attrs

        click.echo(json.dumps([attrs.asdict(load) for load in loads], indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("Plugin", "Distribution", "Version", "Hooks", box=None, pad_edge=False)
    for load in loads:
        error = load.error and f"[red]set aside:[/red] {_plain(load.error)}"
        table.add_row(load.name, load.distribution, load.version, error or ", ".join(load.hooks))
    Console().print(table)


def _plain(text: str) -> str:
    """`text` as it is, where rich would take brackets for markup."""
    from rich.markup import escape

    return escape(text)
