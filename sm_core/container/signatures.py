"""Calls the functions of a serving script, whichever of the documented signatures they have."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

__all__ = ["FUNCTIONS", "adapted"]

_Function = Callable[..., Any]

#: The functions that a script may define → what they are called with, in this order, before the
#: context that ends every call.
FUNCTIONS = {
    "pre_model_fn": ("model_dir",),
    "model_fn": ("model_dir",),
    "model_warmup_fn": ("model_dir", "model"),
    "transform_fn": ("model", "request_body", "content_type", "accept"),
    "input_fn": ("request_body", "content_type", "model"),
    "predict_fn": ("input_object", "model"),
    "output_fn": ("prediction", "accept"),
}
_CONTEXT = ("context", "ctx")


def adapted(name: str, function: _Function) -> _Function:
    """`function` as one that is called with the values that `FUNCTIONS` lists, and the context.

    A function that has a parameter ``context`` gets the context, as does one that requires exactly
    one value more than it is called with. ``input_fn`` may leave out the model; it and
    ``predict_fn`` may take the model first.
    """
    if name == "input_fn":
        return _input(function)
    count = len(FUNCTIONS[name])
    call = _with_context(function, count)
    parameters = _positional(function)
    if name == "predict_fn" and parameters and parameters[0].name == "model":
        return lambda data, model, context: call(model, data, context)
    return call


def _input(function: _Function) -> _Function:
    parameters = _positional(function)
    if parameters and parameters[0].name == "model":
        call = _with_context(function, 3)
        return lambda body, content_type, model, context: call(model, body, content_type, context)
    third = parameters[2] if len(parameters) > 2 else None
    takes_model = third is not None and (
        third.name == "model"
        or (third.default is inspect.Parameter.empty and third.name not in _CONTEXT)
    )
    if takes_model:
        return _with_context(function, 3)
    call = _with_context(function, 2)
    return lambda body, content_type, model, context: call(body, content_type, context)


def _with_context(function: _Function, count: int) -> _Function:
    """`function` called with `count` values and the context, which it gets if it takes it."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return lambda *arguments: function(*arguments[:-1])
    named = next((name for name in _CONTEXT if name in parameters), None)
    if named is not None and parameters[named].kind is not inspect.Parameter.POSITIONAL_ONLY:
        keyword = named
        return lambda *arguments: function(*arguments[:-1], **{keyword: arguments[-1]})
    required = [
        entry for entry in _positional(function) if entry.default is inspect.Parameter.empty
    ]
    if len(required) == count + 1:
        return function
    return lambda *arguments: function(*arguments[:-1])


def _positional(function: _Function) -> list[inspect.Parameter]:
    """Parameters that may be given by position; none if the signature cannot be read."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [entry for entry in parameters if entry.kind in kinds]
