"""Calls functions of others: a user's with the arguments that it names, an image's own."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from sm_core.errors import ConfigurationError, SourceError

__all__ = ["call_framework", "call_with_named"]


def call_framework(name: str) -> None:
    """Call the function of an image that trains, without arguments.

    Args:
        name: ``module:function``, as ``SAGEMAKER_TRAINING_MODULE`` has it.

    Raises:
        ConfigurationError: there is no such function. What it raises is passed on.
    """
    module, _, function = name.partition(":")
    if not module or not function:
        raise ConfigurationError(
            f"SAGEMAKER_TRAINING_MODULE is {name!r}; it must be of the form module:function"
        )
    try:
        found = getattr(importlib.import_module(module), function, None)
    except ModuleNotFoundError as error:
        if error.name is None or not module.startswith(error.name):
            raise
        raise ConfigurationError(f"SAGEMAKER_TRAINING_MODULE names {name!r}: {error}") from None
    if not callable(found):
        raise ConfigurationError(
            f"SAGEMAKER_TRAINING_MODULE names {name!r}: {module} has no function {function}"
        )
    found()


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
