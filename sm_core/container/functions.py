"""Calls a user's function with the arguments that it names."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from sm_core.errors import SourceError

__all__ = ["call_with_named"]


def call_with_named(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    """Call `function` with those of `arguments` that it names; ``**kwargs`` gets all the others.

    A parameter with a default keeps it unless `arguments` has a value of that name.

    Raises:
        SourceError: the function requires an argument that is not there; lists those that are.
    """
    name = getattr(function, "__name__", "the function")
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        raise SourceError(f"{name} cannot be called: {error}") from error
    takes_all = any(entry.kind is inspect.Parameter.VAR_KEYWORD for entry in parameters)
    positional: list[Any] = []
    keywords: dict[str, Any] = dict(arguments) if takes_all else {}
    unknown: list[str] = []
    for entry in parameters:
        if entry.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            continue
        if entry.name in arguments:
            if entry.kind is inspect.Parameter.POSITIONAL_ONLY:
                positional.append(arguments[entry.name])
                keywords.pop(entry.name, None)
            else:
                keywords[entry.name] = arguments[entry.name]
        elif entry.default is inspect.Parameter.empty:
            unknown.append(entry.name)
        elif entry.kind is inspect.Parameter.POSITIONAL_ONLY:
            # Later positional-only arguments need their place.
            positional.append(entry.default)
    if unknown:
        raise SourceError(_unknown(name, unknown, arguments))
    return function(*positional, **keywords)


def _unknown(name: str, unknown: list[str], arguments: Mapping[str, Any]) -> str:
    known = ", ".join(arguments)
    near = difflib.get_close_matches(unknown[0], list(arguments), n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    plural = "arguments" if len(unknown) > 1 else "an argument"
    return (
        f"{name}() requires {plural} that SageMaker does not pass: {', '.join(unknown)}{hint}. "
        f"It may ask for any of: {known}; give others a default, or take **kwargs"
    )
