"""Hyperparameters: declared by who knows them, checked when set, encoded for a container.

A framework that knows its hyperparameters declares each once, as an attribute of a class, by the
kinds in `sm_core.kinds`::

    class RidgeHyperparameters(Hyperparameters):
        alpha = number("strength of the regularisation", above=0, required=True)
        solver = choice("how to solve", ("svd", "lsqr"), default="svd")

Its estimator derives from that class and has them as attributes and constructor arguments.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from sm_core.errors import ConfigurationError
from sm_core.frameworks import Framework, plugin_of
from sm_core.plugins import client_plugins

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "AsSent",
    "Hyperparameter",
    "Hyperparameters",
    "check_limits",
    "declared_hyperparameters",
    "decode",
    "encode",
    "initial",
    "merged",
    "own_copy",
    "settled",
]

#: Limits of CreateTrainingJob's HyperParameters.
MAX_COUNT = 100
MAX_KEY = 256
MAX_VALUE = 2500
#: What the names of those begin with that the toolkit in the container reads.
OWN_PREFIX = "sagemaker_"


T = TypeVar("T")


class Hyperparameter(Generic[T]):
    """A hyperparameter; as an attribute of an estimator, the value that was set, or None.

    None is never sent: the algorithm's own default holds.

    Attributes:
        name: the attribute.
        wire: the name that the algorithm knows.
        help: what it means, with units.
        annotation: its type as users should read it.
        expected: the values that it takes, in words.
        default: what the algorithm takes where nothing is sent; None if it has no default.
        required: whether the estimator cannot be made without it.
    """

    def __init__(
        self,
        help: str,
        accept: Callable[[Any], T],
        *,
        annotation: str,
        expected: str,
        sent: Callable[[T], Any] = lambda value: value,
        wire: str = "",
        default: Any = None,
        required: bool = False,
    ) -> None:
        """
        Args:
            help: what it means, with units.
            accept: the value to keep of what a user gives; raises TypeError or ValueError.
            annotation: its type.
            expected: the values that it takes, in words.
            sent: what of the value is encoded.
            wire: the name that the algorithm knows, if it is not the attribute's.
            default: the algorithm's own.
            required: whether the estimator cannot be made without it.
        """
        self.help, self.annotation, self.expected = help, annotation, expected
        self.name, self.wire = "", wire
        self.default, self.required = default, required
        self._accept, self.sent = accept, sent

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        self.wire = self.wire or name
        default = "" if self.default is None else f"; default {self.default}"
        self.__doc__ = f"{self.help}: {self.expected}{default}"

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self, instance: Hyperparameters, owner: type) -> T | None: ...

    def __get__(self, instance: Hyperparameters | None, owner: type) -> Self | T | None:
        if instance is None:
            return self
        value: T | None = instance.hyperparameters().get(self.wire)
        return value

    def __set__(self, instance: Hyperparameters, value: T | None) -> None:
        instance.set_hyperparameters(**{self.name: value})

    def checked(self, value: Any) -> T:
        """What to keep of `value`.

        Raises:
            ValueError: it is none that is expected; the message says so.
        """
        try:
            return self._accept(value)
        except (TypeError, ValueError, OverflowError):
            raise ValueError(f"{self.name} is {value!r}; it must be {self.expected}") from None


class AsSent(dict[str, Any]):
    """Hyperparameters that a job has, by the names that are sent: checked only to be sent again."""


class Hyperparameters:
    """Base of the classes that declare hyperparameters, each as an attribute."""

    if TYPE_CHECKING:

        def hyperparameters(self) -> dict[str, Any]: ...

        def set_hyperparameters(self, **hyperparameters: Any) -> None: ...

    @classmethod
    def declared(cls) -> dict[str, Hyperparameter[Any]]:
        """The hyperparameters of this class and its bases, by attribute."""
        return {
            name: value
            for base in reversed(cls.__mro__)
            for name, value in vars(base).items()
            if isinstance(value, Hyperparameter)
        }

    @classmethod
    def contradictions(cls, values: Mapping[str, Any]) -> Iterable[str]:
        """What is wrong with `values`, by names on the wire, each of which may be.

        Asked before a request is made, so that what is missing then is a contradiction too.
        """
        return ()


def initial(framework: Framework | None, bound: dict[str, Any]) -> dict[str, Any]:
    """An estimator's hyperparameters, taken out of its constructor's options.

    Args:
        framework: None for a container of the user's own.
        bound: the options; those that are hyperparameters are removed.

    Raises:
        TypeError: a hyperparameter is given twice, or nothing but a required one is missing.
        ConfigurationError: one has a value that cannot be; all mistakes are named at once.
    """
    given = bound.pop("hyperparameters")
    free = own_copy(given)
    declared = declared_hyperparameters(framework)
    named = {name: value for name in declared if (value := bound.pop(name)) is not None}
    if isinstance(given, AsSent):
        return free
    twice = [name for name in named if {name, declared[name].wire} & set(free)]
    if twice:
        raise TypeError(f"{', '.join(twice)}: given both by name and in hyperparameters")
    given = {**free, **named}
    missing = [
        name
        for name, each in declared.items()
        if each.required and given.get(name) is None and given.get(each.wire) is None
    ]
    try:
        values = merged(framework, {}, given)
    except ConfigurationError as error:
        lacking = [f"{name} is missing" for name in missing]
        raise ConfigurationError("; ".join([str(error), *lacking])) from None
    if missing:
        raise TypeError(f"{_owner(framework)} needs {', '.join(missing)}")
    return values


def merged(
    framework: Framework | None, values: Mapping[str, Any], given: Mapping[str, Any]
) -> dict[str, Any]:
    """`values`, by the names that are sent, with those that a user gives by any of their names.

    Args:
        framework: None for a container of the user's own.
        values: what was set before.
        given: to be set; None unsets a declared one.

    Raises:
        ConfigurationError: one is unknown or has a value that cannot be; all mistakes are named at
            once. Names that begin with an underscore are the algorithms' own affair.
    """
    if framework is None or framework.hyperparameters is None:
        return {**values, **given}
    found, mistakes = _checked(declared_hyperparameters(framework), given)
    _refuse(framework, mistakes)
    return {name: value for name, value in {**values, **found}.items() if value is not None}


def settled(framework: Framework | None, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The values to encode: as the plugins' ``sm_hyperparameters`` hooks amend them, and checked.

    Args:
        framework: whose own plugin comes first; None for a container of the user's own.
        values: what the user set, and what the data implies.

    Raises:
        ConfigurationError: they are wrong, alone or together; all mistakes are named at once.
    """
    amended = client_plugins().fold(
        "sm_hyperparameters",
        "hyperparameters",
        values,
        first=plugin_of(framework) if framework else None,
        framework=framework.name if framework else None,
    )
    values = values if amended is None else amended
    declaring = framework.hyperparameters_class() if framework else None
    if declaring is None:
        return values
    found, mistakes = _checked(declaring.declared(), values)
    kept = {name: value for name, value in found.items() if value is not None}
    declared = {each.wire: each for each in declaring.declared().values()}
    missing = [each.name for name, each in declared.items() if each.required and name not in kept]
    mistakes += [f"{name} is missing" for name in missing]
    _refuse(framework, [*mistakes, *declaring.contradictions(kept)])
    return {
        name: declared[name].sent(value) if name in declared else value
        for name, value in kept.items()
    }


def declared_hyperparameters(framework: Framework | None) -> dict[str, Hyperparameter[Any]]:
    """The hyperparameters that `framework` declares, by attribute; none if they are free-form."""
    declaring = framework.hyperparameters_class() if framework else None
    return declaring.declared() if declaring else {}


def _owner(framework: Framework | None) -> str:
    """The estimator's class, for messages."""
    return framework.estimator.rpartition(":")[2] if framework else "Estimator"


def _refuse(framework: Framework | None, mistakes: Sequence[str]) -> None:
    if mistakes:
        raise ConfigurationError(f"{_owner(framework)}: " + "; ".join(mistakes))


def _checked(
    declared: Mapping[str, Hyperparameter[Any]], given: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Values by the names that are sent, and what is wrong with them."""
    names = {**{each.wire: each for each in declared.values()}, **declared}
    found: dict[str, Any] = {}
    mistakes = []
    for name, value in given.items():
        each = names.get(name)
        if each is None and name.startswith("_"):
            found[name] = value
        elif each is None:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(declared)}"
            mistakes.append(f"there is no hyperparameter {name!r}{hint}")
        elif each.wire in found:
            mistakes.append(f"{each.name} and {each.wire} are two names of one hyperparameter")
        elif value is None:
            found[each.wire] = None
        else:
            try:
                found[each.wire] = each.checked(value)
            except ValueError as error:
                mistakes.append(str(error))
    return found, mistakes


def encode(values: Mapping[str, Any], encoding: Literal["json", "text"]) -> dict[str, str]:
    """Hyperparameters as the strings that CreateTrainingJob takes.

    Args:
        values: name → str, bool, int, float, None, list, dict or a numpy scalar or array.
        encoding: ``json`` encodes each value as JSON, from which script containers restore its
            type; ``text`` does so with lists and dicts alone, and sends ``str(value)`` of others.

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
        value = _native(value)
        if not isinstance(value, (list, tuple, dict)):
            return str(value)
    _check_keys(value)
    return json.dumps(value, default=_native, allow_nan=True)


def _check_keys(value: Any) -> None:
    """Insist on text as keys of dicts: JSON would make text of all others, and of some the same."""
    if isinstance(value, Mapping):
        other = [key for key in value if not isinstance(key, str)]
        if other:
            raise TypeError(f"the key {other[0]!r} of a dict would come back as text; give text")
    if isinstance(value, (list, tuple, Mapping)):
        for item in value.values() if isinstance(value, Mapping) else value:
            _check_keys(item)


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
        if "\n" in value or "\r" in value:
            yield f"{name} has several lines, which AWS does not take"
