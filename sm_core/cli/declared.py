"""Commands with the options that estimators and models declare, a framework's own included."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from sm_core.options import Option

    ParamType = click.ParamType[Any]
else:
    # Generic from click 8.4 on, and for type checkers only.
    ParamType = click.ParamType

__all__ = [
    "JSON_OR_TEXT",
    "NAME_AND_VALUE",
    "DeclaredCommand",
    "FrameworkName",
    "given_options",
    "in_flags",
]

#: Key of the framework's name in the contexts' common dict.
_FRAMEWORK = "sm_core.cli.declared"
#: Options that commands have in a form of their own, or that are the predictor's affair.
_NOT_OFFERED = frozenset(
    {"accept", "content_type", "framework", "hyperparameters", "sagemaker_session"}
)


class _JsonOrText(ParamType):
    """A value that is taken as JSON where it is JSON, and else as text."""

    name = "value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return _value(value) if isinstance(value, str) else value


class _NameAndValue(ParamType):
    """``NAME=VALUE``, the value as it is."""

    name = "name=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        name, equals, text = value.partition("=")
        if not equals or not name:
            self.fail(f"{value!r} is not of the form NAME=VALUE", param, ctx)
        return name, text


class _Attributes(ParamType):
    """A value object of the SDK, as JSON of its attributes."""

    name = "json"

    def __init__(self, kind: type) -> None:
        self._kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self._kind(**json.loads(value))
        except (TypeError, ValueError) as error:
            self.fail(
                f"{value!r} is no JSON of the attributes of {self._kind.__name__}: {error}",
                param,
                ctx,
            )


class FrameworkName(ParamType):
    """Name of a framework; completed with those that are installed."""

    name = "framework"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The installed frameworks."""
        from click.shell_completion import CompletionItem

        from sm_core.frameworks import list_frameworks

        return [CompletionItem(name) for name in list_frameworks() if name.startswith(incomplete)]


JSON_OR_TEXT = _JsonOrText()
NAME_AND_VALUE = _NameAndValue()


class _Declared(click.Option):
    """An option that a declaration made.

    Attributes:
        declared: the name in the declaration.
        group: title under which help shows it.
    """

    def __init__(self, flags: Sequence[str], *, declared: str, group: str, **settings: Any) -> None:
        super().__init__(flags, **settings)
        self.declared, self.group = declared, group


class DeclaredCommand(click.Command):
    """A command with a framework's declared options besides its own.

    Which there are depends on ``--framework``, so that it is read before all else.
    """

    def __init__(
        self,
        *args: Any,
        declarations: Callable[[str | None], Iterable[tuple[str, Option]]],
        **settings: Any,
    ) -> None:
        """
        Args:
            args: of a command.
            declarations: the options, each under the title of its group, from a framework's name.
            settings: of a command.
        """
        super().__init__(*args, **settings)
        self._declarations = declarations

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, once it is known which options there are."""
        ctx.meta[_FRAMEWORK] = _framework_named(args)
        return super().parse_args(ctx, args)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The command's own parameters, and the declared options that do not bear their names."""
        own = super().get_params(ctx)
        taken = {flag for parameter in own for flag in (*parameter.opts, *parameter.secondary_opts)}
        key = f"{_FRAMEWORK}.{self.name}.{ctx.meta.get(_FRAMEWORK)}"
        if key not in ctx.meta:
            # What is asked again while a mistake is explained must not fail again.
            ctx.meta[key] = []
            ctx.meta[key] = list(self._offered(ctx, taken))
        return [*own, *ctx.meta[key]]

    def _offered(self, ctx: click.Context, taken: set[str]) -> Iterator[_Declared]:
        from sm_core.errors import SMError

        try:
            declarations = list(self._declarations(ctx.meta.get(_FRAMEWORK)))
        except SMError as error:
            if ctx.resilient_parsing:
                # A shell asks for completions while the name is not written out yet.
                return
            raise click.UsageError(str(error), ctx) from error
        for group, option in declarations:
            flags = [flag for flag in _flags(option.name) if flag not in taken]
            known = option.name in _NOT_OFFERED or option.type.startswith("Callable")
            if flags and not known:
                yield _declared(option, flags, group=group)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Show the options by group, the command's own first."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                group = parameter.group if isinstance(parameter, _Declared) else "Options"
                groups.setdefault(group, []).append(record)
        for title, records in groups.items():
            with formatter.section(title):
                formatter.write_dl(records, col_max=36)


def given_options(values: Mapping[str, Any]) -> dict[str, Any]:
    """The declared options among a command's arguments that were given, by their declared names."""
    context = click.get_current_context()
    found = {}
    for parameter in context.command.get_params(context):
        if isinstance(parameter, _Declared):
            value = values[str(parameter.name)]
            if value not in (None, ()):
                found[parameter.declared] = dict(value) if parameter.multiple else value
    return found


def in_flags(message: str) -> str:
    """A message about the arguments of an estimator or model, with the command's flags instead."""
    context = click.get_current_context()
    flags = {str(each.name): each.opts[0] for each in context.command.get_params(context)}

    def flag(name: re.Match[str]) -> str:
        # A short name may be an ordinary word elsewhere.
        needed = message[: name.start()].endswith("needs ")
        meant = "_" in name[1] or name[0].endswith("=") or needed
        return flags[name[1]] if meant and name[1] in flags else name[0]

    return re.sub(r"\b([a-z_]+)\b=?", flag, message)


def _framework_named(args: Sequence[str]) -> str | None:
    for number, word in enumerate(args):
        if word == "--":
            break
        if word.startswith("--framework="):
            return word.partition("=")[2]
        if word == "--framework" and number + 1 < len(args):
            return args[number + 1]
    return None


def _flags(name: str) -> list[str]:
    """The flags of an option: its name, and the later spellings that estimators take."""
    from sm_core.options import ALIASES

    later = [alias for alias, primary in ALIASES.items() if primary == name]
    return [f"--{spelling.replace('_', '-')}" for spelling in (name, *later)]


def _declared(option: Option, flags: Sequence[str], *, group: str) -> _Declared:
    from sm_core.options import REQUIRED

    kind = option.type.removesuffix(" | None")
    settings: dict[str, Any] = {"declared": option.name, "group": group, "help": _help(option)}
    if kind == "bool":
        yes, *_ = flags
        return _Declared([f"{yes}/--no-{yes[2:]}", option.name], default=None, **settings)
    if kind == "Tags" or kind.startswith("Mapping["):
        settings |= {"type": NAME_AND_VALUE, "multiple": True, "metavar": "NAME=VALUE"}
    elif kind in _TYPES:
        settings |= {"type": _TYPES[kind]}
    elif (value_object := _value_object(kind)) is not None:
        settings |= {"type": _Attributes(value_object), "metavar": "JSON"}
    else:
        settings |= {"type": JSON_OR_TEXT, "metavar": "VALUE"}
    required = option.default is REQUIRED and kind in _TYPES
    return _Declared([*flags, option.name], required=required, **settings)


_TYPES: Mapping[str, ParamType] = {
    "int": click.INT,
    "float": click.FLOAT,
    "str": click.STRING,
}


def _value_object(kind: str) -> type | None:
    """The public class of the SDK that an option's declared type names, if it does."""
    import sm_core

    found = getattr(sm_core, kind, None) if kind in sm_core.__all__ else None
    return found if isinstance(found, type) else None


def _help(option: Option) -> str:
    from sm_core.options import REQUIRED

    text = re.sub(r"^([a-z])(?=[a-z ])", lambda first: first[1].upper(), option.help)
    if option.default is None or option.default is REQUIRED:
        return text
    return f"{text}  [default: {option.default}]"


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
