"""Where a command's requests go: ``--backend``, ``--region``, ``--profile``; and ``--debug``.

They may stand before or behind the command's name: ``sm --backend local jobs list`` and
``sm jobs list --backend local`` are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from sm_core.session import Session

__all__ = ["chosen_session", "debugging", "place_options", "session"]

#: Key of these options in the contexts' common dict.
_KEY = "sm_core.cli.places"

Function = TypeVar("Function", bound=Callable[..., Any])


def place_options(function: Function) -> Function:
    """Give a command the options that say where its requests go."""
    for option in (
        _option("--debug", is_flag=True, help="Show the traceback of an error."),
        _option("--profile", metavar="NAME", help="Profile of your AWS configuration."),
        _option("--region", metavar="NAME", help="AWS region."),
        _option(
            "--backend",
            metavar="NAME",
            shell_complete=_backends,
            help="Where requests go: aws, local, or what a plugin brings. "
            "[default: SMCORE_BACKEND, else aws]",
        ),
    ):
        function = option(function)
    return function


def session() -> Session:
    """The Session that the command's options choose, or the default one.

    Raises:
        click.UsageError: they contradict each other.
        ConfigurationError: there is no such profile.
        UnknownBackendError: no installed plugin brings the back end.
    """
    from sm_core.connection import DEFAULT_BACKEND
    from sm_core.session import Session

    given = _given(click.get_current_context())
    backend, aws = given.get("backend"), {"region", "profile"} & set(given)
    if not aws:
        return Session(backend=backend)
    if backend not in (None, DEFAULT_BACKEND):
        named = " and ".join(f"--{name}" for name in sorted(aws))
        raise click.UsageError(f"{named} cannot be given with --backend {backend}")
    import boto3

    from sm_core.clients import translated_errors

    with translated_errors():
        own = boto3.Session(region_name=given.get("region"), profile_name=given.get("profile"))
    return Session(own, backend=backend)


def chosen_session() -> Session | None:
    """The Session that the command's options choose; None where they leave it open."""
    chosen = _given(click.get_current_context()).keys() - {"debug"}
    return session() if chosen else None


def debugging(context: click.Context) -> bool:
    """Whether errors are to be shown with their traceback."""
    return bool(_given(context).get("debug"))


def _option(*names: str, **settings: Any) -> Callable[[Function], Function]:
    return click.option(*names, expose_value=False, callback=_keep, **settings)


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    # What stands behind the command's name is parsed later, and wins.
    if value:
        _given(context)[str(parameter.name)] = value


def _given(context: click.Context) -> dict[str, Any]:
    options: dict[str, Any] = context.meta.setdefault(_KEY, {})
    return options


def _backends(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    from sm_core.backends import Backend
    from sm_core.plugins import client_plugins

    names = sorted({each.name for _, each in client_plugins().collect("sm_backends", Backend)})
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]
