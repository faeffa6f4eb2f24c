"""The plugins of the container's side."""

from __future__ import annotations

import logging
from functools import cache
from importlib.util import find_spec

from sm_core.container import fallback, hookspecs
from sm_core.plugins import PluginManager

__all__ = ["container_plugins", "is_installed"]

logger = logging.getLogger(__name__)


@cache
def container_plugins() -> PluginManager:
    """The container's plugins, loaded on first use: the installed ones are asked before the core.

    One that was set aside is named in the log.
    """
    # Hooks call the plugin registered last first; the manager registers the core's own first.
    plugins = PluginManager(hookspecs, {"core": fallback})
    for load in plugins.broken():
        logger.warning("%s", load.describe())
    return plugins


def is_installed(package: str) -> bool:
    """Whether a framework's package can be imported, so that this container may be for it.

    A plugin may be installed where its framework is not, for its codecs say. A folder of that name
    in the working directory is not the package.
    """
    found = find_spec(package)
    return found is not None and found.origin is not None
