"""Reads a user's script, without running it, to decide how it is to be run.

Client and container both ask here, so that they never disagree. Standard library only.
"""

from __future__ import annotations

import ast
import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from sm_core.errors import SourceError

__all__ = [
    "ScriptFunctions",
    "defined_functions",
    "only_defined",
    "parse_script",
    "runs_as_script",
]


class ScriptFunctions(NamedTuple):
    """The functions by which a framework knows a script that it imports and calls.

    Attributes:
        required: groups of names; a function-mode script defines at least one of each group.
        arguments: the names that the training function may ask for.
        main: the function whose parameters are compared with `arguments`; "" for none.
    """

    required: tuple[tuple[str, ...], ...]
    arguments: frozenset[str] = frozenset()
    main: str = ""


class _Parameters(NamedTuple):
    """What a function asks for, as far as its definition shows."""

    required: frozenset[str]
    optional: frozenset[str] = frozenset()
    takes_all: bool = False
    imported: bool = False


def runs_as_script(
    path: Path,
    functions: ScriptFunctions,
    *,
    legacy: bool = False,
    override: bool | None = None,
) -> bool:
    """Whether `path` runs as a script of its own; else the framework calls its functions.

    Args:
        path: the entry point; what is no Python file always runs as a script.
        functions: the framework's functions.
        legacy: the image's version knows functions only.
        override: the user's own choice, which wins.

    Raises:
        SourceError: the file cannot be read, or is not valid Python 3.
    """
    if path.suffix != ".py":
        return True
    tree = parse_script(path)
    if override is not None or legacy:
        return bool(override)
    defined = dict(_definitions(tree.body, path.parent))
    if not all(any(name in defined for name in group) for group in functions.required):
        return True
    names = {name for group in functions.required for name in group if name in defined}
    if _calls_at_top_level(tree, names):
        return True
    runs_itself = any(_is_main_guard(node) for node in tree.body)
    main = defined.get(functions.main)
    return _is_own_function(main, functions.arguments, runs_itself=runs_itself) if main else False


def _is_own_function(main: _Parameters, known: frozenset[str], *, runs_itself: bool) -> bool:
    """Whether `main` only happens to have the name of the framework's function."""
    if main.imported:
        return runs_itself
    documented = bool((main.required | main.optional) & known)
    if main.required <= known:
        return runs_itself and not documented and not main.takes_all
    # A misspelt argument in a script that does nothing by itself: calling the function gives an
    # error that names the argument; running the file would train nothing and succeed.
    return runs_itself or not documented


def parse_script(path: Path) -> ast.Module:
    """The syntax tree of `path`.

    Raises:
        SourceError: the file cannot be read or is not valid Python 3; names file and line, and
            says so if it is Python 2.
    """
    try:
        source = path.read_bytes()
    except OSError as error:
        raise SourceError(f"cannot read the script {path}: {error.strerror}") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source, filename=str(path))
    except SyntaxError as error:
        raise SourceError(_syntax_message(path, error)) from None
    except ValueError as error:
        raise SourceError(f"{path} is not Python source: {error}") from None


def defined_functions(path: Path) -> set[str]:
    """Names that the script at `path` defines as functions, or imports, at its top level.

    Raises:
        SourceError: as `parse_script`.
    """
    return {name for name, _ in _definitions(parse_script(path).body, path.parent)}


def only_defined(tree: ast.Module) -> list[str]:
    """Names of the functions of a script that defines functions and does nothing else; else none.

    Run as a program it ends at once, with success.
    """
    harmless = (
        ast.AnnAssign,
        ast.Assign,
        ast.AsyncFunctionDef,
        ast.ClassDef,
        ast.FunctionDef,
        ast.Import,
        ast.ImportFrom,
    )
    for node in tree.body:
        text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not text and not isinstance(node, harmless):
            return []
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    return [] if _calls_at_top_level(tree, set(names)) else names


#: What Python 2 allowed, and how a Python 3 parser's message or the line itself shows it.
_PYTHON_2: tuple[tuple[str, str, str], ...] = (
    ("a print statement", r"call to 'print'", ""),
    ("an exec statement", r"call to 'exec'", ""),
    ("'except Error, name'", r"multiple exception types", r"\bexcept\b[^:]*,"),
    ("a long integer such as 1L", r"invalid (decimal|hexadecimal) literal", r"\b[0-9]\w*[lL]\b"),
    ("an octal number such as 0777", r"leading zeros in decimal", ""),
    ("'<>'", r"", r"<>"),
    ("backticks", r"", r"`"),
    ("'raise Error, value'", r"", r"^\s*raise\s+[\w.]+\s*,"),
    ("tabs mixed with spaces", r"inconsistent use of tabs", ""),
)


def _syntax_message(path: Path, error: SyntaxError) -> str:
    place = f"{path}, line {error.lineno}" if error.lineno else str(path)
    line = (error.text or "").rstrip("\n")
    for what, message, text in _PYTHON_2:
        if re.search(message, error.msg) and re.search(text, line):
            return (
                f"{place}: {line.strip()!r} is Python 2 ({what}). Scripts run on Python 3 and are "
                "not translated: convert the script to Python 3"
            )
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return f"{place}: {line.strip()!r} is not valid Python {version}: {error.msg}"


def _definitions(
    body: Sequence[ast.stmt], folder: Path, seen: frozenset[Path] = frozenset()
) -> Iterator[tuple[str, _Parameters]]:
    """Functions that a module defines or imports at its top level, with their parameters.

    Args:
        body: of the module.
        folder: in which it lies.
        seen: files whose names are being imported already.
    """
    for node in _top_level(body):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, _parameters(node.args)
        elif isinstance(node, (ast.ImportFrom, ast.Import)):
            names = [alias.asname or alias.name for alias in node.names]
            if names == ["*"] and isinstance(node, ast.ImportFrom):
                names = _names_in(node, folder, seen)
            for name in names:
                yield name, _Parameters(frozenset(), takes_all=True, imported=True)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    yield target.id, _assigned(node.value)


def _names_in(node: ast.ImportFrom, folder: Path, seen: frozenset[Path]) -> list[str]:
    """The names that ``from … import *`` brings from a file beside the script; else none."""
    path = folder / f"{(node.module or '').replace('.', '/')}.py"
    if node.level or path in seen or not path.is_file():
        return []
    body = parse_script(path).body
    return [name for name, _ in _definitions(body, folder, seen | {path})]


def _assigned(value: ast.expr) -> _Parameters:
    if isinstance(value, ast.Lambda):
        return _parameters(value.args)
    return _Parameters(frozenset(), takes_all=True)


def _top_level(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that importing the module executes, those of ``if``, ``try``, ``with`` too."""
    for node in body:
        yield node
        if isinstance(node, ast.If) and not _is_main_guard(node):
            yield from _top_level([*node.body, *node.orelse])
        elif isinstance(node, ast.Try):
            handlers = [statement for handler in node.handlers for statement in handler.body]
            yield from _top_level([*node.body, *handlers, *node.orelse, *node.finalbody])
        elif isinstance(node, ast.With):
            yield from _top_level(node.body)


def _parameters(arguments: ast.arguments) -> _Parameters:
    positional = [*arguments.posonlyargs, *arguments.args]
    split = len(positional) - len(arguments.defaults)
    keyword = list(zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True))
    required = [*positional[:split], *(entry for entry, default in keyword if default is None)]
    optional = [*positional[split:], *(entry for entry, default in keyword if default is not None)]
    return _Parameters(
        required=frozenset(entry.arg for entry in required),
        optional=frozenset(entry.arg for entry in optional),
        takes_all=arguments.kwarg is not None,
    )


def _is_main_guard(node: ast.stmt) -> bool:
    """``if __name__ == "__main__":``, either way round, alone or as part of a condition."""
    if not isinstance(node, ast.If):
        return False
    for part in ast.walk(node.test):
        if isinstance(part, ast.Compare):
            sides = [part.left, *part.comparators]
            names = {side.id for side in sides if isinstance(side, ast.Name)}
            values = {side.value for side in sides if isinstance(side, ast.Constant)}
            if "__name__" in names and "__main__" in values:
                return True
    return False


def _calls_at_top_level(tree: ast.Module, names: set[str]) -> bool:
    """Whether importing the module would call one of `names`, as an unguarded script does."""
    for node in _top_level(tree.body):
        if isinstance(node, (ast.Expr, ast.Assign)) and any(
            isinstance(part, ast.Call) and isinstance(part.func, ast.Name) and part.func.id in names
            for part in ast.walk(node.value)
        ):
            return True
    return False
