"""Hyperparameters on their way to a container: encoded, and checked against AWS's limits."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from sm_core.errors import ConfigurationError

__all__ = ["check_limits", "decode", "encode", "own_copy"]

#: Limits of CreateTrainingJob's HyperParameters.
MAX_COUNT = 100
MAX_KEY = 256
MAX_VALUE = 2500
#: What the names of those begin with that the toolkit in the container reads.
OWN_PREFIX = "sagemaker_"


def encode(values: Mapping[str, Any], encoding: Literal["json", "text"]) -> dict[str, str]:
    """Hyperparameters as the strings that CreateTrainingJob takes.

    Args:
        values: name → str, bool, int, float, None, list, dict or a numpy scalar or array.
        encoding: ``json`` encodes each value as JSON, from which script containers restore its
            type; ``text`` sends ``str(value)``.

    Raises:
        ConfigurationError: a value cannot be encoded; all mistakes are named at once.
    """
    encoded: dict[str, str] = {}
    mistakes: list[str] = []
    for name, value in values.items():
        try:
            encoded[str(name)] = _encode_one(value, encoding)
        except (TypeError, ValueError) as error:
            mistakes.append(f"{name}: {error}")
    if mistakes:
        raise ConfigurationError("hyperparameters: " + "; ".join(mistakes))
    return encoded


def own_copy(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a user gave, as a dict of our own.

    Raises:
        ConfigurationError: it is no dict.
    """
    if given is not None and not isinstance(given, Mapping):
        raise ConfigurationError(
            f"hyperparameters is a {type(given).__name__}; give a dict from names to values"
        )
    return dict(given or {})


def check_limits(encoded: Mapping[str, str]) -> None:
    """Check all that is to be sent, the SDK's own among them, against AWS's limits.

    Raises:
        ConfigurationError: a limit is exceeded; all mistakes are named at once.
    """
    mistakes = list(_beyond_limits(encoded))
    if mistakes:
        raise ConfigurationError("hyperparameters: " + "; ".join(mistakes))


def decode(encoded: Mapping[str, str]) -> dict[str, Any]:
    """What `encode` made strings of; a value that is not JSON stays text."""
    return {name: _decode_one(value) for name, value in encoded.items()}


def _encode_one(value: Any, encoding: Literal["json", "text"]) -> str:
    if encoding == "text":
        return value if isinstance(value, str) else str(_native(value))
    return json.dumps(value, default=_native, allow_nan=True)


def _native(value: Any) -> Any:
    """The Python value of a numpy scalar or array, known by its ``tolist``; others as they are."""
    convert = getattr(value, "tolist", None)
    if convert is not None:
        return convert()
    if isinstance(value, (str, bool, int, float, list, tuple, dict, type(None))):
        return value
    raise TypeError(
        f"a {type(value).__name__} cannot be a hyperparameter; "
        "use str, bool, int, float, None, list, dict or a numpy value"
    )


def _decode_one(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _beyond_limits(encoded: Mapping[str, str]) -> Iterator[str]:
    if len(encoded) > MAX_COUNT:
        own = sum(name.startswith(OWN_PREFIX) for name in encoded)
        added = f", {own} of them for the container's toolkit" if own else ""
        yield f"{len(encoded)} are to be sent{added}; AWS takes at most {MAX_COUNT}"
    for name, value in encoded.items():
        if len(name) > MAX_KEY:
            yield f"the name {name[:40]}… has {len(name)} characters, AWS allows {MAX_KEY}"
        if len(value) > MAX_VALUE:
            yield (
                f"{name} takes {len(value)} characters when encoded, AWS allows {MAX_VALUE}; "
                "put long values into a file of the source folder or a channel"
            )
