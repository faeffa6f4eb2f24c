"""Find, order, load and report plugins; collect and fold what their hooks return.

This module stands below both the client and `sm_core.container` and imports neither: each side
makes a manager for its own hook specifications, over the same plugin modules.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import Distribution, EntryPoint, entry_points, version
from types import ModuleType
from typing import Any, TypeVar

import attrs
import pluggy

from sm_core.brokenplugins import cause_of, hooks_in_source
from sm_core.errors import PluginError, SMError
from sm_core.hooktracing import TRACE_VARIABLE, trace_call

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

logger = logging.getLogger(__name__)

#: pluggy's project name: markers, and the prefix of the attributes they set.
PROJECT = "sm_core"
ENTRY_POINT_GROUP = "sm_core.plugins"

#: The hooks of `sm_core.hookspecs` and of `sm_core.container.hookspecs`. One plugin module may
#: implement both kinds; a manager registers its own and must still know the others from misspelt
#: ones, without importing their specifications.
CLIENT_HOOKS = frozenset(
    {
        "sm_backends",
        "sm_check_request",
        "sm_codecs",
        "sm_commands",
        "sm_container",
        "sm_frameworks",
        "sm_hyperparameters",
        "sm_image",
        "sm_image_origin",
        "sm_request",
    }
)
CONTAINER_HOOKS = frozenset({"sm_cluster", "sm_codecs", "sm_inference", "sm_train"})
_ALL_HOOKS = CLIENT_HOOKS | CONTAINER_HOOKS
#: Hooks by which a plugin amends or refuses requests, so that none may leave without it.
POLICY_HOOKS = frozenset({"sm_check_request", "sm_request"})
#: Hooks that the manager calls plugin by plugin, so that wrapping them would do nothing.
_CALLED_ONE_BY_ONE = CLIENT_HOOKS - {"sm_commands"}

#: Marks a specification of a hook.
hookspec = pluggy.HookspecMarker(PROJECT)
#: Marks a plugin's function as the implementation of the hook of its name.
hookimpl = pluggy.HookimplMarker(PROJECT)

Item = TypeVar("Item")


@attrs.frozen(kw_only=True)
class LoadedPlugin:
    """One plugin as `sm plugins` shows it.

    Attributes:
        name: the entry point's name.
        distribution: the distribution that brings it.
        version: that distribution's version.
        hooks: names of the hooks it implements, on either side, sorted; of one that could not be
            imported, those that its source names.
        error: why it was set aside; None for one that works.
        policy: whether it amends or refuses requests, or may do so for all that its source shows.
    """

    name: str
    distribution: str
    version: str
    hooks: tuple[str, ...] = ()
    error: str | None = None
    policy: bool = False

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
        self._tracing = os.environ.get(TRACE_VARIABLE, "") not in ("", "0")
        if self._tracing:
            self._trace_calls()
        for name, module in own_plugins.items():
            self._admit(name, module, "sm-core", version("sm-core"))
        for entry_point, distribution in _entry_points():
            self._load(entry_point, distribution)

    def parse_hookimpl_opts(self, plugin: Any, name: str) -> pluggy.HookimplOpts | None:
        """Leave out what belongs to the other side: its manager registers that."""
        options = super().parse_hookimpl_opts(plugin, name)
        if options is None:
            return None
        hook = options.get("specname") or name
        return None if hook in _ALL_HOOKS and not hasattr(self.hook, hook) else options

    def broken(self) -> list[LoadedPlugin]:
        """The plugins that were set aside."""
        return [load for load in self.loads if load.error is not None]

    def insist_on_policies(self) -> None:
        """See that no plugin that amends or refuses requests was set aside.

        Raises:
            PluginError: one was; names it, and what to do.
        """
        for load in self.broken():
            if load.policy:
                raise PluginError(
                    f"{load.describe()}. It may amend or refuse requests, so that without it none "
                    "is sent that creates or changes anything: repair it, or uninstall it with: "
                    f"pip uninstall {load.distribution}"
                )

    def collect(self, hook: str, kind: type[Item]) -> list[tuple[str, Item]]:
        """What `hook` returns for each plugin, as pairs of the plugin's name and one item.

        Plugins come in the order of registration. One that raises, or returns anything else than
        an iterable of `kind`, is set aside, and a warning names it.
        """
        collected: list[tuple[str, Item]] = []
        for implementation in self._in_order(hook):
            name = implementation.plugin_name
            try:
                items = _checked(hook, self._call(hook, implementation, {}), kind)
            except Exception as error:  # noqa: BLE001 - whatever a plugin raises, the others go on
                self._set_aside(name, f"{hook} failed: {type(error).__name__}: {error}")
            else:
                collected.extend((name, item) for item in items)
        return collected

    def first(self, hook: str, kind: type[Item], **arguments: Any) -> Item | None:
        """The first result of `hook` that is not None; the plugin registered last is asked first.

        Raises:
            PluginError: a plugin raised, or returned something else than a `kind`; it is named. An
                error of this SDK's passes through: that is how a plugin refuses.
        """
        for implementation in reversed(getattr(self.hook, hook).get_hookimpls()):
            who = f"plugin {implementation.plugin_name!r}: {hook}"
            try:
                result = self._call(hook, implementation, arguments)
            except SMError:
                raise
            except Exception as error:
                raise PluginError(f"{who} failed: {type(error).__name__}: {error}") from error
            if result is None:
                continue
            if not isinstance(result, kind):
                raise PluginError(
                    f"{who} returned a {type(result).__name__}; it must return a "
                    f"{kind.__name__}, or None to leave it to other plugins"
                )
            return result
        return None

    def fold(
        self,
        hook: str,
        folded: str,
        value: Mapping[str, Any],
        *,
        first: str | None = None,
        **arguments: Any,
    ) -> dict[str, Any] | None:
        """Call `hook` plugin by plugin, each seeing as argument `folded` what the last returned.

        The plugin called `first` comes first. The others come in the order of registration;
        ``tryfirst`` and ``trylast`` move one to either end. One that returns None leaves the value
        as it is.

        Returns:
            The last result that is not None, or None if there is none.

        Raises:
            PluginError: a plugin returned something else than a mapping. What a plugin raises
                itself passes through: that is how it refuses.
        """
        result: dict[str, Any] | None = None
        for implementation in sorted(
            self._in_order(hook), key=lambda each: each.plugin_name != first
        ):
            given = {**arguments, folded: value if result is None else result}
            answer = self._call(hook, implementation, given)
            if answer is None:
                continue
            if not isinstance(answer, Mapping):
                raise PluginError(
                    f"plugin {implementation.plugin_name!r}: {hook} returned a "
                    f"{type(answer).__name__}; it must return a dict, or None to change nothing"
                )
            result = dict(answer)
        return result

    def check(self, hook: str, **arguments: Any) -> None:
        """Call `hook` of each plugin in the order of registration; one that raises, refuses.

        Raises:
            PluginError: a plugin returned something, which would be lost.
        """
        for implementation in self._in_order(hook):
            answer = self._call(hook, implementation, arguments)
            if answer is not None:
                raise PluginError(
                    f"plugin {implementation.plugin_name!r}: {hook} returned a "
                    f"{type(answer).__name__}; it must raise to refuse, and return nothing"
                )

    def _in_order(self, hook: str) -> list[pluggy.HookImpl]:
        """The implementations of `hook`: those that try first, in order of registration, last."""
        found: Sequence[pluggy.HookImpl] = getattr(self.hook, hook).get_hookimpls()
        return sorted(found, key=lambda each: each.trylast - each.tryfirst)

    def _call(
        self, hook: str, implementation: pluggy.HookImpl, arguments: Mapping[str, Any]
    ) -> Any:
        try:
            result = implementation.function(*(arguments[name] for name in implementation.argnames))
        except Exception as error:
            if self._tracing:
                trace_call(hook, [implementation], arguments, error)
            raise
        if self._tracing:
            trace_call(hook, [implementation], arguments, result)
        return result

    def _trace_calls(self) -> None:
        def after(
            outcome: pluggy.Result[Any],
            hook: str,
            implementations: Sequence[pluggy.HookImpl],
            arguments: Mapping[str, Any],
        ) -> None:
            result = outcome.exception if outcome.exception else outcome.get_result()
            trace_call(hook, implementations, arguments, result)

        self.add_hookcall_monitoring(lambda *_: None, after)

    def _load(self, entry_point: EntryPoint, distribution: Distribution) -> None:
        name, release = distribution.name, distribution.version
        try:
            self._admit(entry_point.name, _module(entry_point), name, release)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it raises, others go on
            hooks = hooks_in_source(entry_point, _ALL_HOOKS)
            self.loads.append(
                LoadedPlugin(
                    name=entry_point.name,
                    distribution=name,
                    version=release,
                    hooks=tuple(sorted(hooks or ())),
                    error=cause_of(error, distribution),
                    policy=hooks is None or bool(hooks & POLICY_HOOKS),
                )
            )

    def _admit(self, name: str, module: ModuleType, distribution: str, release: str) -> None:
        if self.has_plugin(name):
            raise PluginError(f"there is another plugin of the name {name!r}")
        self._check(module)
        try:
            self.register(module, name=name)
        except Exception:
            # Older versions of pluggy keep half of what they refuse.
            if self.get_plugin(name) is module:
                self.unregister(module)
            raise
        hooks = set(self._implemented(module))
        self.loads.append(
            LoadedPlugin(
                name=name,
                distribution=distribution,
                version=release,
                hooks=tuple(sorted(hooks)),
                policy=bool(hooks & POLICY_HOOKS),
            )
        )

    def _check(self, module: ModuleType) -> None:
        implemented = self._implemented(module)
        unknown = sorted(set(implemented) - _ALL_HOOKS)
        if unknown:
            raise PluginError(f"it implements hooks that do not exist: {', '.join(unknown)}")
        for hook in sorted(_CALLED_ONE_BY_ONE & set(implemented)):
            if implemented[hook].get("wrapper") or implemented[hook].get("hookwrapper"):
                raise PluginError(f"{hook} cannot be wrapped; implement it without wrapper=True")

    def _implemented(self, module: ModuleType) -> dict[str, pluggy.HookimplOpts]:
        """The hooks of either side that `module` implements, by name."""
        found = {
            name: super(PluginManager, self).parse_hookimpl_opts(module, name)
            for name in dir(module)
        }
        return {
            options.get("specname") or name: options
            for name, options in found.items()
            if options is not None
        }

    def _set_aside(self, name: str, error: str) -> None:
        self.unregister(name=name)
        for number, load in enumerate(self.loads):
            if load.name == name and load.error is None:
                self.loads[number] = attrs.evolve(load, error=error)
                logger.warning("%s", self.loads[number].describe())


def _module(entry_point: EntryPoint) -> ModuleType:
    found = entry_point.load()
    if not isinstance(found, ModuleType):
        raise PluginError(
            f"its entry point {entry_point.value!r} names a {type(found).__name__}; "
            f"it must name a module, such as {entry_point.module!r}"
        )
    return found


def _checked(hook: str, items: Any, kind: type[Item]) -> list[Item]:
    """The items that a plugin returned, if they are what `hook` promises."""
    if not isinstance(items, Iterable):
        raise PluginError(
            f"{hook} returned a {type(items).__name__}; it must return a list of {kind.__name__}"
        )
    checked = list(items)
    for item in checked:
        if not isinstance(item, kind):
            raise PluginError(
                f"{hook} returned a list with a {type(item).__name__} in it; "
                f"each item must be a {kind.__name__}"
            )
    return checked


def _entry_points() -> list[tuple[EntryPoint, Distribution]]:
    """Entry points of the group with their distributions, by the distributions' names."""
    found = [
        (point, point.dist)
        for point in entry_points(group=ENTRY_POINT_GROUP)
        if point.dist is not None
    ]
    return sorted(found, key=lambda pair: (_canonical(pair[1].name), pair[0].name))


def _canonical(distribution: str) -> str:
    """A distribution's name as the package index compares them."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


@cache
def client_plugins() -> PluginManager:
    """The client's plugins, loaded on first use: the core's own, then the installed ones.

    One that was set aside is named in the log.
    """
    plugins = PluginManager(
        import_module("sm_core.hookspecs"), {"core": import_module("sm_core.builtin")}
    )
    for load in plugins.broken():
        logger.warning("%s", load.describe())
    return plugins
