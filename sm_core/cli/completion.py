"""``sm completion``: the script that teaches a shell to complete the command's words."""

from __future__ import annotations

import click

__all__ = ["completion"]


@click.command(short_help="Print the script for completion in a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that lets SHELL complete `sm` commands and options.

    \b
    bash, in ~/.bashrc:                  eval "$(sm completion bash)"
    zsh, in ~/.zshrc after compinit:     eval "$(sm completion zsh)"
    fish, in ~/.config/fish/config.fish: sm completion fish | source
    """
    from click.shell_completion import get_completion_class

    root = click.get_current_context().find_root()
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(root.command, {}, "sm", "_SM_COMPLETE").source())
