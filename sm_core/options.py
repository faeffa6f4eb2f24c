"""Options of estimators and models: declared once, bound to arguments, explained when wrong."""

from __future__ import annotations

import difflib
import inspect
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import attrs

__all__ = [
    "ALIASES",
    "REQUIRED",
    "Declared",
    "Option",
    "bind",
    "documented",
    "given_only",
    "signature",
]

#: Later spellings that today's users type, and the primary names they stand for.
ALIASES: Mapping[str, str] = {
    "instance_count": "train_instance_count",
    "instance_type": "train_instance_type",
    "volume_size": "train_volume_size",
    "max_run": "train_max_run",
    "image_uri": "image_name",
    "volume_kms_key": "train_volume_kms_key",
}

#: Spellings of other SDKs for what is part of a value here, and what says the same.
_INSTEAD: Mapping[str, str] = {
    "subnets": "network=Network(subnets=…, security_groups=…)",
    "security_group_ids": "network=Network(subnets=…, security_groups=…)",
    "vpc_config": "network=Network(subnets=…, security_groups=…)",
    "enable_network_isolation": "network=Network(isolation=True)",
    "encrypt_inter_container_traffic": "network=Network(encrypt_traffic=True)",
    "train_use_spot_instances": "spot=Spot(max_wait=…)",
    "use_spot_instances": "spot=Spot(max_wait=…)",
    "train_max_wait": "spot=Spot(max_wait=…)",
    "max_wait": "spot=Spot(max_wait=…)",
    "checkpoint_s3_uri": "checkpoints=Checkpoints(s3_uri)",
    "checkpoint_local_path": "checkpoints=Checkpoints(s3_uri, local_path=…)",
    "metric_definitions": "metrics={name: regular expression}",
}


Function = TypeVar("Function", bound=Callable[..., Any])


class _Required:
    """Marks an option that has no default."""

    def __repr__(self) -> str:
        return "required"


#: Default of an option that must be given.
REQUIRED: Any = _Required()


@attrs.frozen
class Option:
    """One constructor option.

    Attributes:
        name: the keyword.
        type: its type as users should read it (``"str | None"``).
        help: what it means, with units.
        default: its value when absent; `REQUIRED` if it must be given.
    """

    name: str
    type: str
    help: str
    default: Any = attrs.field(default=None, kw_only=True)


def bind(
    owner: str,
    declared: Sequence[Option],
    positional: Sequence[str],
    args: Sequence[Any],
    keywords: Mapping[str, Any],
    *,
    aliases: Mapping[str, str] = ALIASES,
) -> dict[str, Any]:
    """The value of every declared option, from a constructor's arguments.

    Args:
        owner: the class, for messages.
        declared: its options.
        positional: names that may be given by position, in order.
        args: positional arguments.
        keywords: keyword arguments, aliases among them.
        aliases: other spellings.

    Raises:
        TypeError: an option is unknown (with the nearest match), given twice, or missing.
    """
    options = {option.name: option for option in declared}
    if len(args) > len(positional):
        raise TypeError(
            f"{owner} takes at most {len(positional)} positional arguments "
            f"({', '.join(positional)}), {len(args)} were given; name the others"
        )
    given: dict[str, Any] = dict(zip(positional, args, strict=False))
    spelling = {name: name for name in given}
    for keyword, value in keywords.items():
        name = keyword if keyword in options else aliases.get(keyword, keyword)
        if name not in options:
            raise TypeError(_unknown(owner, keyword, options, aliases))
        if name in given:
            raise TypeError(_twice(owner, name, spelling[name], keyword))
        given[name] = value
        spelling[name] = keyword
    missing = [
        name for name, option in options.items() if option.default is REQUIRED and name not in given
    ]
    if missing:
        raise TypeError(f"{owner} needs {', '.join(missing)}")
    return {name: given.get(name, option.default) for name, option in options.items()}


def given_only(
    owner: str,
    declared: Sequence[Option],
    keywords: Mapping[str, Any],
    *,
    aliases: Mapping[str, str] = ALIASES,
) -> dict[str, Any]:
    """The values of those options that `keywords` gives; arguments and errors as for `bind`."""
    absent = object()
    optional = [attrs.evolve(option, default=absent) for option in declared]
    bound = bind(owner, optional, (), (), keywords, aliases=aliases)
    return {name: value for name, value in bound.items() if value is not absent}


def _unknown(
    owner: str, keyword: str, options: Mapping[str, Option], aliases: Mapping[str, str]
) -> str:
    if keyword in _INSTEAD and _INSTEAD[keyword].partition("=")[0] in options:
        return f"{owner} has no option {keyword!r}; give {_INSTEAD[keyword]}"
    known = [*options, *(alias for alias, name in aliases.items() if name in options)]
    near = difflib.get_close_matches(keyword, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    return f"{owner} has no option {keyword!r}{hint} Options: {', '.join(sorted(options))}"


def _twice(owner: str, name: str, first: str, second: str) -> str:
    if first == second:
        return f"{owner} got {name!r} both by position and by name"
    return f"{owner} got {first!r} and {second!r}, two spellings of one option; give one"


def signature(positional: Sequence[str], declared: Sequence[Option]) -> inspect.Signature:
    """The signature that ``help()`` and notebooks show for a class with these options."""
    by_name = {option.name: option for option in declared}
    first: list[inspect.Parameter] = []
    for name in positional:
        entry = _parameter(by_name[name], inspect.Parameter.POSITIONAL_OR_KEYWORD)
        after_default = bool(first) and first[-1].default is not inspect.Parameter.empty
        if after_default and entry.default is inspect.Parameter.empty:
            # Python knows no required parameter behind one with a default.
            entry = entry.replace(default=REQUIRED)
        first.append(entry)
    rest = [
        _parameter(by_name[name], inspect.Parameter.KEYWORD_ONLY)
        for name in sorted(set(by_name) - set(positional))
    ]
    return inspect.Signature([*first, *rest])


def _parameter(option: Option, kind: Any) -> inspect.Parameter:
    default = inspect.Parameter.empty if option.default is REQUIRED else option.default
    return inspect.Parameter(option.name, kind, default=default, annotation=option.type)


class _DeclaredSignature:
    """A ``__signature__`` that is made when somebody looks at it."""

    def __get__(self, instance: object, owner: Any) -> inspect.Signature:
        return signature(owner.positional, owner.declared_options())


class Declared:
    """Base of a class whose constructor takes declared options: its signature, its ``repr``."""

    #: Options that may be given by position.
    positional: ClassVar[Sequence[str]] = ()
    __signature__ = _DeclaredSignature()

    @classmethod
    @abstractmethod
    def declared_options(cls) -> tuple[Option, ...]:
        """The options of this class, for ``help()``."""

    def __repr__(self) -> str:
        shown = {
            option.name: getattr(self, option.name)
            for option in self.declared_options()
            if getattr(self, option.name, option.default) != option.default
            and option.name not in _NOT_SHOWN
        }
        options = ", ".join(f"{name}={value!r}" for name, value in shown.items())
        return f"{type(self).__name__}({options})"


#: What may hold secrets, or is too long to look at.
_NOT_SHOWN = frozenset({"env", "environment", "framework", "hyperparameters", "sagemaker_session"})


def documented(declared: Sequence[Option]) -> Callable[[Function], Function]:
    """Add to a function's docstring what each option means, for ``help()``."""

    def add(function: Function) -> Function:
        lines = [
            f"    {option.name}: {option.help} ({option.type}"
            f"{', required' if option.default is REQUIRED else f'; default {option.default!r}'})"
            for option in declared
        ]
        function.__doc__ = "\n".join(
            [inspect.cleandoc(function.__doc__ or ""), "", "Options:", *lines]
        )
        return function

    return add
