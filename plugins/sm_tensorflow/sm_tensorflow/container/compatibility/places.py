"""Where modules of TensorFlow 1 lie today, for scripts that import them by their old paths."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType

from sm_tensorflow.container.compatibility.contrib import missing

__all__ = ["install"]

_KERAS = "keras.api._v1.keras"
#: Old place of a package → its present one; the longest that fits counts.
_MOVED = {
    "tensorflow.contrib.keras": _KERAS,
    "tensorflow.contrib.keras.api.keras": _KERAS,
    "tensorflow.contrib.keras.python.keras": _KERAS,
    "tensorflow.keras": _KERAS,
    "tensorflow.python.estimator": "tensorflow_estimator.python.estimator",
    "tensorflow.python.keras._impl.keras": _KERAS,
}
#: Packages that only lie on the way to one.
_PASSED = (
    "tensorflow.contrib.keras.api",
    "tensorflow.contrib.keras.python",
    "tensorflow.python.keras._impl",
)


def install() -> None:
    """Let imports find them."""
    sys.meta_path.insert(0, _Finder())


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname in _PASSED:
            return importlib.machinery.ModuleSpec(fullname, _Empty(), is_package=True)
        present = _present(fullname)
        if present is not None:
            return importlib.machinery.ModuleSpec(fullname, _Elsewhere(present), is_package=True)
        if fullname.startswith("tensorflow.contrib."):
            parent, _, name = fullname.rpartition(".")
            raise ImportError(missing(parent, name), name=fullname)
        return None


def _present(fullname: str) -> str | None:
    for old in sorted(_MOVED, key=len, reverse=True):
        if fullname == old or fullname.startswith(f"{old}."):
            return _MOVED[old] + fullname[len(old) :]
    return None


class _Elsewhere(importlib.abc.Loader):
    """Gives the module of the present place, the very same object."""

    def __init__(self, present: str) -> None:
        self._present = present
        self._own: importlib.machinery.ModuleSpec | None = None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        module = importlib.import_module(self._present)
        self._own = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has just written the old place's over it.
        module.__spec__ = self._own


class _Empty(importlib.abc.Loader):
    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        return None
