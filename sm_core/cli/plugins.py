"""``sm plugins``: what is installed."""

from __future__ import annotations

import click

from sm_core.cli.output import json_option, print_json, print_table

__all__ = ["plugins"]


@click.command()
@json_option
def plugins(as_json: bool) -> None:
    """List the installed plugins.

    Shows each plugin's name, the distribution that brings it, the hooks it implements, and, for one
    that was set aside because it does not load, the reason.
    """
    from sm_core.plugins import client_plugins

    loads = client_plugins().loads
    if as_json:
        import attrs

        print_json([attrs.asdict(load) for load in loads])
        return
    print_table(
        ["Plugin", "Distribution", "Version", "Hooks"],
        [
            [
                load.name,
                load.distribution,
                load.version,
                f"set aside: {load.error}" if load.error else ", ".join(load.hooks),
            ]
            for load in loads
        ],
    )
