"""Find, order, load and report plugins; fold what request hooks return.

This module stands below both the client and `sm_core.container` and imports neither: each side
makes a manager for its own hook specifications, over the same plugin modules.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import Distribution, EntryPoint, distributions, version
from types import ModuleType
from typing import Any

import attrs
import pluggy

from sm_core.errors import PluginError

__all__ = [
    "CLIENT_HOOKS",
    "CONTAINER_HOOKS",
    "ENTRY_POINT_GROUP",
    "LoadedPlugin",
    "PluginManager",
    "client_plugins",
    "hookimpl",
    "hookspec",
]

#: pluggy's project name: markers, and the prefix of the attributes they set.
PROJECT = "sm_core"
ENTRY_POINT_GROUP = "sm_core.plugins"
#: Set to print every hook call and its result on standard error.
TRACE_VARIABLE = "SMCORE_TRACE_HOOKS"

#: The hooks of `sm_core.hookspecs` and of `sm_core.container.hookspecs`. One plugin module may
#: implement both kinds; a manager registers its own and must still know the others from misspelt
#: ones, without importing their specifications.
CLIENT_HOOKS = frozenset(
    {
        "sm_backends",
        "sm_codecs",
        "sm_commands",
        "sm_container",
        "sm_frameworks",
        "sm_image",
        "sm_request",
    }
)
CONTAINER_HOOKS = frozenset({"sm_inference", "sm_train"})

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@attrs.frozen(kw_only=True)
class LoadedPlugin:
    """One plugin as `sm plugins` shows it.

    Attributes:
        name: the entry point's name.
        distribution: the distribution that brings it; "" for one registered by hand.
        version: that distribution's version.
        hooks: names of the hooks it implements, on either side, sorted.
        error: why it was set aside; None for one that works.
    """

    name: str
    distribution: str
    version: str
    hooks: tuple[str, ...] = ()
    error: str | None = None

    def describe(self) -> str:
        """The plugin and what became of it, in one line."""
        who = f"plugin {self.name!r} of {self.distribution} {self.version}"
        return who if self.error is None else f"{who} was set aside: {self.error}"


class PluginManager(pluggy.PluginManager):
    """The plugins of one side (client or container), loaded once, bad ones set aside."""

    def __init__(self, specifications: ModuleType, own_plugins: Mapping[str, ModuleType]) -> None:
        """Register `own_plugins` (name → module), then those of the installed distributions.

        Args:
            specifications: module of hook specifications.
            own_plugins: the core's own plugins.
        """
        super().__init__(PROJECT)
        self.add_hookspecs(specifications)
        self.loads: list[LoadedPlugin] = []
        if os.environ.get(TRACE_VARIABLE, "") not in ("", "0"):
            self.trace.root.setwriter(lambda text: sys.stderr.write(text))
            self.enable_tracing()
        for name, module in own_plugins.items():
            self._admit(name, module, "sm-core", version("sm-core"))
        for entry_point, distribution in _entry_points():
            self._load(entry_point, distribution)

    def parse_hookimpl_opts(self, plugin: Any, name: str) -> pluggy.HookimplOpts | None:
        """Leave out what belongs to the other side: its manager registers that."""
        options = super().parse_hookimpl_opts(plugin, name)
        if options is not None and not hasattr(self.hook, name) and name in _ALL_HOOKS:
            return None
        return options

    def broken(self) -> list[LoadedPlugin]:
        """The plugins that were set aside."""
        return [load for load in self.loads if load.error is not None]

    def fold(self, hook: str, folded: str, value: Any, **arguments: Any) -> Any:
        """Call `hook` plugin by plugin, each seeing as argument `folded` what the last returned.

        Plugins come in the order of registration; one that returns None leaves the value as it is.

        Returns:
            The last result that is not None, or None if there is none.

        Raises:
            PluginError: a plugin returned something of another kind than it was given.
        """
        result: Any = None
        for implementation in getattr(self.hook, hook).get_hookimpls():
            given = {**arguments, folded: value if result is None else result}
            self.trace.root.get("hook")(hook, "of", implementation.plugin_name, given, "\n")
            answer = implementation.function(*(given[name] for name in implementation.argnames))
            if answer is None:
                continue
            if not isinstance(answer, Mapping):
                raise PluginError(
                    f"plugin {implementation.plugin_name!r}: {hook} returned a "
                    f"{type(answer).__name__}; it must return a dict, or None to change nothing"
                )
            result = answer
        return result

    def _load(self, entry_point: EntryPoint, distribution: Distribution) -> None:
        name, release = distribution.metadata["Name"], distribution.version
        module, fresh = None, False
        try:
            module = import_module(entry_point.module)
            fresh = not self.is_registered(module)
            self._admit(entry_point.name, module, name, release)
        except Exception as error:  # noqa: BLE001 - whatever a plugin raises, the others go on
            # pluggy keeps a plugin registered that it finds wrong.
            if fresh and self.is_registered(module):
                self.unregister(module)
            self.loads.append(
                LoadedPlugin(
                    name=entry_point.name,
                    distribution=name,
                    version=release,
                    error=_cause(error, distribution),
                )
            )

    def _admit(self, name: str, module: ModuleType, distribution: str, release: str) -> None:
        implemented = _implemented(module)
        unknown = sorted(set(implemented) - _ALL_HOOKS)
        if unknown:
            raise LookupError(f"it implements hooks that do not exist: {', '.join(unknown)}")
        self.register(module, name=name)
        self.loads.append(
            LoadedPlugin(name=name, distribution=distribution, version=release, hooks=implemented)
        )


_ALL_HOOKS = CLIENT_HOOKS | CONTAINER_HOOKS


def _implemented(module: ModuleType) -> tuple[str, ...]:
    marker = f"{PROJECT}_impl"
    return tuple(sorted(name for name, value in vars(module).items() if hasattr(value, marker)))


def _entry_points() -> list[tuple[EntryPoint, Distribution]]:
    """Entry points of the group with their distributions, by the distributions' names.

    A distribution that is found twice on ``sys.path`` counts once, as for ``import``.
    """
    found: dict[str, list[tuple[EntryPoint, Distribution]]] = {}
    for distribution in distributions():
        name = distribution.metadata["Name"]
        if name is None or name in found:
            continue
        points = [point for point in distribution.entry_points if point.group == ENTRY_POINT_GROUP]
        found[name] = [(point, distribution) for point in points]
    return [pair for name in sorted(found) for pair in found[name]]


def _cause(error: Exception, distribution: Distribution) -> str:
    text = f"{type(error).__name__}: {error}"
    wanted = _newer_core_wanted(distribution)
    return (
        f"{text} (it asks for sm-core {wanted}, {version('sm-core')} is here)" if wanted else text
    )


def _newer_core_wanted(distribution: Distribution) -> str | None:
    """The sm-core version that `distribution` requires, if it is newer than the one installed."""
    for requirement in distribution.requires or ():
        match = re.match(r"sm[-_.]core\b[^;]*?>=\s*([0-9][0-9.]*)", requirement, re.IGNORECASE)
        if match and _release(match[1]) > _release(version("sm-core")):
            return f">={match[1]}"
    return None


def _release(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


@cache
def client_plugins() -> PluginManager:
    """The client's plugins, loaded on first use: the core's own, then the installed ones."""
    return PluginManager(
        import_module("sm_core.hookspecs"), {"core": import_module("sm_core.builtin")}
    )
