"""The kinds of values that hyperparameters take: whole numbers, numbers, flags, choices, lists.

Text that says the same is taken, too, and so are numpy's numbers; what would have to be rounded is
not.
"""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, overload

from sm_core.hyperparameters import Hyperparameter

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["choice", "flag", "integer", "number", "several"]

T = TypeVar("T")


class _Common(TypedDict, total=False):
    wire: str
    default: Any
    required: bool


@overload
def integer(
    help: str, *, least: int | None = None, most: int | None = None, **common: Unpack[_Common]
) -> Hyperparameter[int]: ...


@overload
def integer(
    help: str,
    *,
    words: Sequence[str],
    least: int | None = None,
    most: int | None = None,
    **common: Unpack[_Common],
) -> Hyperparameter[int | str]: ...


def integer(
    help: str,
    *,
    words: Sequence[str] = (),
    least: int | None = None,
    most: int | None = None,
    **common: Unpack[_Common],
) -> Any:
    """A whole number from `least` to `most`, or one of `words`.

    Args:
        help: what it means, with units.
        words: texts that it may be instead.
        least: the smallest that it may be.
        most: the largest.
        **common: `wire` (its name in requests), `default` (the algorithm's own), `required`.
    """
    bounds = _Bounds(least=least, most=most)
    return _with_words(
        help, bounds.within(_whole), "int", f"a whole number{bounds}", words=words, common=common
    )


@overload
def number(
    help: str,
    *,
    above: float | None = None,
    least: float | None = None,
    below: float | None = None,
    most: float | None = None,
    **common: Unpack[_Common],
) -> Hyperparameter[float]: ...


@overload
def number(
    help: str,
    *,
    words: Sequence[str],
    above: float | None = None,
    least: float | None = None,
    below: float | None = None,
    most: float | None = None,
    **common: Unpack[_Common],
) -> Hyperparameter[float | str]: ...


def number(
    help: str,
    *,
    words: Sequence[str] = (),
    above: float | None = None,
    least: float | None = None,
    below: float | None = None,
    most: float | None = None,
    **common: Unpack[_Common],
) -> Any:
    """A finite number within bounds, or one of `words`.

    Args:
        help: what it means, with units.
        words: texts that it may be instead.
        above: what it must exceed.
        least: the smallest that it may be.
        below: what it must stay under.
        most: the largest that it may be.
        **common: `wire` (its name in requests), `default` (the algorithm's own), `required`.
    """
    bounds = _Bounds(above=above, least=least, below=below, most=most)
    return _with_words(
        help, bounds.within(_finite), "float", f"a number{bounds}", words=words, common=common
    )


@overload
def flag(help: str, **common: Unpack[_Common]) -> Hyperparameter[bool]: ...


@overload
def flag(
    help: str, *, words: Sequence[str], **common: Unpack[_Common]
) -> Hyperparameter[bool | str]: ...


def flag(help: str, *, words: Sequence[str] = (), **common: Unpack[_Common]) -> Any:
    """True or False, or one of `words`.

    Args:
        help: what it means.
        words: texts that it may be instead.
        **common: `wire` (its name in requests), `default` (the algorithm's own), `required`.
    """
    return _with_words(help, _truth, "bool", "True or False", words=words, common=common)


def choice(help: str, options: Sequence[str], **common: Unpack[_Common]) -> Hyperparameter[str]:
    """One of the words `options`.

    Args:
        help: what it means.
        options: the words.
        **common: `wire` (its name in requests), `default` (the algorithm's own), `required`.
    """
    return Hyperparameter(
        help, _word_of(options), annotation="str", expected=_listed(options), **common
    )


def several(
    help: str, options: Sequence[str], **common: Unpack[_Common]
) -> Hyperparameter[Sequence[str]]:
    """A list of words out of `options`, sent as JSON; one word stands for a list of it.

    Args:
        help: what it means.
        options: the words.
        **common: `wire` (its name in requests), `default` (the algorithm's own), `required`.
    """

    def accept(value: Any) -> Sequence[str]:
        if isinstance(value, str):
            value = json.loads(value) if value.startswith("[") else [value]
        words = [_word_of(options)(word) for word in value]
        if not words or len(set(words)) < len(words):
            raise ValueError("empty, or a word twice")
        return words

    return Hyperparameter(
        help,
        accept,
        annotation="Sequence[str]",
        expected=f"a list out of {', '.join(map(repr, options))}",
        sent=json.dumps,
        **common,
    )


class _Bounds:
    """Limits of a number, as a check and in words."""

    def __init__(self, **limits: float | None) -> None:
        self._limits = {name: limit for name, limit in limits.items() if limit is not None}

    def within(self, accept: Callable[[Any], T]) -> Callable[[Any], T]:
        """`accept`, and refuse what is beyond the limits."""
        tests: dict[str, Callable[[Any, Any], bool]] = {
            "above": operator.gt,
            "least": operator.ge,
            "below": operator.lt,
            "most": operator.le,
        }

        def bounded(value: Any) -> T:
            accepted = accept(value)
            if not all(tests[name](accepted, limit) for name, limit in self._limits.items()):
                raise ValueError("beyond the limits")
            return accepted

        return bounded

    def __str__(self) -> str:
        words = {"above": "above", "least": "of at least", "below": "below", "most": "of at most"}
        said = [f"{words[name]} {limit}" for name, limit in self._limits.items()]
        return " " + " and ".join(said) if said else ""


def _with_words(
    help: str,
    accept: Callable[[Any], Any],
    annotation: str,
    expected: str,
    *,
    words: Sequence[str],
    common: _Common,
) -> Hyperparameter[Any]:
    """A hyperparameter that takes some words beside what `accept` takes."""
    if not words:
        return Hyperparameter(help, accept, annotation=annotation, expected=expected, **common)

    def accept_either(value: Any) -> Any:
        return value if isinstance(value, str) and value in words else accept(value)

    return Hyperparameter(
        help,
        accept_either,
        annotation=f"{annotation} | str",
        expected=f"{expected}, or {_listed(words)}",
        **common,
    )


def _listed(words: Iterable[str]) -> str:
    *others, last = map(repr, words)
    return f"{', '.join(others)} or {last}" if others else last


def _word_of(options: Sequence[str]) -> Callable[[Any], str]:
    def accept(value: Any) -> str:
        if not isinstance(value, str) or value not in options:
            raise ValueError("another word")
        return str(value)

    return accept


def _is_truth(value: Any) -> bool:
    """Whether it is a bool, Python's or numpy's, which counts as a number elsewhere."""
    return type(value).__name__ in ("bool", "bool_")


def _whole(value: Any) -> int:
    if _is_truth(value):
        raise TypeError("no number")
    if isinstance(value, str):
        return int(value)
    if hasattr(value, "__index__"):
        return operator.index(value)
    as_float = _finite(value)
    if not as_float.is_integer():
        raise ValueError("not whole")
    return int(as_float)


def _finite(value: Any) -> float:
    if _is_truth(value):
        raise TypeError("no number")
    found = float(value)
    if not math.isfinite(found):
        raise ValueError("not finite")
    return found


def _truth(value: Any) -> bool:
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if not _is_truth(value):
        raise TypeError("neither True nor False")
    return bool(value)
