"""Apache MXNet for sm-core: estimator, model, predictor, and what runs in the container."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["MXNet", "MXNetModel", "MXNetPredictor"]

if TYPE_CHECKING:
    from sm_mxnet.estimator import MXNet
    from sm_mxnet.model import MXNetModel
    from sm_mxnet.predictor import MXNetPredictor
else:
    # Loaded on first use: in a container there is no client to import.
    _MODULES = {
        "MXNet": "sm_mxnet.estimator",
        "MXNetModel": "sm_mxnet.model",
        "MXNetPredictor": "sm_mxnet.predictor",
    }

    def __getattr__(name: str) -> Any:
        from importlib import import_module

        module = _MODULES.get(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(module), name)

    def __dir__() -> list[str]:
        return __all__
