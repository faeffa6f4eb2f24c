"""The hyperparameters that TensorFlow's containers read in function mode, and what they may be.

All others are the script's own. The containers' are checked where they are set: what is wrong with
them would be found when the job has long begun.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

__all__ = ["CALLABLES", "OPTIONAL", "mistakes_in"]


def _whole(value: Any, least: int) -> bool:
    return _is_number(value) and value == int(value) and value >= least


def _is_number(value: Any) -> bool:
    if isinstance(value, (bool, str, bytes)):
        return False
    try:
        return math.isfinite(value)
    except TypeError:
        return False


def _seconds(value: Any) -> bool:
    return _is_number(value) and value >= 0


def _names(value: Any) -> bool:
    return not isinstance(value, Mapping) and all(map(_is_name, _each(value)))


def _metrics(value: Any) -> bool:
    """One name, or a dict of them by the names of the metrics."""
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_name(name) for key, name in value.items())
    return _is_name(value)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and value.isidentifier()


def _each(value: Any) -> Collection[Any]:
    """The names of functions that a hyperparameter gives."""
    if isinstance(value, Mapping):
        return tuple(value.values())
    return value if isinstance(value, (list, tuple)) else [value]


_POSITIVE = (lambda value: _whole(value, 1), "a whole number of at least 1")
_NOT_NEGATIVE = (lambda value: _whole(value, 0), "a whole number of at least 0")
_SECONDS = (_seconds, "a number of seconds, at least 0")
_HOURS = (lambda value: _is_number(value) and value > 0, "a number of hours above 0")
_FLAG = (lambda value: value is True or value is False, "True or False")
_CALLABLE = (
    _names,
    "the name of a function in the script that returns it, as text: objects cannot travel to a job",
)
_METRICS = (
    _metrics,
    (
        "the name of a function in the script that returns a dict of metric functions, or a dict "
        "of such functions' names, as text: objects cannot travel to a job"
    ),
)

#: Name → whether a value is one, and the values that it takes, in words. None is always taken: it
#: leaves TensorFlow's own default.
OPTIONAL: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "save_summary_steps": _POSITIVE,
    "save_checkpoints_secs": _POSITIVE,
    "save_checkpoints_steps": _POSITIVE,
    "keep_checkpoint_max": _NOT_NEGATIVE,
    "keep_checkpoint_every_n_hours": _HOURS,
    "log_step_count_steps": _POSITIVE,
    "eval_metrics": _METRICS,
    "train_monitors": _CALLABLE,
    "eval_hooks": _CALLABLE,
    "eval_delay_secs": _SECONDS,
    "continuous_eval_throttle_secs": _SECONDS,
    "min_eval_frequency": _NOT_NEGATIVE,
    "delay_workers_by_global_step": _FLAG,
    "train_steps_per_iteration": _POSITIVE,
    "start_delay_secs": _SECONDS,
    "throttle_secs": _SECONDS,
}
#: Those that name functions of the script.
CALLABLES = ("eval_metrics", "train_monitors", "eval_hooks")


def mistakes_in(
    values: Mapping[str, Any], *, defined: Collection[str] | None = None
) -> Iterator[str]:
    """What is wrong with the containers' hyperparameters among `values`.

    Args:
        values: by name.
        defined: names that the script defines; None where it cannot be read.
    """
    for name, (is_one, expected) in OPTIONAL.items():
        value = values.get(name)
        if value is None:
            continue
        if not is_one(value):
            yield f"{name} is {value!r}; it must be {expected}"
        elif name in CALLABLES and defined is not None:
            absent = [each for each in _each(value) if each not in defined]
            if absent:
                yield f"{name} names {', '.join(absent)}, which the script does not define"
    both = ("save_checkpoints_secs", "save_checkpoints_steps")
    if all(values.get(name) is not None for name in both):
        yield f"{' and '.join(both)} are both given; give one of them"
