"""What can be said of a plugin that cannot be loaded: why, and what it would have done."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from importlib.abc import InspectLoader
from importlib.machinery import ModuleSpec
from importlib.metadata import Distribution, EntryPoint, version

from sm_core.errors import PluginError

__all__ = ["cause_of", "hooks_in_source"]


def cause_of(error: BaseException, distribution: Distribution) -> str:
    """Why it cannot be loaded; says so if its distribution asks for a newer sm-core."""
    text = str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"
    wanted = _newer_core_wanted(distribution)
    if wanted is None:
        return text
    return f"{text} (it asks for sm-core {wanted}, {version('sm-core')} is here)"


def hooks_in_source(entry_point: EntryPoint, hooks: Iterable[str]) -> set[str] | None:
    """Those of `hooks` that the plugin's source names, without running it.

    None where that cannot be told: the source is not to be found, or it imports names that it does
    not show.
    """
    try:
        source = _source(entry_point.module)
    except (ImportError, OSError, SyntaxError, ValueError):
        return None
    if source is None or re.search(r"\bimport\s*\(?\s*\*", source):
        return None
    return {hook for hook in hooks if re.search(rf"\b{hook}\b", source)}


def _source(module: str) -> str | None:
    """The source of `module`; its parent packages are looked up, not imported."""
    path = None
    spec: ModuleSpec | None = None
    names = module.split(".")
    for depth in range(1, len(names) + 1):
        spec = _spec(".".join(names[:depth]), path)
        if spec is None:
            return None
        path = spec.submodule_search_locations
    loader = spec.loader if spec else None
    return loader.get_source(module) if isinstance(loader, InspectLoader) else None


def _spec(name: str, path: list[str] | None) -> ModuleSpec | None:
    for finder in sys.meta_path:
        spec = finder.find_spec(name, path)
        if spec is not None:
            return spec
    return None


def _newer_core_wanted(distribution: Distribution) -> str | None:
    """The sm-core version that `distribution` requires, if it is newer than the one installed."""
    for requirement in distribution.requires or ():
        # ``sm-core[container] (>=1.2,<2) ; extra == "x"``, in any of the usual spellings.
        match = re.match(
            r"sm[-_.]core(?![-_.\w])[^;]*?(>=|~=|==|>)\s*([0-9][0-9.]*)", requirement, re.IGNORECASE
        )
        if match and _release(match[2]) > _release(version("sm-core")):
            return match[1] + match[2]
    return None


def _release(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])
