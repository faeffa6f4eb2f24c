"""Hook calls printed on standard error, for whoever wants to see what plugins do."""

from __future__ import annotations

import reprlib
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import pluggy

__all__ = ["TRACE_VARIABLE", "trace_call"]

#: Set to print every hook call and its result on standard error.
TRACE_VARIABLE = "SMCORE_TRACE_HOOKS"

#: Members of requests that may hold secrets: variables for a container.
_SECRET = frozenset({"Environment"})
_SHORT = reprlib.Repr()
_SHORT.maxdict = _SHORT.maxlist = 20
_SHORT.maxstring = 80
_SHORT.maxother = 200


def trace_call(
    hook: str,
    implementations: Iterable[pluggy.HookImpl],
    arguments: Mapping[str, Any],
    result: Any,
) -> None:
    """Print a call in one line; values are cut short, as a request may hold a whole file."""
    plugins = ", ".join(implementation.plugin_name for implementation in implementations) or "none"
    given = ", ".join(f"{name}={_shown(value)}" for name, value in arguments.items())
    sys.stderr.write(f"hook {hook}({given}) of {plugins} --> {_shown(result)}\n")


def _shown(value: Any) -> str:
    return _SHORT.repr(_without_secrets(value))


def _without_secrets(value: Any) -> Any:
    """`value` without the values of a container's variables."""
    if isinstance(value, Mapping):
        return {
            name: dict.fromkeys(each, "***")
            if name in _SECRET and isinstance(each, Mapping)
            else _without_secrets(each)
            for name, each in value.items()
        }
    if isinstance(value, list):
        return [_without_secrets(each) for each in value]
    return value
