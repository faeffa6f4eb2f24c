"""``sm frameworks``: what can be trained."""

from __future__ import annotations

import click

from sm_core.cli.output import json_option, print_json, print_table

__all__ = ["frameworks"]


@click.command()
@json_option
def frameworks(as_json: bool) -> None:
    """List the frameworks that the installed plugins register.

    `sm train --framework NAME --help` shows the options of one.
    """
    from sm_core.frameworks import get_framework, list_frameworks, plugin_of

    found = [get_framework(name) for name in list_frameworks()]
    if as_json:
        print_json(
            [
                {
                    "name": each.name,
                    "aliases": list(each.aliases),
                    "plugin": plugin_of(each),
                    "default_version": each.default_version,
                    "script": each.script,
                    "default_channel": each.default_channel,
                }
                for each in found
            ]
        )
        return
    print_table(
        ["Framework", "Aliases", "Plugin", "Version", "Trains", "Channel"],
        [
            [
                each.name,
                ", ".join(each.aliases),
                plugin_of(each),
                each.default_version or "",
                "your script" if each.script else "an algorithm",
                each.default_channel,
            ]
            for each in found
        ],
    )
