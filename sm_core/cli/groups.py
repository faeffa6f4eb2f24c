"""The group of all commands: asks plugins for theirs, and turns errors into messages and statuses.

The exit status is 0 for success, 1 for a failure, 2 for wrong usage, and 130 after Ctrl-C.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Any, TextIO

import click

from sm_core.cli.places import debugging
from sm_core.errors import SMError

__all__ = ["INTERRUPTED", "Commands"]

#: Exit status after Ctrl-C, as shells have it: 128 and the signal's number.
INTERRUPTED = 130


class Commands(click.Group):
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
        if isinstance(sys.stdout, TextIOWrapper):
            # What others wrote need not be in the characters that this terminal has.
            sys.stdout.reconfigure(errors="replace")
        with _short_warnings():
            try:
                return super().invoke(ctx)
            except SMError as error:
                if debugging(ctx):
                    raise
                raise click.ClickException(str(error)) from error
            except KeyboardInterrupt:
                if debugging(ctx):
                    raise
                click.echo("Interrupted.", err=True)
                raise click.exceptions.Exit(INTERRUPTED) from None

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


@contextmanager
def _short_warnings() -> Iterator[None]:
    """Show what the SDK warns users of without a line of Python, which they have not written."""
    with warnings.catch_warnings():
        long = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if category is UserWarning:
                click.echo(f"Warning: {message}", err=True)
            else:
                long(message, category, filename, lineno, file, line)

        warnings.showwarning = show
        yield
