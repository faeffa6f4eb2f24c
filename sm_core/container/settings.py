"""The values of the platform's files and variables, one by one: read, checked, named when wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sm_core.errors import ConfigurationError

__all__ = [
    "base_dir_of",
    "code_place_of",
    "decode_hyperparameters",
    "hosts_of",
    "log_level_of",
    "number_of",
    "read_object",
    "region_of",
    "switch_of",
    "text_of",
]

BASE_DIR_VARIABLE = "SAGEMAKER_BASE_DIR"
#: The root of the tree, unless that variable names another.
_ROOT = "/opt/ml"
_DEFAULT_LOG_LEVEL = 20


def base_dir_of(variables: Mapping[str, str]) -> Path:
    """The root of the tree."""
    return Path(variables.get(BASE_DIR_VARIABLE) or _ROOT).absolute()


def code_place_of(named: str | None, base_dir: Path) -> str | None:
    """Where the code is, as a request named it: of a path in the tree, where that is here."""
    if named is None or not named.startswith(f"{_ROOT}/"):
        return named
    return str(base_dir / named.removeprefix(f"{_ROOT}/"))


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in `path`; empty if the platform wrote no such file."""
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, RecursionError, ValueError) as error:
        raise ConfigurationError(f"cannot read {path} as JSON: {error}") from error
    if not isinstance(value, dict):
        raise ConfigurationError(f"{path} holds a JSON {type(value).__name__}, not an object")
    return value


def decode_hyperparameters(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of hyperparameters.json, JSON-decoded; what is not JSON stays text."""
    return {name: _decode(name, value) for name, value in values.items()}


def _decode(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if name == "_tuning_objective_metric":
        # The tuner writes this one itself, as text with or without quotes.
        return value.strip('"')
    try:
        return json.loads(value)
    except (RecursionError, ValueError):
        return value


def text_of(value: Any) -> str | None:
    """`value` as text; None if there is none."""
    return None if value is None or value == "" else str(value)


def region_of(variables: Mapping[str, str]) -> str:
    """The AWS region by the variables that AWS's own clients read; "" if unknown."""
    return variables.get("AWS_REGION") or variables.get("AWS_DEFAULT_REGION") or ""


def log_level_of(value: Any, variables: Mapping[str, str]) -> int:
    """The level of Python's ``logging``; a hyperparameter's `value` wins over the variable."""
    given = variables.get("SAGEMAKER_CONTAINER_LOG_LEVEL") if value is None else value
    if given is None or given == "":
        return _DEFAULT_LOG_LEVEL
    try:
        return int(given)
    except (OverflowError, TypeError, ValueError):
        raise ConfigurationError(
            f"the container's log level is {given!r}; it must be a number of Python's logging, "
            "such as 20 for INFO"
        ) from None


def hosts_of(resources: Mapping[str, Any], current: str) -> tuple[str, ...]:
    """The names in resourceconfig.json; `current` alone if there are none."""
    hosts = resources.get("hosts") or [current]
    if not isinstance(hosts, list) or not all(isinstance(host, str) for host in hosts):
        raise ConfigurationError(f"resourceconfig.json: hosts is {hosts!r}; it must be names")
    if current not in hosts:
        raise ConfigurationError(
            f"resourceconfig.json: current_host {current!r} is none of the hosts {', '.join(hosts)}"
        )
    return tuple(hosts)


def switch_of(value: Any, variables: Mapping[str, str]) -> bool:
    """Whether metrics are sent to CloudWatch; a hyperparameter's `value` wins over the variable."""
    name = "sagemaker_enable_cloudwatch_metrics"
    given = variables.get(name.upper(), "") if value is None else value
    known = {"": False, "false": False, "0": False, "true": True, "1": True}
    try:
        return known[str(given).strip().lower()]
    except KeyError:
        raise ConfigurationError(f"{name} is {given!r}; it must be true or false") from None


def number_of(
    variables: Mapping[str, str], name: str, *, default: int, least: int, most: int | None = None
) -> int:
    """The whole number that a variable gives; `default` if it is not set or empty."""
    text = variables.get(name)
    if not text:
        return default
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least or (most is not None and number > most):
        end = "up" if most is None else f"to {most}"
        raise ConfigurationError(
            f"{name} is {text!r}; it must be a whole number from {least} {end}"
        )
    return number
