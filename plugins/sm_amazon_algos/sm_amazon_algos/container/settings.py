"""A job's hyperparameters, checked by the declarations that the client checks them by."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sm_amazon_algos.container.errors import CustomerError
from sm_amazon_algos.hyperparameters import AlgorithmHyperparameters
from sm_core.hyperparameters import Hyperparameter

__all__ = ["read_settings"]

_CHECK = "ValidationError"
#: Settings of AWS's own containers that a job may carry and that change nothing here.
_INTERNAL_PREFIX = "_"


def read_settings(
    given: Mapping[str, Any],
    declared: type[AlgorithmHyperparameters],
    *,
    required: Sequence[str],
) -> dict[str, Any]:
    """All hyperparameters of an algorithm, by the names on the wire; None where there is none.

    Args:
        given: the job's, JSON-decoded.
        declared: the algorithm's.
        required: names on the wire of those that the container cannot do without.

    Raises:
        CustomerError: one is missing, unknown or has a value that cannot be, in AWS's words.
    """
    known = {each.wire: each for each in declared.declared().values()}
    given = {
        name: value
        for name, value in given.items()
        if not (name.startswith(_INTERNAL_PREFIX) and name not in known)
    }
    _refuse_unknown(given, known)
    missing = [name for name in required if given.get(name) in (None, "")]
    if missing:
        names = ", ".join(f"'{name}'" for name in missing)
        raise CustomerError(
            f"No value(s) were specified for {names} which are required hyperparameter(s)",
            caused_by=_CHECK,
            detail=f"No value(s) were specified for {names} which are required hyperparameter(s)",
        )
    values = {name: each.default for name, each in known.items()}
    for name, value in given.items():
        if value in (None, ""):
            continue
        try:
            values[name] = known[name].checked(value)
        except ValueError:
            raise _refusal(name, value, known[name]) from None
    present = {name: value for name, value in values.items() if value is not None}
    if wrong := list(declared.contradictions(present)):
        raise CustomerError("; ".join(wrong), caused_by=_CHECK)
    return values


def _refuse_unknown(given: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    unknown = [name for name in given if name not in known]
    if unknown:
        verb = "was" if len(unknown) == 1 else "were"
        names = ", ".join(f"'{name}'" for name in sorted(unknown))
        raise CustomerError(
            f"Additional hyperparameters are not allowed ({names} {verb} unexpected)",
            caused_by=_CHECK,
            detail=f"the algorithm's hyperparameters are {', '.join(known)}",
        )


def _refusal(name: str, value: Any, declared: Hyperparameter[Any]) -> CustomerError:
    """What to say of a value that cannot be."""
    if _is_broken_json(value, of_list=isinstance(declared.default, tuple)):
        return CustomerError(
            f"Hyperparameter must be valid json, but found {name}:",
            caused_by="ValueError",
            detail="No JSON object could be decoded",
        )
    return CustomerError(
        f"Hyperparameter {name}: value {_shown(value)} is not {declared.expected}",
        caused_by=_CHECK,
    )


def _is_broken_json(value: Any, *, of_list: bool) -> bool:
    """Whether text was meant as a JSON list and is none; what is JSON may be text no longer."""
    if not isinstance(value, str) or not (of_list or value.lstrip().startswith("[")):
        return False
    try:
        json.loads(value)
    except ValueError:
        return True
    return False


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)
