"""A module ``tensorflow`` with the API of version 1 first, in graph mode."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import tensorflow as real  # noqa: ICN001  # tf is what the script will call the alias
import tensorflow.compat.v1 as v1

__all__ = ["Alias", "install"]


class Alias(ModuleType):
    """``tensorflow`` as scripts of version 1 know it.

    What version 1 had is its own; what only version 2 has, such as ``tf.function``'s companions,
    is found too. Submodules are imported from where version 1's API lies.
    """

    def __init__(self, contrib: ModuleType) -> None:
        super().__init__("tensorflow", real.__doc__)
        self.__path__ = [*v1.__path__, *real.__path__]
        self.__file__ = real.__file__
        self.__package__ = "tensorflow"
        self.__spec__ = real.__spec__
        self.__loader__ = real.__loader__
        self.__version__ = real.__version__
        self.contrib = contrib
        self.keras = v1.keras
        for name in ("compat", "core", "python"):
            setattr(self, name, sys.modules[f"tensorflow.{name}"])

    def __getattr__(self, name: str) -> Any:
        for module in (v1, real):
            try:
                return getattr(module, name)
            except AttributeError:
                continue
        raise AttributeError(f"module 'tensorflow' has no attribute {name!r}")

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(v1), *dir(real)})


def install(contrib: ModuleType) -> None:
    """Put the alias in the place of ``tensorflow``, with `contrib` in it."""
    v1.disable_v2_behavior()
    # Loaded on first use otherwise, when they would take the alias for what they are made for.
    for lazy in (v1.keras, v1.estimator, real.keras, real.estimator):
        dir(lazy)
    _load_estimators()
    sys.modules["tensorflow"] = Alias(contrib)


def _load_estimators() -> None:
    from tensorflow_estimator.python.estimator import (  # noqa: F401  # see above
        estimator_lib,
        exporter,
        keras_lib,
        training,
    )
