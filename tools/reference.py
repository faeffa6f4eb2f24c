"""The API reference: every public name of every distribution, from its docstring and signature.

mkdocs runs `on_config` and `on_files` as hooks (mkdocs.yml); nothing is written to the repository.
`gaps` says what is not documented, which a test turns into failures. Public is what a package names
in its ``__all__``, and what `FOR_AUTHORS` lists.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import attrs

from sm_core.declarations import MODEL_ALIASES
from sm_core.options import ALIASES, REQUIRED, Declared, Option

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

ROOT = Path(__file__).parents[1]
#: What plugins are written with, beside the names that `sm_core` itself has; None is all.
FOR_AUTHORS: Mapping[str, tuple[str, ...] | None] = {
    "sm_core.hookspecs": None,
    "sm_core.container.hookspecs": None,
    "sm_core.plugins": ("hookimpl",),
    "sm_core.frameworks": ("Framework",),
    "sm_core.options": ("REQUIRED", "Option"),
    "sm_core.hyperparameters": ("Hyperparameter", "Hyperparameters"),
    "sm_core.kinds": None,
    "sm_core.images": ("ImageRequest",),
    "sm_core.imagetables": ("ImageTable",),
    "sm_core.imagechoice": ("image_uri", "version_of_image"),
    "sm_core.containerspec": None,
    "sm_core.backends": None,
    "sm_core.codecs": ("Codec", "Deserializer", "Serializer", "codec_for"),
    "sm_core.requests": ("RequestContext",),
    "sm_core.container.environment": None,
    "sm_core.container.inference": None,
    "sm_core.testing": None,
}
SECTIONS = ("Args", "Attributes", "Returns", "Yields", "Raises", "Options")
_HEADING = re.compile(rf"^({'|'.join(SECTIONS)}):$")
_ITEM = re.compile(r"^(\*{0,2}[\w.]+(?:, \*{0,2}\w+)*): (.*)$")


@attrs.frozen
class Name:
    """A public name: where it is found, and what it is."""

    module: str
    name: str
    value: Any

    @property
    def path(self) -> str:
        """Module and name, joined by a dot."""
        return f"{self.module}.{self.name}"


def packages() -> list[str]:
    """The import names of all distributions, sm_core first."""
    plugins = sorted(path.name for path in (ROOT / "plugins").iterdir() if path.is_dir())
    return ["sm_core", *plugins]


def public_names(module: str) -> list[Name]:
    """What `module` names in ``__all__``, in alphabetical order."""
    loaded = import_module(module)
    public = FOR_AUTHORS.get(module) or getattr(loaded, "__all__", None) or _functions(loaded)
    names = sorted(public, key=str.lower)
    return [Name(module, name, getattr(loaded, name)) for name in names if name[0] != "_"]


def _functions(module: ModuleType) -> list[str]:
    """The functions that `module` defines, where it names nothing in ``__all__``."""
    found = inspect.getmembers(module, inspect.isfunction)
    return [name for name, value in found if value.__module__ == module.__name__]


def pages() -> Iterator[tuple[str, str, list[str]]]:
    """Title, file and modules of each page of the reference."""
    for package in packages():
        if public_names(package):
            yield package, f"reference/{package}.md", [package]
    yield "For plugin authors", "reference/plugins.md", [*FOR_AUTHORS]


def all_names() -> list[Name]:
    """Every public name of every page."""
    return [name for _, _, modules in pages() for each in modules for name in public_names(each)]


# Docstrings


def sections(text: str) -> dict[str, str]:
    """The parts of a docstring by their titles, what comes first under ""."""
    parts: dict[str, list[str]] = {"": []}
    current = ""
    for line in text.splitlines():
        if heading := _HEADING.match(line):
            current = heading[1]
            parts.setdefault(current, [])
        elif current and line.strip() and not line.startswith(" "):
            current = ""
            parts[""] += ["", line]
        else:
            parts[current].append(line)
    return {title: inspect.cleandoc("\n".join(["", *lines])) for title, lines in parts.items()}


def items(section: str) -> dict[str, str]:
    """The entries of a section like ``Args``, by name without asterisks."""
    found: dict[str, str] = {}
    last: list[str] = []
    for line in section.splitlines():
        if match := _ITEM.match(line):
            last = [name.strip().lstrip("*") for name in match[1].split(",")]
            found.update(dict.fromkeys(last, match[2]))
        else:
            found.update({name: f"{found[name]} {line.strip()}".strip() for name in last})
    return found


def comments(module: ModuleType) -> dict[str, str]:
    """What ``#:`` comments say about the names below them."""
    found: dict[str, str] = {}
    said: list[str] = []
    for line in inspect.getsource(module).splitlines():
        text = line.strip()
        if text.startswith("#:"):
            said.append(text[2:].strip())
        elif said and (match := re.match(r"(\w+)\b(?: *[:=]|$)", text)):
            found[match[1]] = " ".join(said)
            said = []
        else:
            said = []
    return found


def docstring(value: Any) -> str:
    """A class's own docstring, or that of a function or method, perhaps inherited."""
    if inspect.isclass(value):
        own = value.__dict__.get("__doc__") or ""
        return "" if own.startswith("Method generated by attrs") else inspect.cleandoc(own)
    return inspect.getdoc(value) or ""


def told(name: Name) -> str:
    """What is said about `name`: its docstring, or the ``#:`` comment where it is defined."""
    if hasattr(name.value, "__name__") and (said := docstring(name.value)):
        return said
    ours = [module for key, module in sys.modules.items() if key.partition(".")[0] in packages()]
    for module in [sys.modules[name.module], *ours]:
        if hasattr(module, "__file__") and name.name in vars(module):
            said = comments(module).get(name.name, "")
            if said:
                return said
    return ""


# What classes have


def members(cls: type) -> dict[str, Any]:
    """Public methods and properties, those of bases that are not public themselves included."""
    hidden = [base for base in cls.__mro__ if base is cls or not _is_public(base)]
    found: dict[str, Any] = {}
    for base in reversed([base for base in hidden if base is cls or _is_ours(base)]):
        for name, value in vars(base).items():
            described = isinstance(value, (property, classmethod, staticmethod))
            if name[0] != "_" and (described or inspect.isfunction(value)):
                found[name] = getattr(cls, name)
    return dict(sorted(found.items()))


def inherited(cls: type) -> dict[str, list[str]]:
    """Names of the members that public bases have, by base."""
    bases = [base for base in cls.__mro__[1:] if _is_public(base)]
    return {base.__name__: list(found) for base in bases if (found := members(base))}


def _is_ours(cls: type) -> bool:
    return cls.__module__.partition(".")[0] in packages()


def _is_public(cls: type) -> bool:
    package = cls.__module__.partition(".")[0]
    modules = [package, *FOR_AUTHORS] if package in packages() else []
    return any(name.value is cls for module in modules for name in public_names(module))


def options_of(value: Any) -> tuple[Option, ...]:
    """The declared options of an estimator or model class."""
    if inspect.isclass(value) and issubclass(value, Declared):
        return value.declared_options()
    return ()


def parameters(value: Any) -> Mapping[str, inspect.Parameter]:
    """The parameters of a call, ``self`` aside."""
    try:
        found = dict(inspect.signature(value).parameters)
    except (TypeError, ValueError):
        return {}
    return {name: each for name, each in found.items() if name not in ("self", "cls")}


# What is missing


def gaps(name: Name) -> list[str]:
    """What of a public name no docstring, option or ``#:`` comment explains."""
    if inspect.isclass(name.value):
        found = _gaps_of_class(name.value) if told(name) else ["no docstring"]
        for member, value in members(name.value).items():
            overridden = [vars(base).get(member) for base in name.value.__mro__]
            text = "\n".join([docstring(value), *map(docstring, filter(None, overridden))])
            found += [f"{member}: {gap}" for gap in _gaps_of_call(value, text.strip())]
        return found
    if inspect.isroutine(name.value):
        return _gaps_of_call(name.value, docstring(name.value))
    return [] if told(name) else ["no docstring, and no #: comment above it"]


def _gaps_of_class(cls: type) -> list[str]:
    if options := options_of(cls):
        return [f"option {option.name} has no help" for option in options if not option.help]
    if cls.__init__ is object.__init__:  # type: ignore[misc]  # read, not called
        return []
    if issubclass(cls, BaseException) and "__init__" not in vars(cls):
        return []
    bases = [docstring(base) for base in cls.__mro__ if _is_ours(base)]
    explained = "\n".join([*bases, inspect.getdoc(cls.__init__) or ""])  # type: ignore[misc]  # read
    return _unexplained(cls, explained)


def _gaps_of_call(value: Any, text: str) -> list[str]:
    if not text:
        return ["no docstring"]
    return [] if isinstance(value, property) else _unexplained(value, text)


def _unexplained(value: Any, text: str) -> list[str]:
    named = {
        name
        for title, part in _all_sections(text)
        if title in ("Args", "Attributes")
        for name in items(part)
    }
    return [
        f"argument {name} is not explained"
        for name in parameters(value)
        if not (inspect.isclass(value) and issubclass(value, Exception) and name == "message")
        and name not in named
        and not re.search(rf"`+\**{name}\b[^`]*`", text)
    ]


def _all_sections(text: str) -> Iterator[tuple[str, str]]:
    """Sections of several docstrings one below the other."""
    for part in re.split(r"\n(?=\S[^\n]*\n|$)", text):
        yield from sections(part).items()
    yield from sections(text).items()


# Markdown


def page(title: str, modules: list[str]) -> str:
    """One page of the reference."""
    lines = [f"# {title}", ""]
    for module in modules:
        if len(modules) > 1:
            lines += [f"## {module}", ""]
        lines += [prose(inspect.getdoc(import_module(module)) or ""), ""]
        names = public_names(module)
        for name in names:
            real = getattr(name.value, "__name__", name.name)
            if real != name.name and any(other.name == real for other in names):
                lines += [f"### `{name.name}`", "", f"Another name of `{real}`.", ""]
            else:
                lines += described(name)
    return "\n".join(lines)


def described(name: Name) -> list[str]:
    """A name's heading, signature, text and members."""
    lines = [f"### `{name.name}`", ""]
    value = name.value
    if not (inspect.isclass(value) or inspect.isroutine(value)):
        return [*lines, prose(told(name)), ""]
    lines += _call(name.name, value, told(name))
    if inspect.isclass(value):
        options = options_of(value)
        if options:
            lines += ["Options:", "", *map(_option, options), "", *_other_spellings(options)]
        elif inspect.isfunction(value.__init__):
            lines += _text(_without_summary(inspect.getdoc(value.__init__) or ""))
        for base, names in inherited(value).items():
            lines += [f"As in `{base}`: {', '.join(f'`{each}`' for each in names)}.", ""]
        for member, found in members(value).items():
            lines += [f"#### `{name.name}.{member}`", ""]
            lines += _call(member, found, docstring(found))
    return lines


def _call(name: str, value: Any, text: str) -> list[str]:
    lines = []
    if not isinstance(value, property) and _signature(name, value):
        lines = ["```python", _signature(name, value), "```", ""]
    return [*lines, *_text(text)]


def _without_summary(text: str) -> str:
    """The sections of a constructor's docstring; its class has said the rest."""
    generated = text.startswith(("Method generated by attrs", "Initialize self"))
    parts = {title: part for title, part in sections(text).items() if title and not generated}
    return "\n\n".join(f"{title}:\n{_indented(part)}" for title, part in parts.items())


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" if line else "" for line in text.splitlines())


def _text(text: str) -> list[str]:
    lines: list[str] = []
    for title, part in sections(text).items():
        if title == "Options" or not part.strip():
            continue
        if not title:
            lines += [prose(part), ""]
            continue
        entries = items(part)
        lines += [f"{title}:", ""]
        lines += [f"- `{name}`: {prose(said)}" for name, said in entries.items()] or [
            f"- {prose(' '.join(part.split()))}"
        ]
        lines += [""]
    return lines


def prose(text: str) -> str:
    """A docstring's text as Markdown."""
    text = re.sub(r"^::$", "", re.sub(r"(\S)::$", r"\1:", text, flags=re.M), flags=re.M)
    # Outside of code, what stands between angle brackets would be taken for HTML.
    parts = re.split(r"(``?[^`]+``?)", text)
    return "".join(part if part[:1] == "`" else part.replace("<", "&lt;") for part in parts)


def _option(option: Option) -> str:
    default = "; required" if option.default is REQUIRED else f"; default `{option.default!r}`"
    shown = "" if option.default is None else default
    return f"- `{option.name}` (`{option.type}`): {prose(option.help)}{shown}"


def _other_spellings(options: tuple[Option, ...]) -> list[str]:
    names = {option.name for option in options}
    spellings = [
        (other, name) for table in (ALIASES, MODEL_ALIASES) for other, name in table.items()
    ]
    shown = [f"`{other}` for `{name}`" for other, name in spellings if name in names]
    return [f"Also accepted: {', '.join(shown)}.", ""]


def _signature(name: str, value: Any) -> str:
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return ""
    shown: list[str] = []
    kinds = [each.kind for each in signature.parameters.values()]
    for index, each in enumerate(parameters(value).values()):
        starts = each.kind is each.KEYWORD_ONLY and each.KEYWORD_ONLY not in kinds[:index]
        if starts and each.VAR_POSITIONAL not in kinds and not any(s == "*" for s in shown):
            shown.append("*")
        shown.append(_parameter(each))
    returns = "" if signature.return_annotation is signature.empty else " -> "
    answer = f"{returns}{_annotation(signature.return_annotation)}" if returns else ""
    line = f"{name}({', '.join(shown)}){answer}"
    if len(line) <= 90:
        return line
    return "\n".join([f"{name}(", *(f"    {each}," for each in shown), f"){answer}"])


def _parameter(each: inspect.Parameter) -> str:
    stars = "*" * ((each.kind is each.VAR_POSITIONAL) + 2 * (each.kind is each.VAR_KEYWORD))
    text = f"{stars}{each.name}"
    if each.annotation is not each.empty:
        text += f": {_annotation(each.annotation)}"
    if each.default is not each.empty:
        text += f" = {re.sub(r' at 0x[0-9a-f]+', '', repr(each.default))}"
    return text


def _annotation(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


# mkdocs


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages into the navigation, at its end."""
    entries = [{title: file} for title, file, _ in pages()]
    config.nav = [*(config.nav or ()), {"Reference": entries}]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    from mkdocs.structure.files import File

    for title, file, modules in pages():
        files.append(File.generated(config, file, content=page(title, modules)))
    return files
